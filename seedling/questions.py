"""What the evaluation asks, and what a right answer is: every case is held out of the corpus, or freshly drawn."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedling import arithmetic, corpus, facts, functions, tools
from seedling.exchange import Call

SEED = "published"
HELD_CALLS = Path(__file__).parent / "held_calls.jsonl"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the text after the thought, the calls in it (None: malformed), and whether it ended by itself."""

    text: str
    calls: tuple[Call, ...] | None
    ended: bool


@dataclass(frozen=True, slots=True)
class Case:
    group: str
    messages: tuple[dict[str, Any], ...]
    right: Callable[[Reply], bool]
    expected: str
    tools: tuple[dict[str, Any], ...] = ()
    thinking: bool = False


Right = Callable[[Reply], bool]


def says(keys: tuple[str, ...]) -> Right:
    return lambda reply: facts.says(reply.text, keys)


def makes(calls: tuple[Call, ...]) -> Right:
    return lambda reply: reply.calls == calls


def ends_in(number: str) -> Right:
    return lambda reply: re.findall(r"\d+", reply.text)[-1:] == [number]


def is_exactly(text: str) -> Right:
    return lambda reply: reply.text == text


def fact_cases(rng: random.Random) -> list[Case]:
    """Every held-out phrasing of every fact."""
    cases = []
    for fact in facts.load():
        for language, questions, keys, mark in (
            ("English", fact.en_held, fact.keys_en, "?"),
            ("Chinese", fact.zh_held, fact.keys_zh, "？"),
        ):
            for question in questions:
                user = {"role": "user", "content": question[:1].upper() + question[1:] + mark}
                thinking = rng.random() < 0.5
                cases.append(Case(f"facts, {language}", (user,), says(keys), " & ".join(keys), thinking=thinking))
    return cases


def held_calls(count: int) -> list[Case]:
    """Requests for functions whose names and parameters the corpus does not contain. They were drawn once and written down, so that
    changes of the generators that teach do not change what is asked; fewer are taken evenly."""
    lines = HELD_CALLS.read_text("utf-8").splitlines()
    count = min(count, len(lines))
    taken = [json.loads(lines[number * len(lines) // count]) for number in range(count)]
    return [
        Case(
            case["group"],
            tuple(case["messages"]),
            makes(tuple(Call(*call) for call in case["calls"])),
            json.dumps(case["calls"], ensure_ascii=False),
            tuple(case["tools"]),
            case["thinking"],
        )
        for case in taken
    ]


def drawn_calls(rng: random.Random, count: int) -> list[Case]:
    """The same from today's generators, for another seed than the published one."""
    everyday = {name for function in functions.written() if function.held_out for name in function.names}
    cases = []
    for _ in range(count):
        made = tools.example(rng, rng.random() < 0.5, held_out=True)
        group = "two or three calls" if len(made.calls) > 1 else "one call"
        if {call.name for call in made.calls} & everyday:
            group += ", everyday words"
        expected = json.dumps([[c.name, c.arguments] for c in made.calls], ensure_ascii=False)
        cases.append(Case(group, made.messages, makes(made.calls), expected, made.tools, made.thinking))
    return sorted(cases, key=lambda case: case.group)


def sum_cases(rng: random.Random, count: int) -> list[Case]:
    cases = []
    for number in range(count):
        turn = arithmetic.exchange(rng, held_out=True)
        result = turn.answer.rstrip("。.").split("= ")[1]
        thinking = number % 2 == 0
        group = "sums, thinking" if thinking else "sums, at once"
        user = {"role": "user", "content": turn.user}
        cases.append(Case(group, (user,), ends_in(result), turn.answer, thinking=thinking))
    return sorted(cases, key=lambda case: case.group)


def other_cases(rng: random.Random, count: int) -> list[Case]:
    """Fresh draws of the kinds of talk that are not held out by wording: recall, results of tools."""
    cases = []
    for maker, kind, group in (
        (corpus.remembered, "recall", "recall from earlier turns"),
        (tools.example, "result", "answers from tool results"),
    ):
        found = 0
        while found < count:
            made = maker(rng, rng.random() < 0.5)
            if made.kind == kind:
                found += 1
                cases.append(
                    Case(group, made.messages, is_exactly(made.answer), made.answer, made.tools, made.thinking)
                )
    return cases


def cases(count: int = 300, seed: str = SEED) -> list[Case]:
    rng = random.Random(seed)
    asked = fact_cases(rng) + (held_calls(count) if seed == SEED else drawn_calls(rng, count))
    return asked + sum_cases(rng, count) + other_cases(rng, count // 3)
