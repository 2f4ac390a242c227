from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.prompt import build_chat, build_completion, ignored_fields
from gateway.core.sampling import ModelLimits
from gateway.core.schema.chat import parse_chat
from gateway.core.schema.completions import parse_completion
from gateway.core.types import ChatInput, Generate, Guide, Prompt
from tests.gateway.vocabulary import END, OTHER_END, Vocabulary

vocabulary = Vocabulary()
PROMPT = len(vocabulary.encode("<user>hello<assistant>"))


def all_prepared(
    *, context: int = 100, guides: tuple[str, ...] = (), tokenizer: Vocabulary = vocabulary, **fields: Any
) -> tuple[Generate, ...]:
    request = {"model": "q", "messages": [{"role": "user", "content": "hello"}], **fields}
    limits = ModelLimits("q", context, (END, OTHER_END), guides=frozenset(guides))
    return build_chat(parse_chat(json.dumps(request).encode()), limits, tokenizer, id="id", seed=42)


def prepared(**fields: Any) -> Generate:
    [generate] = all_prepared(**fields)
    return generate


def completed(context: int = 100, **fields: Any) -> tuple[Generate, ...]:
    request = parse_completion(json.dumps({"model": "q", **fields}).encode())
    return build_completion(request, ModelLimits("q", context, (END, OTHER_END)), vocabulary, id="id", seed=42)


def test_the_template_s_prompt_as_text_and_ids() -> None:
    generate = prepared()
    assert generate.prompt.text == "<user>hello<assistant>"
    assert list(generate.prompt.ids) == vocabulary.encode(generate.prompt.text)
    assert generate.end_ids == (END, OTHER_END)


def test_roles_and_parts_reach_the_template() -> None:
    generate = prepared(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "hi"},
        ]
    )
    assert generate.prompt.text == "<system>be brief<assistant><user>hi<assistant>"


@pytest.mark.parametrize(
    ("context", "fields", "expected"),
    [
        (100, {}, 100 - PROMPT),
        (100, {"max_tokens": 5}, 5),
        (100, {"max_completion_tokens": 6, "max_tokens": 5}, 6),
        (PROMPT + 1, {}, 1),
        (PROMPT + 5, {"max_tokens": 5}, 5),
    ],
    ids=["what-is-left", "asked", "newer-name-wins", "one-left", "exactly-fits"],
)
def test_max_tokens(context: int, fields: dict[str, int], expected: int) -> None:
    assert prepared(context=context, **fields).max_tokens == expected


@pytest.mark.parametrize(
    ("context", "fields", "param"),
    [
        (PROMPT, {}, "messages"),
        (PROMPT - 1, {}, "messages"),
        (PROMPT + 4, {"max_tokens": 5}, "max_tokens"),
        (PROMPT + 4, {"max_completion_tokens": 5}, "max_completion_tokens"),
    ],
    ids=["no-room", "too-long", "asks-too-much", "newer-name"],
)
def test_past_the_context(context: int, fields: dict[str, int], param: str) -> None:
    with pytest.raises(ContextLengthExceeded, match=rf"{context} tokens.*{PROMPT}") as caught:
        prepared(context=context, **fields)
    assert (caught.value.param, caught.value.code) == (param, "context_length_exceeded")


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({}, "seed", 42),
        ({"seed": 7}, "seed", 7),
        ({"seed": -1}, "seed", 2**64 - 1),
        ({}, "temperature", 1.0),
        ({"temperature": 0}, "greedy", True),
        ({"top_k": -1}, "top_k", 0),
        ({"frequency_penalty": 0.5}, "frequency_penalty", 0.5),
        ({}, "frequency_penalty", None),
        ({"seed": 1, "top_p": 1}, "asked", frozenset({"seed", "top_p"})),
    ],
    ids=["fresh-seed", "seed", "negative-seed", "default", "greedy", "all-tokens", "penalty", "none", "asked"],
)
def test_sampling(fields: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(prepared(**fields).sampling, name) == expected


def test_more_tokens_at_least_than_at_most() -> None:
    with pytest.raises(RequestError, match="min_tokens") as caught:
        prepared(min_tokens=6, max_tokens=5)
    assert caught.value.param == "min_tokens"


def test_several_answers_have_ids_seeds_and_indexes_of_their_own() -> None:
    generates = all_prepared(n=3)
    assert [(g.id, g.choice, g.sampling.seed) for g in generates] == [("id-0", 0, 42), ("id-1", 1, 43), ("id-2", 2, 44)]
    assert len({g.prompt for g in generates}) == 1


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, (END, OTHER_END)),
        ({"stop_token_ids": [7, END]}, (END, OTHER_END, 7)),
        ({"ignore_eos": True}, ()),
        ({"ignore_eos": True, "stop_token_ids": [7]}, (7,)),
    ],
    ids=["the-model-s", "and-the-client-s", "none", "only-the-client-s"],
)
def test_end_ids(fields: dict[str, Any], ends: tuple[int, ...]) -> None:
    assert prepared(**fields).end_ids == ends


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop_token_ids": [99_999]}, "stop_token_ids"),
        ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"logprobs": True, "top_logprobs": 2}, "top_logprobs"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_json": "{", "n": 1}, "guided_json"),
        ({"guided_json": {"a": {}}, "guided_regex": "a"}, "guided_regex"),
        ({"guided_json": "[]"}, "guided_json"),
    ],
    ids=[
        "end-id-past-the-vocabulary",
        "bias-past-the-vocabulary",
        "alternatives",
        "reserved-option",
        "effort-without-thinking",
        "no-guided-decoding",
        "no-choices",
        "broken-schema",
        "two-guides",
        "list-as-schema",
    ],
)
def test_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        prepared(**fields)
    assert caught.value.param == param


def test_a_schema_nested_too_deep_is_refused_before_any_engine_sees_it() -> None:
    schema: dict[str, Any] = {}
    for _ in range(70):
        schema = {"properties": {"a": schema}}
    with pytest.raises(RequestError, match="deeper"):
        prepared(guided_json=schema)


GUIDES = ("json", "json_schema", "regex", "ebnf_grammar", "structural_tag")
SCHEMA = {"type": "object", "properties": {"名": {"type": "string"}}}


@pytest.mark.parametrize(
    ("fields", "guide"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Guide("json", "", "response_format")),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            Guide("json_schema", json.dumps(SCHEMA, ensure_ascii=False), "response_format"),
        ),
        (
            {"guided_json": json.dumps(SCHEMA)},
            Guide("json_schema", json.dumps(SCHEMA, ensure_ascii=False), "guided_json"),
        ),
        ({"guided_regex": "a+"}, Guide("regex", "a+", "guided_regex")),
        ({"guided_choice": ['a"b', "聪\n"]}, Guide("ebnf_grammar", 'root ::= "a\\"b" | "聪\\n"', "guided_choice")),
        (
            {"structured_outputs": {"grammar": "root ::= x"}},
            Guide("ebnf_grammar", "root ::= x", "structured_outputs.grammar"),
        ),
        ({"structured_outputs": {"json_object": True}}, Guide("json", "", "structured_outputs.json_object")),
    ],
    ids=["none", "object", "schema", "schema-as-text", "regex", "choice", "grammar", "object-of-vllm"],
)
def test_guides(fields: dict[str, Any], guide: Guide | None) -> None:
    assert prepared(guides=GUIDES, **fields).guide == guide


def structural(generate: Generate) -> Any:
    assert generate.guide is not None
    assert generate.guide.kind == "structural_tag"
    return json.loads(generate.guide.value)["format"]


def test_with_thinking_the_grammar_begins_after_it() -> None:
    thinker = Vocabulary(thinks=True)
    generate = prepared(tokenizer=thinker, guides=GUIDES, guided_regex="a+")
    thought, newlines, content = structural(generate)["elements"]
    assert (thought["begin"], thought["end"]) == ("<think>", "</think>")
    assert newlines["type"] == "regex"
    assert content == {"type": "regex", "pattern": "a+"}
    with pytest.raises(RequestError, match="enable_thinking"):
        prepared(tokenizer=thinker, guides=GUIDES[:-1], guided_regex="a+")


TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "g"}},
]
NAMED = {"type": "function", "function": {"name": "g"}}


def test_tools_reach_template_and_reading() -> None:
    generate = prepared(tools=TOOLS)
    assert generate.prompt.text.startswith("<tool>f<tool>g")
    assert (generate.reading.calls, list(generate.reading.tools)) == ("hermes", ["f", "g"])
    none = prepared(tools=TOOLS, tool_choice="none")
    assert (none.reading.calls, none.prompt.text) == (None, "<user>hello<assistant>")


@pytest.mark.parametrize(
    ("choice", "names", "only_one"),
    [("required", ["f", "g"], False), (NAMED, ["g"], True)],
    ids=["required", "named"],
)
def test_a_forced_call_is_a_grammar_where_the_engine_has_them(choice: Any, names: list[str], only_one: bool) -> None:
    format = structural(prepared(guides=GUIDES, tools=TOOLS, tool_choice=choice))
    begins = [f'<tool_call>\n{{"name": "{name}", "arguments": ' for name in names]
    assert [tag["begin"] for tag in format["tags"]] == begins
    assert (format["at_least_one"], format["stop_after_first"]) == (True, only_one)


@pytest.mark.parametrize(
    ("choice", "style", "thinks", "opening"),
    [
        ("required", "hermes", False, '<tool_call>\n{"name": "'),
        (NAMED, "hermes", False, '<tool_call>\n{"name": "g", "arguments":'),
        ("required", "xml", False, "<tool_call>\n<function="),
        (NAMED, "xml", False, "<tool_call>\n<function=g>\n"),
        (NAMED, "hermes", True, '<think>\n\n</think>\n\n<tool_call>\n{"name": "g", "arguments":'),
    ],
    ids=["required", "named", "xml", "xml-named", "thinking"],
)
def test_a_forced_call_is_begun_in_the_prompt_elsewhere(choice: Any, style: Any, thinks: bool, opening: str) -> None:
    generate = prepared(
        tokenizer=Vocabulary(call_style=style, thinks=thinks), tools=TOOLS, tool_choice=choice, context=500
    )
    assert generate.guide is None
    assert generate.prompt.text.endswith(f"<assistant>{opening}")
    assert list(generate.prompt.ids) == vocabulary.encode(generate.prompt.text)
    assert generate.reading.prefill == opening.removeprefix("<think>\n\n</think>\n\n")
    assert generate.reading.thinking == "off"
    assert generate.reading.named == (choice == NAMED)


def test_a_form_beside_tools_leaves_calls_possible() -> None:
    form, *calls = structural(prepared(guides=GUIDES, tools=TOOLS, guided_regex="a"))["elements"]
    assert form == {"type": "regex", "pattern": "a"}
    assert [(call["type"], '"name": ' in call["begin"]) for call in calls] == [("tag", True)] * 2
    with pytest.raises(RequestError, match=r"structural tags.*'tool_choice' to 'none'"):
        prepared(guides=GUIDES[:-1], tools=TOOLS, guided_regex="a")


def test_a_form_beside_calls_that_must_be_made_is_a_contradiction() -> None:
    with pytest.raises(RequestError, match="both say") as caught:
        prepared(guides=GUIDES, tools=TOOLS, tool_choice="required", guided_regex="a")
    assert caught.value.param == "guided_regex"


def test_tools_for_a_template_without_them_are_refused() -> None:
    with pytest.raises(RequestError, match="knows no tools") as caught:
        prepared(tokenizer=Vocabulary(call_style=None), tools=TOOLS)
    assert caught.value.param == "tools"


@pytest.mark.parametrize(("effort", "expected"), [("none", False), ("minimal", False), ("medium", True)])
def test_effort_turns_thinking_on_and_off_where_the_template_can(effort: str, expected: bool) -> None:
    thinker = Vocabulary(thinks=True, variables=["enable_thinking"])
    text = prepared(tokenizer=thinker, reasoning_effort=effort).prompt.text
    assert f"<enable_thinking={expected}>" in text
    with pytest.raises(RequestError, match="contradict"):
        prepared(tokenizer=thinker, reasoning_effort=effort, chat_template_kwargs={"enable_thinking": not expected})


def test_options_that_no_template_reads_are_told() -> None:
    request = parse_chat(
        json.dumps(
            {"model": "q", "messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"a": 1}, "b": 2}
        ).encode()
    )
    assert ignored_fields(request, vocabulary) == ("b", "chat_template_kwargs.a")


LONG = "a" * 1_000_000


def said(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "x"}, {"role": "assistant", **fields}, {"role": "user", "content": "y"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": LONG}]},
        {"messages": said(tool_calls=[{"function": {"name": "f", "arguments": f'{{"a": "{LONG}"}}'}}])},
        {"tools": [{"type": "function", "function": {"name": "f", "description": LONG}}]},
    ],
    ids=["content", "arguments", "tools"],
)
def test_text_far_too_long_is_refused_before_it_is_rendered(fields: dict[str, Any]) -> None:
    counted: list[int] = []

    class Counting(Vocabulary):
        def encode(self, text: str) -> list[int]:
            counted.append(len(text))
            return super().encode(text)

        def chat(self, chat: Any) -> Any:
            raise AssertionError("rendered")

    with pytest.raises(ContextLengthExceeded) as caught:
        prepared(tokenizer=Counting(), **fields)
    assert caught.value.param == "messages"
    assert sum(counted) <= 65 * 1024


@pytest.mark.parametrize("fields", [{"reasoning_content": LONG}, {"content": f"<think>{LONG}</think>x"}], ids=list)
def test_thinking_that_no_template_shows_does_not_count(fields: dict[str, Any]) -> None:
    tokenizer = Vocabulary(thinks=True, variables=["reasoning_content"])
    assert prepared(tokenizer=tokenizer, messages=said(**fields)).prompt.text.endswith("<user>y<assistant>")


def test_a_function_without_parameters_reaches_the_template_with_an_empty_schema() -> None:
    class Showing(Vocabulary):
        def chat(self, chat: ChatInput) -> Prompt:
            return Prompt(json.dumps(chat.tools), (1,))

    generate = prepared(tokenizer=Showing(), tools=[{"type": "function", "function": {"name": "f"}}])
    [tool] = json.loads(generate.prompt.text)
    assert tool["function"]["parameters"] == {"type": "object", "properties": {}}


def test_completions_take_prompts_as_they_are() -> None:
    first, second = completed(prompt=["hello", "聪"], max_tokens=5)
    assert [list(g.prompt.ids) for g in (first, second)] == [vocabulary.encode("hello"), vocabulary.encode("聪")]
    assert (first.choice, second.choice, first.sampling.seed != second.sampling.seed) == (0, 1, True)
    [ids] = completed(prompt=vocabulary.encode("hello world"))
    assert (ids.prompt.text, ids.max_tokens) == ("hello world", 16)
    assert len(completed(prompt=["a", "b"], n=3)) == 6


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": [99_999]}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a"] * 65, "n": 2}, "n"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "echo": True, "logprobs": 0}, "logprobs"),
        ({"prompt": "a", "logprobs": 2}, "logprobs"),
        ({"prompt": "a" * 101}, "prompt"),
        ({"prompt": "a", "max_tokens": 100}, "max_tokens"),
    ],
    ids=[
        "unknown-id",
        "empty",
        "no-ids",
        "too-many",
        "suffix",
        "echo-logprobs",
        "alternatives",
        "too-long",
        "asks-too-much",
    ],
)
def test_completions_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        completed(**fields)
    assert caught.value.param == param
