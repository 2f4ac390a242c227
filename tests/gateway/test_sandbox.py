"""Templates in our sandbox and in transformers': the same prompts, and the same refusals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
import transformers
from transformers import AutoTokenizer

from gateway.chat_template import ChatTemplate
from gateway.core.errors import RequestError, SettingsError
from gateway.core.types import ChatInput
from tests.gateway.qwen_templates import SEEDLING

USER = {"role": "user", "content": "a < b & 'c' \"d\" 你好\n"}
CALLED = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "hm",
    "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"b": 1.5, "a": [None, True]}}}],
}
MESSAGES = (USER, CALLED, {"role": "tool", "content": "3"})
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"z": "é", "a": "<b>"}}}

WRITTEN = {
    "json": "{{ tools | tojson }}{{ messages | tojson }}",
    "json-with-options": "{{ tools | tojson(indent=2, sort_keys=true) }}|{{ messages[1] | tojson(ensure_ascii=true) }}",
    "json-separators": "{{ tools | tojson(separators=(',', ':')) }}",
    "null-is-absent": "{% for m in messages %}{{ m.content is defined }},{{ 'content' in m }};{% endfor %}",
    "thinking-by-any-name": "{{ messages[1].thinking }}{{ messages[1].reasoning_content }}{{ messages[1].reasoning }}",
    "undefined": "{{ nothing }}|{{ nothing is defined }}|{{ documents is none }}|{{ documents is defined }}",
    "no-tools": "{{ 'tools' if tools else 'no tools' }}",
    "special-tokens": "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token }}",
    "an-option": "{{ mood }}{{ enable_thinking }}",
    "an-option-over-a-token": "{{ eos_token }}|{{ mood }}",
    "blocks": "  {% if true %}\n  x\n  {% endif %}\n  {#- c -#}  \n y {{- 1 -}} \n",
    "a-newline-at-the-end": "x\n",
    "loop-controls": "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}"
    "{{ m.role }}{% break %}{% endfor %}",
    "loop": "{% for m in messages %}{{ loop.index0 }}{{ loop.last }}{{ loop.length }}{% endfor %}",
    "generation": "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}",
    "generation-with-dashes": "a {%- generation -%} b {%- endgeneration -%} c",
    "namespace": "{% set ns = namespace(a=1, self=2) %}{% for m in messages %}{% set ns.a = ns.a + 1 %}{% endfor %}"
    "{{ ns.a }}{{ ns.self }}",
    "dict": "{{ dict(a=1, **{'b': 2}) | tojson }}{{ dict.fromkeys(['x'], 0) | tojson }}",
    "macro": "{% macro f(x, y='z') %}<{{ x }}{{ y }}>{% endmacro %}{{ f(1) }}{{ f(1, 2) }}",
    "filters": "{{ ' a b ' | trim | upper }}{{ [3, 1] | sort | join('-') }}"
    "{{ messages | map(attribute='role') | list }}",
    "methods": "{{ messages[0].content.split()[0] }}{{ 'x'.startswith('x') }}"
    "{{ messages[1].tool_calls[0].function.items() | list }}",
    "tests": "{{ 'x' is string }}{{ {} is mapping }}{{ 1 is number }}{{ [] is iterable }}{{ none is none }}",
    "slices": "{{ messages[::-1] | length }}{{ messages[1:][0].role }}",
    "generation-prompt": "{% if add_generation_prompt %}yes{% endif %}",
    "year": "{{ strftime_now('%Y') }}",
    "the-letter-of-html": "{{ messages[0].content }}{{ messages[0].content | e }}{{ '<b>' | safe }}",
}
REFUSED = {
    "raises": "{{ raise_exception('No.') }}",
    "type": "{{ ''.__class__() }}",
    "subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "item-for-attribute": "{{ ''['__class__'] }}{{ (''['__class__'])() }}",
    "attr-filter": "{{ '' | attr('__class__') }}{{ ('' | attr('__class__'))() }}",
    "globals-of-a-function": "{{ raise_exception.__globals__ }}{{ raise_exception.__globals__['json'] }}",
    "globals-of-jinja-s": "{{ lipsum.__globals__['os'].system('true') }}",
    "format": "{{ '{0.__class__.__mro__}'.format(messages) }}{{ '{0.__class__}'.format('')[0].x() }}",
    "format-map": "{{ '{a.__class__.__init__}'.format_map({'a': 1}).x() }}",
    "changes-a-message": "{{ messages[0].update({'content': 1}) }}",
    "changes-the-list": "{{ messages.append(1) }}",
    "changes-with-do": "{% set _ = messages.pop() %}",
    "namespace-class": "{% set ns = namespace() %}{% set ns.__class__ = dict %}",
    "namespace-argument": "{{ namespace(__class__=1) }}",
    "namespace-init": "{{ namespace.__init__.__globals__ }}{{ namespace.__init__.__globals__.x() }}",
    "dict-type": "{{ dict.__class__.__base__.x() }}",
    "code-of-a-macro": "{% macro f() %}{% endmacro %}{{ f.__code__.x() }}",
    "self": "{{ self.__init__.__globals__.x() }}",
    "cycler": "{{ cycler.__init__.__globals__.os.x() }}",
    "endless-recursion": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "huge-range": "{% for i in range(10 ** 9) %}{% endfor %}",
    "huge-text": "{{ 'x' * 10 ** 18 }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'os' as os %}",
    "call-of-undefined": "{{ open('/etc/passwd') }}",
}
UNREADABLE = {
    "syntax": "{% if %}",
    "unclosed": "{% generation %}",
    "filter": "{{ messages | nofilter }}",
    "test": "{{ messages is notest }}",
    "nested-too-deeply": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "nested-loops": "{% for a in b %}" * 30 + "{% endfor %}" * 30,
}
# The last transformers for Python 3.10 has nulls and one name for thinking, and lets namespaces have any names.
CHANGED = {
    "json",
    "json-with-options",
    "null-is-absent",
    "thinking-by-any-name",
    "namespace-class",
    "namespace-argument",
}
newer_transformers = pytest.mark.skipif(
    tuple(map(int, transformers.__version__.split(".")[:2])) < (5, 23), reason="older transformers do otherwise"
)
OPTIONS = {"mood": "<good>", "enable_thinking": False}


def rows(templates: Mapping[str, str]) -> list[Any]:
    return [
        pytest.param(template, id=name, marks=[newer_transformers] * (name in CHANGED))
        for name, template in templates.items()
    ]


@pytest.fixture(scope="module")
def reference() -> Any:
    return AutoTokenizer.from_pretrained(str(SEEDLING))


def ours(template: str, reference: Any, messages: Any = MESSAGES, tools: Any = (TOOL,), **options: object) -> str:
    made = ChatTemplate({"default": template}, reference.special_tokens_map, source="here")
    return made.render(ChatInput(tuple(messages), tuple(tools), options or OPTIONS))


def theirs(template: str, reference: Any, messages: Any = MESSAGES, tools: Any = (TOOL,), **options: object) -> str:
    text: str = reference.apply_chat_template(
        list(messages),
        tools=list(tools) or None,
        chat_template=template,
        tokenize=False,
        add_generation_prompt=True,
        **(options or OPTIONS),
    )
    return text


@pytest.mark.parametrize("template", rows(WRITTEN))
@pytest.mark.parametrize("tools", [(TOOL,), ()], ids=["tools", "none"])
def test_prompts_are_those_of_transformers(template: str, tools: tuple[Mapping[str, Any], ...], reference: Any) -> None:
    assert ours(template, reference, tools=tools) == theirs(template, reference, tools=tools)


def test_an_option_comes_before_a_token_of_the_tokenizer(reference: Any) -> None:
    assert (
        ours("{{ eos_token }}", reference, eos_token="x") == theirs("{{ eos_token }}", reference, eos_token="x") == "x"
    )


def test_the_time_is_now(reference: Any) -> None:
    before = datetime.now().timestamp()
    said = float(ours("{{ strftime_now('%s') }}", reference))
    assert int(before) <= said <= datetime.now().timestamp()


@pytest.mark.parametrize("template", rows(REFUSED))
def test_what_transformers_refuses_is_refused(template: str, reference: Any) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - of many types
        theirs(template, reference)
    with pytest.raises(RequestError) as caught:
        ours(template, reference)
    assert caught.value.param == "messages"


def test_a_refused_change_changes_nothing(reference: Any) -> None:
    with pytest.raises(RequestError):
        ours(REFUSED["changes-a-message"], reference)
    assert USER["content"].startswith("a < b")


@pytest.mark.parametrize("template", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_compiled_stops_the_start(template: str, reference: Any) -> None:
    with pytest.raises(SettingsError, match=r"chat template .* in here cannot be read"):
        ours(template, reference)


def test_no_way_to_the_environment(reference: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SECRET_OF_THIS_TEST", "leaked")
    for template in REFUSED.values():
        try:
            text = ours(template, reference)
        except RequestError as error:
            text = error.message
        assert "leaked" not in text
