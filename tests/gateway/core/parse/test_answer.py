import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.parse.answer import parser, thinking_state
from gateway.core.parse.prose import SPACE as HELD
from gateway.core.types import (
    CallArguments,
    CallStart,
    CallStyle,
    Content,
    Parser,
    Part,
    Reasoning,
    Thinking,
)
from tests.gateway.core.parse.reading import call, call_id, check, joined, read

TOOLS: dict[str, dict[str, Any]] = {
    "weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "metric": {"type": "boolean"},
            "where": {"type": "object"},
            "list": {"type": "array"},
            "note": {"type": ["string", "null"]},
        },
    },
    "查询": {"type": "object", "properties": {"城市": {"type": "string"}}},
}


def make(
    thinking: Thinking, calls: CallStyle | None, *, parallel: bool = True, prefill: str = ""
) -> Callable[[], Parser]:
    return lambda: parser(
        thinking=thinking, calls=calls, tools=TOOLS, call_id=call_id, parallel=parallel, prefill=prefill
    )


HERMES = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>'
XML = "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>"
PARIS = '{"city": "Paris"}'

ANSWERS = [
    pytest.param(
        "maybe",
        "hermes",
        f"<think>\nHm.\n</think>\n\n{HERMES}",
        [Reasoning("Hm."), *call(0, "weather", PARIS)],
        id="thought-and-call",
    ),
    pytest.param(
        "inside",
        "xml",
        f"Hm.\n</think>\n\nYes.\n{XML}\n",
        [Reasoning("Hm."), Content("Yes."), *call(0, "weather", PARIS)],
        id="thought-content-and-call",
    ),
    pytest.param(
        "off",
        "hermes",
        f"{HERMES}\n{HERMES}",
        [*call(0, "weather", PARIS), *call(1, "weather", PARIS)],
        id="two-calls-without-thinking-H2-dynamo-8636",
    ),
    pytest.param(
        "maybe",
        "hermes",
        f"{HERMES}\n{HERMES}",
        [*call(0, "weather", PARIS), *call(1, "weather", PARIS)],
        id="two-calls-without-a-thought",
    ),
    pytest.param("inside", "hermes", f"I write {HERMES}", [Reasoning(f"I write {HERMES}")], id="a-call-in-a-thought"),
    pytest.param("off", None, HERMES, [Content(HERMES)], id="no-tools-hermes"),
    pytest.param("off", None, XML, [Content(XML)], id="no-tools-xml"),
    pytest.param("off", "xml", HERMES, [Content(HERMES)], id="the-other-dialect"),
    pytest.param("off", "hermes", XML, [Content(XML)], id="the-other-dialect-xml"),
    pytest.param("off", None, "<think>a</think>b", [Content("<think>a</think>b")], id="no-thinking"),
    pytest.param("off", None, "", [], id="nothing"),
    pytest.param("maybe", None, "<think>\nHm.\n</think>\n\n", [Reasoning("Hm.")], id="only-a-thought"),
    pytest.param("maybe", None, "<think>\nHm.\n</think>", [Reasoning("Hm.")], id="only-a-thought-cut"),
]


@pytest.mark.parametrize(("thinking", "calls", "text", "expected"), ANSWERS)
def test_the_chain(thinking: Thinking, calls: CallStyle | None, text: str, expected: list[Part]) -> None:
    check(make(thinking, calls), text, expected)


PREFILLED = [
    pytest.param("hermes", '<tool_call>\n{"name": "weather", "arguments": ', PARIS + "}\n</tool_call>", id="hermes"),
    pytest.param("hermes", '<tool_call>\n{"name": "weather", "arguments": ', PARIS, id="hermes-without-end"),
    pytest.param("hermes", '<tool_call>\n{"name": "', f'weather", "arguments": {PARIS}}}\n</tool_call>', id="any-tool"),
    pytest.param("hermes", '<tool_call>\n{"name": "weather", "arguments": {', PARIS[1:] + "}", id="begun"),
    pytest.param("hermes", "<tool_call>\n", f'[{{"name": "weather", "arguments": {PARIS}}}]', id="a-list"),
    pytest.param("xml", "<tool_call>\n<function=weather>\n", XML.split("weather>\n")[1], id="xml"),
    pytest.param("xml", "<tool_call>\n<function=", XML.split("<function=")[1], id="xml-any-tool"),
    pytest.param(
        "xml",
        "<tool_call>\n<function=weather>\n",
        "<parameter=city>Paris</parameter>\n</function>\n</tool_call>",
        id="xml-guided",
    ),
]


@pytest.mark.parametrize("thinking", ["off", "maybe"])
@pytest.mark.parametrize(("calls", "prefill", "text"), PREFILLED)
def test_an_answer_whose_beginning_is_in_the_prompt(
    thinking: Thinking, calls: CallStyle, prefill: str, text: str
) -> None:
    check(make(thinking, calls, prefill=prefill), text, call(0, "weather", PARIS))


def test_prefill_that_leads_to_no_call_is_content() -> None:
    prefill = '<tool_call>\n{"name": "weather", "arguments": '
    check(make("off", "hermes", prefill=prefill), "none, sorry", [Content(f"{prefill}none, sorry")])


def test_prefill_alone() -> None:
    assert read(make("off", "hermes", prefill=HERMES)(), []) == call(0, "weather", PARIS)
    machine = make("maybe", None, prefill="<think>\nHm")()
    assert machine.reasoning
    assert machine.push("") == [Reasoning("Hm")]
    assert machine.push(".") == [Reasoning(".")]


@pytest.mark.parametrize(("calls", "text"), [("hermes", HERMES), ("xml", XML)])
@pytest.mark.parametrize("thinking", ["off", "maybe"])
def test_parallel_calls_can_be_refused(thinking: Thinking, calls: CallStyle, text: str) -> None:
    """H6: the second call is dropped, and whoever reads learns that no more is wanted."""
    build = make(thinking, calls, parallel=False)
    check(build, f"Yes.\n{text}\n{text}\nDone.", [Content("Yes."), *call(0, "weather", PARIS)])
    machine = build()
    assert [machine.done for char in text if machine.push(char) or True][-1]


def test_whether_it_thinks_is_known_at_each_token() -> None:
    machine = make("maybe", "hermes")()
    tokens = ["<think>", "\n", "Hm", "\n", "</think>", "\n\n", "Yes", "."]
    told = []
    for token in tokens:
        machine.push(token)
        told.append(machine.reasoning)
    assert told == [True, True, True, True, False, False, False, False]


# What templates and models write, generated: reasoning, content and calls in any order.

PROSE = st.text(st.sampled_from("ab1 \n<>/{}[]\"'\\=_好😀"), max_size=20) | st.sampled_from(
    [
        "<tool_cal",
        "</tool_call",
        "<function",
        "</think",
        "<think>",
        "\n\n",
        "</parameter>",
        "<parameter=city>",
        "{",
        "<",
    ]
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | PROSE
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
SPACE = st.sampled_from(["", " ", "\n", "\n  "])


@st.composite
def hermes_call(draw: st.DrawFn) -> tuple[str, str, str]:
    """(name, arguments, text) of a call."""
    name = draw(st.sampled_from(["weather", "查询", "a-b_c.d"]))
    escape, indent = draw(st.booleans()), draw(st.sampled_from([None, 2]))
    arguments = json.dumps(draw(st.dictionaries(WORDS, JSON, max_size=3)), ensure_ascii=escape, indent=indent)
    value = arguments
    if draw(st.integers(0, 5)) == 0:
        value = json.dumps(arguments, ensure_ascii=escape)
    members = [f'"name": {json.dumps(name, ensure_ascii=escape)}', f'"{draw(ARGUMENTS)}":{draw(SPACE)}{value}']
    if draw(st.booleans()):
        members.reverse()
    if draw(st.integers(0, 3)) == 0:
        other = json.dumps(draw(JSON), ensure_ascii=escape)
        members.insert(draw(st.integers(0, 2)), f'"other": {other}')
    between = draw(SPACE)
    body = f"{{{between}{f',{between}'.join(members)}{between}}}"
    return name, arguments, f"<tool_call>{draw(SPACE)}{body}{draw(SPACE)}</tool_call>"


ARGUMENTS = st.sampled_from(["arguments", "parameters"])


@st.composite
def xml_call(draw: st.DrawFn) -> tuple[str, str, str]:
    values: dict[str, Any] = {}
    kinds = {
        "city": WORDS,
        "days": st.integers(),
        "metric": st.booleans(),
        "where": st.dictionaries(WORDS, JSON, max_size=2),
        "list": st.lists(JSON, max_size=3),
        "note": st.none() | WORDS,
    }
    for key in draw(st.lists(st.sampled_from(sorted(kinds)), unique=True)):
        values[key] = draw(kinds[key])
    texts = []
    for key, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if "</parameter>" in text or "</function>" in text:
            values[key] = text = "x" if key in ("city", "note") else "null"
            if key not in ("city", "note"):
                values[key] = "null" if key != "note" else None
        texts.append(f"<parameter={key}>\n{text}\n</parameter>\n")
    if values.get("note") == "null":
        values["note"] = None
    inner = f"<function=weather>\n{''.join(texts)}</function>"
    wrapped = draw(st.sampled_from([f"<tool_call>\n{inner}\n</tool_call>", inner, f"{inner}\n</tool_call>"]))
    return "weather", json.dumps(values), wrapped


def normal(text: str, opening: tuple[str, ...]) -> str:
    """Prose that no machine may take for something else: no tag in it, none completed by what follows, and nothing
    that would be layout."""
    for tag in opening:
        text = text.replace(tag, "")
    return f"a{text}."


@st.composite
def answers(draw: st.DrawFn, calls: CallStyle) -> tuple[Thinking, str, list[Part]]:
    text, expected = "", list[Part]()
    thinking = draw(st.sampled_from(["off", "maybe", "inside"]))
    if thinking != "off" and (thinking == "inside" or draw(st.booleans())):
        thought = normal(draw(PROSE), ("</think>",))
        text += f"{'<think>' + chr(10) if thinking == 'maybe' else ''}{thought}\n</think>\n\n"
        expected.append(Reasoning(thought))
    index = 0
    for kind in draw(st.lists(st.sampled_from(["content", "call"]), max_size=4)):
        if kind == "content":
            content = normal(draw(PROSE), ("<tool_call>", "<function="))
            text += content
            expected.append(Content(content))
        else:
            name, arguments, written = draw(hermes_call() if calls == "hermes" else xml_call())
            text += draw(SPACE) + written
            expected += [CallStart(index, call_id(index), name), CallArguments(index, arguments)]
            index += 1
    if text and expected and isinstance(expected[-1], CallArguments):
        text += draw(SPACE)
    return thinking, text, joined(expected)


def told(parts: list[Part], calls: CallStyle) -> list[Part]:
    """XML's arguments are compared by what they say: the text of their JSON is ours."""
    if calls == "hermes":
        return parts
    return [
        CallArguments(part.index, json.dumps(json.loads(part.text), sort_keys=True))
        if isinstance(part, CallArguments)
        else part
        for part in parts
    ]


@pytest.mark.parametrize("calls", ["hermes", "xml"])
@settings(max_examples=80, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1 << 30))
def test_what_was_generated_is_read(calls: CallStyle, data: st.DataObject, seed: int) -> None:
    thinking, text, expected = data.draw(answers(calls))
    generator = random.Random(seed)
    cuts = sorted(generator.choices(range(len(text) + 1), k=6))
    for pieces in ([text], list(text), [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]):
        assert told(read(make(thinking, calls)(), pieces), calls) == told(expected, calls), pieces


MARKUP = st.lists(
    st.sampled_from(
        [
            *[
                "<think>",
                "</think>",
                "<tool_call>",
                "</tool_call>",
                "<function=weather>",
                "<function=x>",
                "</function>",
            ],
            *["<parameter=city>", "<parameter=days>", "</parameter>", '{"name": ', '"weather"', ', "arguments": ', "{"],
            *[
                "}",
                "[",
                "]",
                '"',
                "\\",
                "\\u00",
                '{"a": 1}',
                "null",
                "12",
                "\n",
                " ",
                "text",
                "<",
                ", ",
                "<tool_",
                "好",
            ],
        ]
    ),
    max_size=30,
).map("".join)


@pytest.mark.parametrize("calls", ["hermes", "xml", None])
@settings(max_examples=150, deadline=None)
@given(thinking=st.sampled_from(["off", "maybe", "inside"]), text=MARKUP, parallel=st.booleans(), data=st.data())
def test_any_markup_is_read_alike_over_any_split(
    calls: CallStyle | None, thinking: Thinking, text: str, parallel: bool, data: st.DataObject
) -> None:
    build = make(thinking, calls, parallel=parallel)
    whole = read(build(), [text])
    assert read(build(), text) == whole
    cut = data.draw(st.integers(0, len(text)))
    assert read(build(), [text[:cut], text[cut:]]) == whole
    assert read(make(thinking, calls, parallel=parallel, prefill=text[:cut])(), [text[cut:]]) == whole
    if not any(isinstance(part, CallStart) for part in whole) and thinking == "off":
        assert whole == ([Content(text)] if text else [])
    starts = [part for part in whole if isinstance(part, CallStart)]
    assert [start.index for start in starts] == list(range(len(starts)))


HOSTILE = [
    pytest.param("<tool_cal", id="beginning-of-a-tag"),
    pytest.param("<tool_call>", id="tag"),
    pytest.param("<tool_call>{", id="tag-and-brace"),
    pytest.param('<tool_call>{"', id="tag-and-quote"),
    pytest.param('<tool_call>{"name": "f", "arguments": {}}', id="calls-without-end"),
    pytest.param('<tool_call>{"arguments": "', id="arguments-first"),
    pytest.param("<function=weather>", id="function"),
    pytest.param("<tool_call><function=weather><parameter=city>", id="parameter"),
    pytest.param("<tool_call><function=weather><parameter=days>1</parameter></function>", id="xml-calls"),
    pytest.param("<function=weather></", id="half-an-end"),
    pytest.param("\n", id="newlines"),
    pytest.param(" <", id="spaces"),
    pytest.param("[", id="brackets"),
    pytest.param("\\ud83d", id="surrogates"),
    pytest.param("</function>\n</tool_cal", id="end-of-a-value"),
]
BEGINNINGS: list[tuple[CallStyle, str]] = [
    ("hermes", ""),
    ("hermes", '<tool_call>{"name": "f", "arguments": {"a": '),
    ("hermes", '<tool_call>{"name": "f", "arguments": "{'),
    ("hermes", "<think>"),
    ("xml", ""),
    ("xml", "<tool_call><function=weather><parameter=city>"),
    ("xml", "<tool_call><function=weather><parameter=days>"),
]


class Counted(str):
    """A text that counts how many characters of it were copied out of it or joined to others."""

    copied = 0

    def __getitem__(self, key: Any) -> "Counted":
        found = Counted(super().__getitem__(key))
        Counted.copied += len(found)
        return found

    def __add__(self, other: str) -> "Counted":
        found = Counted(super().__add__(other))
        Counted.copied += len(found)
        return found

    def __radd__(self, other: str) -> "Counted":
        found = Counted(str.__add__(other, self))
        Counted.copied += len(found)
        return found


@pytest.mark.parametrize(("calls", "beginning"), BEGINNINGS)
@pytest.mark.parametrize("text", HOSTILE)
def test_work_is_linear(calls: CallStyle, beginning: str, text: str) -> None:
    """Twice the text means about twice the characters copied, whole and piece by piece."""
    for size in (1, 1 << 20):
        copied = []
        for length in (1500, 3000):
            whole = beginning + text * (length // len(text))
            machine = make("maybe", calls)()
            Counted.copied = 0
            for at in range(0, len(whole), size):
                machine.push(Counted(whole[at : at + size]))
            machine.flush()
            copied.append(Counted.copied)
        assert copied[1] <= 2.2 * copied[0] + 2 * HELD * HELD, size


def test_the_start_state_and_the_parser_fit() -> None:
    """2507's prompt opens the thought, and an answer without an end is all thought."""
    thinking = thinking_state("<|im_start|>assistant\n<think>\n", thinks=True)
    check(make(thinking, "hermes"), "Let me see", [Reasoning("Let me see")])
