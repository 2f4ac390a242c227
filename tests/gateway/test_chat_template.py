"""What a chat template refuses, and what it may be asked. Real prompts: ``test_templates``."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import RequestError, SettingsError
from gateway.core.history import template_messages
from gateway.core.types import ChatInput, Prompt
from gateway.tokenizer import HuggingFaceTokenizer
from tests.gateway.qwen_templates import set_template
from tests.support.tokenizer import TokenizerFolder, write_tokenizer

HELLO = {"role": "user", "content": "Hello!"}
HI = {"role": "assistant", "content": "Hi"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def with_template(folder: TokenizerFolder, template: str) -> HuggingFaceTokenizer:
    set_template(folder.path, template)
    return HuggingFaceTokenizer.load(str(folder.path))


def deep(levels: int) -> Any:
    value: Any = "<x>"
    for _ in range(levels):
        value = [value]
    return value


def refused(tokenizer: HuggingFaceTokenizer, chat: ChatInput) -> RequestError:
    with pytest.raises(RequestError) as caught:
        tokenizer.chat(chat)
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('No system here') }}", "No system here."),
        ("{{ raise_exception('One.\nTwo.') }}", "One."),
        ("{{ messages[7].content }}", "no element 7"),
        ("{{ messages[0].content + 1 }}", "str"),
        ("{{ messages[0].content.x.y }}", "no attribute 'x'"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ messages | nofilter }}{% endif %}", ""),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ range(10 ** 9) | list }}", "range"),
        ("{% for m in 1 %}{% endfor %}", "not iterable"),
        ("{{ messages[0].tool_calls[0].id }}", "no attribute 'tool_calls'"),
    ],
    ids=[
        "raises",
        "first-line",
        "index",
        "type",
        "undefined",
        "arithmetic",
        "syntax",
        "sandbox",
        "range",
        "loop",
        "none",
    ],
)
def test_a_template_that_fails(folder: TokenizerFolder, template: str, said: str) -> None:
    if "endif" in template:
        with pytest.raises(SettingsError, match=r"chat template .* cannot be read \(line 1"):
            with_template(folder, template)
        return
    error = refused(with_template(folder, template), ChatInput((HELLO,)))
    assert error.param == "messages"
    assert said in error.message


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer.load(str(write_tokenizer(tmp_path_factory.mktemp("tokenizer")).path))


@pytest.mark.parametrize(
    "name",
    [
        "messages",
        "conversation",
        "chat_template",
        "tools",
        "tokenize",
        "return_tensors",
        "add_generation_prompt",
        "self",
    ],
)
def test_options_cannot_reach_transformers(tokenizer: HuggingFaceTokenizer, name: str) -> None:
    error = refused(tokenizer, ChatInput((HELLO,), options={name: "{{ 1 }}"}))
    assert error.param == "chat_template_kwargs"
    assert name in error.message


def test_options_that_break_the_template(folder: TokenizerFolder) -> None:
    tokenizer = with_template(folder, "{% set ns = namespace(a=1) %}{{ ns.a }}{{ mood }}")
    prompt = tokenizer.chat(ChatInput((HELLO,), options={"mood": "<think>"}))
    assert (prompt.text, prompt.exact) == ("1<think>", False)
    assert len(prompt.ids) > len(tokenizer.encode("1<think>"))
    assert refused(tokenizer, ChatInput((HELLO,), options={"namespace": 1})).param == "messages"


@pytest.mark.parametrize(
    "chat",
    [
        ChatInput(()),
        ChatInput(({"role": "user", "content": "\ud800"},)),
        ChatInput(({"role": "user", "content": "<\ud800"},)),
        ChatInput((HELLO,), options={"x": deep(100_000)}),
        ChatInput(({"role": "user", "content": 1},)),
    ],
    ids=["empty", "surrogate", "marked-surrogate", "deep", "number"],
)
def test_messages_that_cannot_be_rendered(tokenizer: HuggingFaceTokenizer, chat: ChatInput) -> None:
    assert refused(tokenizer, chat).param == "messages"


CALL = {"id": "i", "type": "function", "function": {"name": "f", "arguments": {}}}


@pytest.mark.parametrize(
    ("messages", "generation_prompt", "param"),
    [
        ((HELLO, HI), True, "continue_final_message"),
        ((HELLO,), False, "messages"),
        ((), False, "messages"),
        ((HELLO, {**HI, "content": ""}), False, "messages"),
        ((HELLO, {**HI, "content": " \n"}), False, "messages"),
        ((HELLO, {**HI, "tool_calls": [CALL]}), False, "messages"),
        ((HELLO, {"role": "tool", "content": "x"}), False, "messages"),
    ],
    ids=["with-a-generation-prompt", "user", "nothing", "empty", "blank", "calls", "tool"],
)
def test_what_cannot_be_continued(
    tokenizer: HuggingFaceTokenizer, messages: tuple[dict[str, Any], ...], generation_prompt: bool, param: str
) -> None:
    chat = ChatInput(messages, continue_final=True, generation_prompt=generation_prompt)
    assert refused(tokenizer, chat).param == param


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{% for m in messages %}{{ m.content | trim }}<|im_end|>{% endfor %}", "Hello!<|im_end|>Hi  "),
        ("{% for m in messages %}{{ m.content }}{{ m.content }};{% endfor %}", "Hello!Hello!;Hi  Hi  "),
        ("{{ messages[-1].content[:2] }}", None),
    ],
    ids=["trimmed", "twice", "cut"],
)
def test_continuing_in_unusual_templates(folder: TokenizerFolder, template: str, expected: str | None) -> None:
    tokenizer = with_template(folder, template)
    chat = ChatInput((HELLO, {**HI, "content": "Hi  "}), continue_final=True, generation_prompt=False)
    if expected is None:
        assert "leaves it out" in refused(tokenizer, chat).message
        return
    assert tokenizer.chat(chat) == Prompt(expected, tuple(tokenizer.encode(expected)))


@pytest.mark.parametrize(
    ("template", "variables"),
    [
        ("{{ a }}{% set b = 1 %}{{ b }}{% for m in messages %}{{ m.c }}{% endfor %}", {"a", "messages"}),
        ("{% if x is defined and y %}{% endif %}", {"x", "y"}),
        ("{% for m in messages %}{{ m.reasoning_content }}{% endfor %}", {"messages", "reasoning_content"}),
        ("{% for m in messages %}{{ m['reasoning_content'] }}{% endfor %}", {"messages", "reasoning_content"}),
        (
            "{# reasoning_content #}{% generation %}{{ a }}{% endgeneration %}{% for m in n %}{% break %}{% endfor %}",
            {"a", "n"},
        ),
        ("{{ a + '\n</think>\n' }}", {"a"}),
    ],
    ids=["names", "tests", "attribute", "item", "comment", "written"],
)
def test_variables(folder: TokenizerFolder, template: str, variables: set[str]) -> None:
    assert with_template(folder, template).variables == variables


@pytest.mark.parametrize(
    ("template", "style", "thinks"),
    [
        ("{{ messages }}", None, False),
        ("{{ '<tool_call>' }}", "hermes", False),
        ("<tool_call>\n<function=f>", "xml", False),
        ("{# <tool_call> <think> #}", None, False),
        ("{% if '</think>' in messages[0].content %}{% endif %}", None, True),
    ],
    ids=["neither", "hermes", "xml", "comment", "thinks"],
)
def test_what_it_teaches(folder: TokenizerFolder, template: str, style: str | None, thinks: bool) -> None:
    tokenizer = with_template(folder, template)
    assert (tokenizer.call_style, tokenizer.thinks) == (style, thinks)


def test_a_template_that_cuts_thinking_out_of_the_content(folder: TokenizerFolder) -> None:
    """Older thinking models have such: QwQ, and Qwen distilled from DeepSeek-R1."""
    template = "{% for m in messages %}{{ m.content.split('</think>')[-1] }}<|im_end|>{% endfor %}"
    tokenizer = with_template(folder, template)
    sent = [{**HI, "content": "<think>hm</think>Hi"}, {**HELLO, "content": "What is </think>?"}]
    messages = template_messages(sent, reasoning="reasoning_content" in tokenizer.variables)
    assert tokenizer.chat(ChatInput(messages)).text == "Hi<|im_end|>What is </think>?<|im_end|>"
