import json

import pytest

from gateway.core.parse.arguments import BLANK
from gateway.core.parse.hermes import Hermes
from gateway.core.parse.machine import LIMIT
from gateway.core.parse.prose import SPACE
from gateway.core.types import CallArguments, CallStart, Content, Part
from tests.gateway.core.parse.reading import call, call_id, check, read


def hermes(*, parallel: bool = True) -> Hermes:
    return Hermes(call_id=call_id, parallel=parallel)


def wrapped(body: str) -> str:
    return f"<tool_call>\n{body}\n</tool_call>"


PARIS = '{"city": "Paris"}'
WEATHER = wrapped(f'{{"name": "weather", "arguments": {PARIS}}}')
TIME = wrapped('{"name": "time", "arguments": {"zone": "CET"}}')

CALLS = [
    pytest.param(WEATHER, call(0, "weather", PARIS), id="one"),
    pytest.param(f"{WEATHER}\n{TIME}", [*call(0, "weather", PARIS), *call(1, "time", '{"zone": "CET"}')], id="two-H1"),
    pytest.param(WEATHER + TIME, [*call(0, "weather", PARIS), *call(1, "time", '{"zone": "CET"}')], id="no-newline"),
    pytest.param(f"Let me see.\n{WEATHER}", [Content("Let me see."), *call(0, "weather", PARIS)], id="content-first"),
    pytest.param(f"\n\n{WEATHER}\n", call(0, "weather", PARIS), id="whitespace-around"),
    pytest.param(
        f"a {WEATHER}\nb\n{TIME} c\n",
        [
            Content("a"),
            *call(0, "weather", PARIS),
            Content("\nb"),
            *call(1, "time", '{"zone": "CET"}'),
            Content(" c\n"),
        ],
        id="content-around",
    ),
    pytest.param('<tool_call>{"name":"f","arguments":{}}</tool_call>', call(0, "f", "{}"), id="no-whitespace"),
    pytest.param(
        wrapped('{"name": "f", "arguments": {"a": {"b": [{"c": "}"}, "]"]}}}'),
        call(0, "f", '{"a": {"b": [{"c": "}"}, "]"]}}'),
        id="nested-vllm-20824",
    ),
    pytest.param(
        wrapped(r'{"name": "f", "arguments": {"a": "\"}{\\", "b": "</tool_call>"}}'),
        call(0, "f", r'{"a": "\"}{\\", "b": "</tool_call>"}'),
        id="tag-in-a-string-vllm-45167",
    ),
    pytest.param(
        wrapped('{"name": "查询天气", "arguments": {"城市": "北京😀"}}'),
        call(0, "查询天气", '{"城市": "北京😀"}'),
        id="chinese-H1",
    ),
    pytest.param(wrapped(r'{"name": "\u67e5", "arguments": {}}'), call(0, "查", "{}"), id="escaped-name"),
    pytest.param(
        wrapped('{ "arguments" :\t{ "a" :1.50 ,\n"b":1e5 } ,"name" :"f" }'),
        call(0, "f", '{ "a" :1.50 ,\n"b":1e5 }'),
        id="arguments-first-as-written",
    ),
    pytest.param(wrapped('{"name": "f", "parameters": {"a": 1}}'), call(0, "f", '{"a": 1}'), id="parameters"),
    pytest.param(wrapped('{"parameters": {"a": 1}, "name": "f"}'), call(0, "f", '{"a": 1}'), id="parameters-first"),
    pytest.param(wrapped('{"name": "f"}'), call(0, "f", "{}"), id="no-arguments"),
    pytest.param(wrapped('{"name": "f", "arguments": null}'), call(0, "f", "{}"), id="null"),
    pytest.param(wrapped('{"arguments": null, "name": "f"}'), call(0, "f", "{}"), id="null-first"),
    pytest.param(wrapped('{"name": "f", "arguments": ""}'), call(0, "f", "{}"), id="empty-string"),
    pytest.param(wrapped('{"name": "f", "arguments": true}'), call(0, "f", "true"), id="a-word"),
    pytest.param(wrapped('{"name": "f", "arguments": -12.5e3}'), call(0, "f", "-12.5e3"), id="a-number"),
    pytest.param(wrapped('{"name": "f", "arguments": [1, "]"]}'), call(0, "f", '[1, "]"]'), id="a-list"),
    pytest.param(
        wrapped(r'{"name": "f", "arguments": "{\"a\": \"\\\"x\\n\", \"b\": \"\u00e9\ud83d\ude00\/\"}"}'),
        call(0, "f", r'{"a": "\"x\n", "b": "é😀/"}'),
        id="encoded-twice",
    ),
    pytest.param(
        wrapped(r'{"arguments": " \n{\"a\": 1}", "name": "f"}'), call(0, "f", '{"a": 1}'), id="encoded-twice-first"
    ),
    pytest.param(wrapped(r'{"name": "f", "arguments": "{\"a\": 1"}'), call(0, "f", '{"a": 1'), id="encoded-half"),
    pytest.param(
        wrapped(r'{"name": "f", "arguments": "say \"}\""}'), call(0, "f", r'"say \"}\""'), id="a-string-as-written"
    ),
    pytest.param(wrapped(r'{"name": "f", "arguments": " \n"}'), call(0, "f", "{}"), id="a-blank-string"),
    pytest.param(
        wrapped('{"id": {"name": "x"}, "type": "function", "n": -1, "name": "f", "arguments": {}, "more": ["}"]}'),
        call(0, "f", "{}"),
        id="other-members",
    ),
    pytest.param(
        wrapped('{"name": "f", "arguments": {}}\n{"name": "g", "arguments": {"a": 1}}'),
        [*call(0, "f", "{}"), *call(1, "g", '{"a": 1}')],
        id="two-objects",
    ),
    pytest.param(
        wrapped('[{"name": "f", "arguments": {}},\n {"arguments": {"a": 1}, "name": "g"}]'),
        [*call(0, "f", "{}"), *call(1, "g", '{"a": 1}')],
        id="a-list-of-objects",
    ),
    pytest.param(
        wrapped('{"name": "f", "arguments": {"a": 1}') + "\nDone",
        [*call(0, "f", '{"a": 1}'), Content("\nDone")],
        id="brace-missing-vllm-22885",
    ),
    pytest.param(wrapped('{"name": "f", "arguments": {"a": 1}}}'), call(0, "f", '{"a": 1}'), id="brace-too-many"),
    pytest.param(
        '<tool_call>\n{"name": "f", "arguments": {}}\n' + TIME,
        [*call(0, "f", "{}"), *call(1, "time", '{"zone": "CET"}')],
        id="end-tag-missing",
    ),
    pytest.param(
        wrapped('{"name": "f", "arguments": {"a": [1, }') + TIME,
        [*call(0, "f", '{"a": [1, }\n'), *call(1, "time", '{"zone": "CET"}')],
        id="broken-arguments-stay",
    ),
    pytest.param(wrapped('{"name": "f", "arguments": {"a": 1 < 2}}'), call(0, "f", '{"a": 1 < 2}'), id="no-tag"),
    pytest.param(
        wrapped('{"name": "f", "arguments": {"a": "x\ny"}}'), call(0, "f", '{"a": "x\ny"}'), id="raw-newline-stays"
    ),
    pytest.param(
        wrapped('{"name": "f", "arguments": {}, "x": 1 < 2}') + " b",
        [*call(0, "f", "{}"), Content(" b")],
        id="nonsense-behind-arguments",
    ),
    pytest.param(
        wrapped('{"name": "f", "arguments": {}, "x": ') + " b",
        [*call(0, "f", "{}"), Content(" b")],
        id="a-member-without-value",
    ),
]

NO_CALLS = [
    pytest.param("", id="empty"),
    pytest.param("Just text, 1 < 2.\n", id="text"),
    pytest.param("<", id="angle"),
    pytest.param("  \n", id="whitespace"),
    pytest.param("Use the <tool_call> tag.", id="about-the-tag"),
    pytest.param("</tool_call>", id="end-tag"),
    pytest.param(" \n<tool_call>\n\n</tool_call>\n", id="nothing-in-it"),
    pytest.param(wrapped("weather(Paris)"), id="not-json"),
    pytest.param(wrapped("{weather: 1}"), id="no-quotes"),
    pytest.param(wrapped("[]"), id="empty-list"),
    pytest.param(wrapped('[[{"name": "f", "arguments": {}}]]'), id="list-in-list"),
    pytest.param(wrapped("{}"), id="empty-object"),
    pytest.param(wrapped('{"arguments": {"a": "}"}}'), id="no-name"),
    pytest.param(wrapped('{"name": 5, "arguments": {}}'), id="name-is-no-string"),
    pytest.param(wrapped('{"name": null, "arguments": {}}'), id="name-is-null"),
    pytest.param(wrapped('{"name": "", "arguments": {}}'), id="name-is-empty"),
    pytest.param(wrapped('{"name": "a\\n", "arguments": {}}'), id="name-with-a-newline"),
    pytest.param(wrapped('{"name" "f"}'), id="no-colon"),
    pytest.param(wrapped('{"name": "f", "arguments": None}'), id="not-null"),
    pytest.param(wrapped('{"name": "f", "arguments": nullnull}'), id="no-word"),
    pytest.param(wrapped('{"name": "f", "arguments": }'), id="no-value"),
    pytest.param(wrapped('{"name": "f", "arguments": <b>}'), id="markup-for-a-value"),
    pytest.param(wrapped('{"arguments": {"a": <b>}, "name": "f"}'), id="markup-in-arguments-first"),
    pytest.param(wrapped('{"arguments": tru, "name": "f"}'), id="no-word-first"),
    pytest.param("text\n<tool_call>", id="cut-behind-the-tag"),
    pytest.param('text\n<tool_call>\n{"na', id="cut-in-a-key"),
    pytest.param('text\n<tool_call>\n{"name": "f"', id="cut-behind-the-name"),
    pytest.param('text\n<tool_call>\n{"name": "f", "arguments": ', id="cut-in-front-of-arguments"),
    pytest.param('text\n<tool_call>\n{"name": "f", "arguments": nul', id="cut-in-a-word"),
    pytest.param('<tool_call>{"arguments": {"a": "b', id="cut-in-arguments-first"),
    pytest.param("text <tool_cal", id="cut-in-the-tag"),
    pytest.param("<tool_cal" * 5, id="beginnings"),
    pytest.param("<<tool_call<tool_call >", id="nearly"),
]


@pytest.mark.parametrize(("text", "expected"), CALLS)
def test_calls(text: str, expected: list[Part]) -> None:
    check(hermes, text, expected)


@pytest.mark.parametrize("text", NO_CALLS)
def test_what_is_no_call_is_content_as_written(text: str) -> None:
    check(hermes, text, [Content(text)] if text else [])


@pytest.mark.parametrize("text", [*(case for case in NO_CALLS if not case.id.startswith("cut"))])
def test_a_call_behind_what_is_none(text: str) -> None:
    check(hermes, f"{text}.\n{WEATHER}", [Content(f"{text}."), *call(0, "weather", PARIS)])


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param("<tool_call>", id="tag"),
        pytest.param("<tool_call>\n", id="newline"),
        pytest.param('<tool_call>\n{"na', id="key"),
        pytest.param('<tool_call>\n{"name": "weat', id="name"),
        pytest.param('<tool_call>\n{"name": "weather", ', id="member"),
    ],
)
def test_a_model_that_starts_anew(lost: str) -> None:
    check(hermes, f"{lost}{WEATHER}", [Content(lost.rstrip()), *call(0, "weather", PARIS)])


@pytest.mark.parametrize("size", range(len(WEATHER) + 1))
def test_a_cut_answer_loses_nothing_and_invents_nothing(size: int) -> None:
    text = WEATHER[:size]
    parts = read(hermes(), text)
    begun = WEATHER.index(PARIS) + 1
    expected = call(0, "weather", PARIS[: size - begun + 1]) if size >= begun else [Content(text)] if text else []
    assert parts == expected


CUT = [
    pytest.param('{"a": 1, "b', '{"a": 1, "b', id="in-a-key"),
    pytest.param('{"a": "</tool_c', '{"a": "</tool_c', id="tag-in-a-string"),
    pytest.param('{"a": 1</tool_c', '{"a": 1', id="in-the-end-tag"),
    pytest.param("12", "12", id="in-a-number"),
    pytest.param(r'"{\"a\": \u00', '{"a": ', id="in-an-escape"),
    pytest.param(r'"{\"a\": \"\ud83d', '{"a": "', id="between-surrogates"),
    pytest.param(r'"', "", id="nothing-but-a-quote"),
]


@pytest.mark.parametrize(("arguments", "expected"), CUT)
def test_a_call_that_is_cut_off_stays(arguments: str, expected: str) -> None:
    check(hermes, f'<tool_call>\n{{"name": "f", "arguments": {arguments}', call(0, "f", expected))


ESCAPES = [
    pytest.param(r"\ud83d\ude00", "😀", id="pair"),
    pytest.param(r"\ud83dx", "\ufffdx", id="high-alone"),
    pytest.param(r"\ud83d\n", "\ufffd\n", id="high-and-another-escape"),
    pytest.param(r"\ud83d\u0041", "\ufffdA", id="high-and-a-letter"),
    pytest.param(r"\ude00\ud83d\ud83d\ude00", "\ufffd\ufffd😀", id="the-wrong-way-round"),
    pytest.param(r"\u12 \x\u", r"\u12 \x\u", id="no-escapes"),
    pytest.param(r"\t\b\f\r\n\/\\", "\t\b\f\r\n/\\", id="short"),
]


@pytest.mark.parametrize(("written", "said"), ESCAPES)
def test_arguments_that_were_encoded_twice(written: str, said: str) -> None:
    text = wrapped(f'{{"name": "f", "arguments": "{{{written}}}"}}')
    check(hermes, text, call(0, "f", f"{{{said}}}"))


def test_the_name_comes_once_and_with_the_first_of_the_arguments() -> None:
    machine = hermes()
    assert machine.push('Yes.\n<tool_call>\n{"name": "wea') == [Content("Yes.")]
    assert machine.push('ther", "arguments": ') == []
    assert not machine.called
    assert machine.push('{"ci') == [CallStart(0, "call-0", "weather"), CallArguments(0, '{"ci')]
    assert machine.called
    assert machine.push('ty": "P') == [CallArguments(0, 'ty": "P')]
    assert machine.push('aris"}}\n</tool_call>') == [CallArguments(0, 'aris"}')]
    assert machine.flush() == []


def test_content_is_not_delayed() -> None:
    machine = hermes()
    assert machine.push("Hello") == [Content("Hello")]
    assert machine.push(" wor\n") == [Content(" wor")]
    assert machine.push("ld <") == [Content("\nld")]
    assert machine.push("b> 1 < 2") == [Content(" <b> 1 < 2")]


def test_one_call_only_where_calls_are_not_parallel() -> None:
    machine = hermes(parallel=False)
    assert machine.push(f"a <tool_call>{{}} {WEATHER[:-15]}") == [
        Content("a <tool_call>{}"),
        *call(0, "weather", PARIS[:-1]),
    ]
    assert not machine.done
    assert machine.push("}") == [CallArguments(0, "}")]
    assert machine.done
    assert machine.push(f"}}\n</tool_call>\n{TIME} and so on") == []
    assert machine.flush() == []


@pytest.mark.parametrize("text", ["{}", "null", '""', '"{}"', "1", "true"])
def test_done_with_any_kind_of_arguments(text: str) -> None:
    for body in (f'"name": "f", "arguments": {text}', f'"arguments": {text}, "name": "f"'):
        for tail in ("", WEATHER):
            pieces = wrapped(f"{{{body}}}") + tail
            machine = hermes(parallel=False)
            assert len(read(machine, pieces)) == 2
            assert machine.done


def test_what_is_held_is_limited() -> None:
    """Arguments in front of the name wait for it, but not for ever."""
    fits = json.dumps({"arguments": {"a": "x" * (LIMIT - 100)}, "name": "f"})
    assert [type(part) for part in read(hermes(), [wrapped(fits)])] == [CallStart, CallArguments]
    body = json.dumps({"arguments": {"a": "x" * LIMIT}, "name": "f"})
    whole, near = wrapped(body), LIMIT - 50
    for pieces in ([whole], [whole[:near], *whole[near:]], [whole[i : i + 999] for i in range(0, len(whole), 999)]):
        assert read(hermes(), [*pieces, WEATHER]) == [Content(whole), *call(0, "weather", PARIS)]


@pytest.mark.parametrize(("size", "given"), [(BLANK, '{"a": 1}'), (BLANK + 1, f'"{" " * (BLANK + 1)}{{\\"a\\": 1}}"')])
def test_held_whitespace_in_a_string_is_limited(size: int, given: str) -> None:
    text = wrapped(f'{{"name": "f", "arguments": "{" " * size}{{\\"a\\": 1}}"}}')
    assert read(hermes(), [text]) == read(hermes(), text) == call(0, "f", given)


@pytest.mark.parametrize("size", [SPACE - 1, SPACE, SPACE + 1, 3 * SPACE])
@pytest.mark.parametrize("before", ["", "a"])
def test_held_whitespace_is_limited(before: str, size: int) -> None:
    text = f"{before}{' ' * size}{WEATHER}"
    content = f"{before}{' ' * (size - SPACE)}"
    expected = [*([Content(content)] if content else []), *call(0, "weather", PARIS)]
    assert read(hermes(), [text]) == read(hermes(), text) == expected
