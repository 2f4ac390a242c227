"""What templates and models write, drawn at random: reasoning, content and calls in any order, and any markup."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.types import CallArguments, CallStart, CallStyle, Content, Part, Reasoning, Thinking
from tests.gateway.core.parse.machines import make
from tests.gateway.core.parse.reading import call_id, joined, read

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
@settings(max_examples=80)
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
@settings(max_examples=150)
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
