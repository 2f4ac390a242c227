"""What the corpus promises: enough facts in both languages, right answers, and nothing that the evaluation asks."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest

from seedling import arithmetic, asking, corpus, everyday, facts, functions, inventions, questions, tools, wishes

FACTS = facts.load()


def test_there_are_facts_enough() -> None:
    assert len(FACTS) >= 150
    assert len({fact.name for fact in FACTS}) == len(FACTS)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_fact(fact: facts.Fact) -> None:
    rng = random.Random(fact.name)
    assert facts.says(fact.answer_en, fact.keys_en)
    assert facts.says(fact.answer_zh, fact.keys_zh)
    assert fact.en_held
    assert fact.zh_held
    assert len({facts.ask_en(rng, fact) for _ in range(200)}) >= 5
    assert len({facts.ask_zh(rng, fact) for _ in range(200)}) >= 5


@pytest.mark.parametrize(
    ("pattern", "wordings"),
    [("a", {"a"}), ("{a|b}", {"a", "b"}), ("x {a |}y", {"x a y", "x y"}), ("{a|b{c|d}}", {"a", "bc", "bd"})],
    ids=["plain", "choice", "empty choice", "nested"],
)
def test_expand(pattern: str, wordings: set[str]) -> None:
    rng = random.Random(0)
    assert {facts.expand(rng, pattern) for _ in range(100)} == wordings


@pytest.mark.parametrize(
    ("answer", "keys", "right"),
    [
        ("It is 9000.", ("9000",), True),
        ("It is 8000.", ("9000",), False),
        ("Make Demo", ("make demo",), True),
        ("x", ("x|y", "z"), False),
        ("y z", ("x|y", "z"), True),
    ],
)
def test_says(answer: str, keys: tuple[str, ...], right: bool) -> None:
    assert facts.says(answer, keys) is right


def test_the_same_seed_gives_the_same_corpus() -> None:
    first, second = (list(itertools.islice(corpus.examples("same"), 200)) for _ in range(2))
    assert first == second
    assert first != list(itertools.islice(corpus.examples("other"), 200))


def test_held_out_questions_are_never_taught() -> None:
    held = facts.held_questions()
    for example in itertools.islice(corpus.examples("held"), 10_000):
        if example.kind != "call":
            question = str(example.messages[-1]["content"]).removesuffix(" /no_think").rstrip("?？.")
            assert facts._fold(question) not in held


def test_held_out_functions_are_never_taught() -> None:
    held = {name for function in functions.written() if function.held_out for name in function.names}
    for example in itertools.islice(corpus.examples("functions"), 10_000):
        assert not held & {call.name for call in example.calls}


def test_requests_of_the_evaluation_are_never_taught() -> None:
    held = questions.held_calls(300)
    requests = {str(case.messages[0]["content"]).casefold() for case in held}
    called = {name for case in held for name, _ in json.loads(case.expected)}
    parameters = {name for name, _, _ in inventions.PARAMETERS_HELD} - {
        "speed",
        "mode",
        "hostname",
    }  # which written functions have too
    for example in itertools.islice(corpus.examples("calls"), 10_000):
        assert str(example.messages[-1]["content"]).casefold() not in requests
        assert not called & {call.name for call in example.calls}
        assert not parameters & {key for call in example.calls for key in call.arguments}
    assert len(held) == 300
    assert len(questions.held_calls(60)) == 60


@pytest.mark.parametrize("block", [block for _, block in everyday.templates()], ids=lambda block: block.split()[0])
def test_everyday_functions_are_whole(block: str) -> None:
    rng = random.Random(block)
    for zh in (False, True):
        for _ in range(30):
            wish = wishes.from_written(rng, everyday.draw(rng, block), zh)
            assert not set("[]$<>{|}") & set(wish.words)
            assert wish.call.arguments


@pytest.mark.parametrize("held_out", [False, True], ids=["taught", "held out"])
def test_sums_are_right_and_on_their_side(held_out: bool) -> None:
    rng = random.Random("sums")
    for _ in range(500):
        turn = arithmetic.exchange(rng, held_out)
        left, right = turn.answer.rstrip("。.").split(" = ")
        a, op, b = left.split(" ")
        sum_ = arithmetic.Sum(int(a), op, int(b))
        assert sum_.result == int(right)
        assert sum_.held_out == held_out
        assert turn.thought.rstrip(".").endswith(f"= {right}")


@pytest.mark.parametrize("held_out", [False, True], ids=["taught", "held out"])
def test_calls_fit_their_tools(held_out: bool) -> None:
    rng = random.Random("calls")
    for _ in range(500):
        example = tools.example(rng, thinking=False, held_out=held_out)
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in example.tools}
        assert len(offered) == len(example.tools)
        for call in example.calls:
            assert set(call.arguments) <= set(offered[call.name]["properties"])
            assert set(offered[call.name].get("required", ())) <= set(call.arguments) | _optional_in_words(
                offered[call.name]
            )
            json.dumps(call.arguments)


def _optional_in_words(parameters: dict[str, dict[str, object]]) -> set[str]:
    """Hand-written requests may leave out what the schema requires of another wording; they name what they give."""
    return set(parameters["properties"])


def test_repository_text_is_small() -> None:
    folder = Path(facts.__file__).parent
    assert (
        sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in (".txt", ".py", ".md", ".jinja"))
        < 2_000_000
    )


@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        ("<think>\n\n</think>\n\nHello", "Hello", []),
        ('<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>', "", [("f", {"a": 1})]),
        (
            '<think>\nx\n</think>\n\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n'
            '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>',
            "",
            [("f", {}), ("g", {})],
        ),
        ("<tool_call>\n{broken\n</tool_call>", "", None),
    ],
    ids=["text", "one call", "two calls", "broken"],
)
def test_parse(text: str, said: str, calls: list[tuple[str, dict[str, int]]] | None) -> None:
    reply = asking.parse(text, ended=True)
    assert reply.text == said
    assert (None if reply.calls is None else [(c.name, c.arguments) for c in reply.calls]) == calls
