"""What functions return, and how that is said."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

from seedling import words
from seedling.facts import load
from seedling.functions import Function, Value, draw_value


def spoken(value: Value, zh: bool) -> str:
    if isinstance(value, bool):
        return ("打开" if value else "关掉") if zh else ("on" if value else "off")
    return str(value)


def outcome(rng: random.Random, function: Function, said: dict[str, str], zh: bool) -> tuple[dict[str, Any], str]:
    """What a hand-written function returns, and how that is said: its own way, or that of any function."""
    if not function.result or rng.random() < 0.35:
        result = drawn_result(rng)
        return result, say_result(result, zh)
    result = {key: draw_value(rng, kind, zh) for key, kind in function.result}
    told = {**said, **{key: str(value) for key, value in result.items()}}
    reply = function.reply_zh if zh else function.reply_en
    return result, re.sub(r"<(\w+)>", lambda slot: told.get(slot[1], slot[1]), reply)


RESULT_KEYS = (
    "status count total price name level result value date state owner score id message available color unit temperature condition city sum product "
    "amount rate currency humidity wind text title time answer output hits results items error_code place distance minutes success weather sky"
).split()
SINGLE_KEYS = ("result", "value", "answer", "output")
RESULT_VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda rng: rng.randint(0, 10 ** rng.randint(1, 5)),
    lambda rng: round(rng.uniform(0, 999), 1),
    lambda rng: words.made_up(rng),
    lambda rng: words.code(rng),
    lambda rng: words.name(rng),
    lambda rng: words.made_up_zh(rng),
    lambda rng: rng.choice(
        ("ok", "done", "open", "closed", "pending", "ready", "sent", "sunny", "cloudy", "rain", "snow", "clear")
    ),
    lambda rng: rng.choice((words.city(rng), words.city(rng, True), "°C", "km", "USD", "EUR")),
    lambda rng: round(rng.uniform(-20, 40), 1) if rng.random() < 0.5 else rng.randint(-20, 100),
    lambda rng: rng.random() < 0.5,
    lambda rng: words.sentence(rng, rng.random() < 0.3),
    lambda rng: [words.sentence(rng) if rng.random() < 0.5 else words.made_up(rng) for _ in range(rng.randint(1, 3))],
)


def drawn_result(rng: random.Random) -> dict[str, Any]:
    """What some function returned: a few keys, or the one that says nothing by itself."""
    if rng.random() < 0.15:
        return {rng.choice(SINGLE_KEYS): rng.choice(RESULT_VALUES)(rng)}
    return {
        words.made_up(rng) if rng.random() < 0.25 else rng.choice(RESULT_KEYS): rng.choice(RESULT_VALUES)(rng)
        for _ in range(rng.randint(1, 4))
    }


def say_result(result: dict[str, Any], zh: bool) -> str:
    def said(value: Any) -> str:
        if isinstance(value, list):
            return ("、" if zh else ", ").join(value)
        return json.dumps(value) if isinstance(value, bool) else str(value)

    if len(result) == 1 and next(iter(result)) in SINGLE_KEYS:
        alone = said(next(iter(result.values())))
        return f"结果是 {alone}。" if zh else f"The result is {alone}."
    if zh:
        return "结果：" + "，".join(f"{key} 是 {said(value)}" for key, value in result.items()) + "。"
    return "Here is the result: " + ", ".join(f"{key} is {said(value)}" for key, value in result.items()) + "."


def plainly(rng: random.Random, zh: bool) -> str:
    """A result that is no JSON: a word, a number with its unit, or a sentence with signs of all kinds in it."""
    roll = rng.random()
    if roll < 0.35:
        fact = rng.choice(load())
        return fact.answer_zh if zh else fact.answer_en
    if roll < 0.65:
        number = rng.choice((rng.randint(-30, 9999), round(rng.uniform(-30, 999), 1)))
        unit = rng.choice(("", "", " °C", " km", " USD", " EUR", "%", f" {words.made_up(rng)}"))
        return f"{number}{unit}{rng.choice(('', '', ', ' + rng.choice(words.COMMON), ', sunny', ', cloudy'))}"
    return words.sentence(rng, zh)
