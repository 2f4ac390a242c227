from typing import Any

import pytest

from gateway.core.parse.answer import thinking_state
from gateway.core.parse.prose import SPACE as HELD
from gateway.core.types import CallStyle, Content, Part, Reasoning, Thinking
from tests.gateway.core.parse.machines import make
from tests.gateway.core.parse.reading import call, check, read

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
