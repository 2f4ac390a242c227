"""Wishes that one call fulfils, in the words of people: for hand-written functions and for made-up ones."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import Any

from seedling import everyday, words
from seedling.exchange import Call
from seedling.facts import expand
from seedling.functions import Function, Parameter, Value, describe, draw_value, taught, written
from seedling.inventions import Made, made
from seedling.results import drawn_result, outcome, say_result, spoken


@dataclass(frozen=True, slots=True)
class Request:
    """One wish that one call fulfils: the words for it, the call, the tool and a way to say its result."""

    words: str
    call: Call
    tool: dict[str, Any]
    zh: bool
    result: dict[str, Any]
    reply: str
    same: Function | Made | None = None


MONEY = {
    "USD": ("dollars", "美元"), "EUR": ("euros", "欧元"), "CNY": ("yuan", "人民币"), "JPY": ("yen", "日元"), "GBP": ("pounds", "英镑"),
    "CHF": ("Swiss francs", "瑞士法郎"), "INR": ("rupees", "卢比"), "CAD": ("Canadian dollars", "加元"), "AUD": ("Australian dollars", "澳元"),
    "KRW": ("won", "韩元"),
}  # fmt: skip


def from_written(rng: random.Random, function: Function, zh: bool) -> Request:
    name = function.names[0] if rng.random() < 0.4 else rng.choice(function.names)
    if not function.held_out and rng.random() < 0.3:
        name = rng.choice(
            (
                f"{name}_{words.made_up(rng)}",
                f"{rng.choice(words.COMMON)}_{name}",
                f"{words.made_up(rng)}_{name}",
                f"{name}_{rng.choice(words.COMMON)}",
            )
        )
    if not function.held_out and rng.random() < 0.15:
        name = rng.choice((words.camel(name), name.replace("_", "-"), name.replace("_", ".")))
    in_words = rng.random() < 0.4
    renamed: dict[str, str] = {}
    parameters = []
    for parameter, spellings in zip(function.parameters, function.aliases, strict=True):
        spelled = spellings[0] if rng.random() < 0.5 else rng.choice(spellings)
        if not function.held_out and rng.random() < 0.2:
            spelled = rng.choice(
                (
                    f"{words.made_up(rng)}_{spelled}",
                    f"{spelled}_{rng.choice(words.COMMON)}",
                    f"{rng.choice(words.COMMON)}_{spelled}",
                )
            )
        if spelled in renamed.values():
            spelled = spellings[0]
        renamed[parameter.name] = spelled
        parameters.append(Parameter(spelled, parameter.kind, parameter.optional, parameter.text))
    question = expand(rng, rng.choice(function.ask_zh if zh else function.ask_en))
    asked = re.findall(r"<(\w+)>", question)
    values = {p.name: draw_value(rng, p.kind, zh) for p in function.parameters if p.name in asked}
    arguments = {renamed[key]: value for key, value in values.items()}
    question = re.sub(r"<(\w+)>", lambda slot: "\x00" + slot[1] + "\x00", question)
    question = _phrase(rng, question, zh)
    told = {key: spoken(value, zh) for key, value in values.items()}
    if in_words:
        told |= {
            p.name: MONEY[told[p.name]][zh] for p in function.parameters if p.kind == "currency" and p.name in told
        }
    question = re.sub("\x00(\\w+)\x00", lambda slot: told.get(slot[1], slot[0]), question)
    if "\x00" in question:
        return from_written(rng, function, zh)
    result, reply = outcome(rng, function, {key: spoken(value, zh) for key, value in values.items()}, zh)
    tool = describe(rng, name, function.text, tuple(parameters))
    return Request(question, Call(name, arguments), tool, zh, result, reply, function)


HEADS_EN = (
    "Hi! ", "Hello, ", "Please, ", "Hey, ", "Hi, ", "Hello! ", "OK, ", "Good morning. ", "So: ", "Quickly, ", "Next: ", "One more thing: ", "Well, ",
)  # fmt: skip
HEADS_ZH = ("请", "你好，", "麻烦你，", "嗨，", "请问，", "你好！", "好的，", "那么，", "帮个忙，", "下一个：")


def _phrase(rng: random.Random, question: str, zh: bool) -> str:
    """A request with a head and an end; nothing that could be taken for a part of a value."""
    if rng.random() < 0.25:
        question = rng.choice(HEADS_ZH if zh else HEADS_EN) + question
    elif not zh and rng.random() < 0.6:
        question = question[:1].upper() + question[1:]
    ends = ("", "", "？", "。", "！", "，谢谢") if zh else ("", "", "?", ".", "!", ", please")
    return question + rng.choice(ends if rng.random() < 0.5 else ends[:4])


ARGUMENT_EN = (
    "{k} {v}", "{k}: {v}", "{k} is {v}", "the {k} is {v}", "{k} = {v}", "with {k} {v}", "use {v} as {k}", "{k} should be {v}",
    "set {k} to {v}", "and {v} for the {k}",
)  # fmt: skip
COUNT_EN = ("{v} {k}", "for {v} {k}", "with {v} {k}", "{v} as the {k}", "of {v} {k}", "by {v} {k}")
COUNT_ZH = ("{v}{k}", "{v} {k}", "共{v}{k}")
ARGUMENT_ZH = ("{k}是{v}", "{k}：{v}", "{k}为{v}", "{k} {v}", "{k}={v}", "{k}用{v}", "{k}设为{v}")


NATURAL_EN = {
    "city": (" in {}", " for {}"), "date": (" on {}", " for {}"), "clock": (" at {}",), "person": (" for {}", " of {}"), "name": (" for {}", " called {}"),
    "email": (" to {}",), "code": (" {}", " with number {}", " number {}"), "phrase": (': "{}"', ": {}"), "word": (" {}", " for {}"), "path": (" in {}", " from {}"),
    "host": (" on {}",), "ticker": (" {}", " for {}"), "currency": (" in {}",), "language": (" in {}",), "enum": (" as {}", " in {}"),
}  # fmt: skip
NATURAL_ZH = {
    "city": "，在{}",
    "date": "，{}",
    "clock": "，{}",
    "person": "，给{}",
    "name": "，{}",
    "email": "到 {}",
    "code": " {}",
    "phrase": "：{}",
    "word": "：{}",
    "enum": "，{}",
}


def _natural(rng: random.Random, function: Made, values: dict[str, Value], zh: bool) -> str:
    """The values without their names, where their kinds tell them apart; empty where they do not."""
    kinds = {p.name: p.kind.partition(":")[0] for p in function.parameters}
    known = NATURAL_ZH if zh else NATURAL_EN
    if (
        not values
        or len({kinds[k] for k in values}) < len(values)
        or any(kinds[k] not in known for k in values)
        or rng.random() < 0.5
    ):
        return ""
    if len([p for p in function.parameters if kinds[p.name] in {kinds[k] for k in values}]) > len(values):
        return ""  # a parameter left out could have been meant
    ordered = sorted(values, key=lambda k: kinds[k] in ("phrase",))
    return "".join(
        (NATURAL_ZH[kinds[k]] if zh else rng.choice(NATURAL_EN[kinds[k]])).format(values[k]) for k in ordered
    )


def _free(rng: random.Random, function: Made, values: dict[str, Value]) -> str:
    """An everyday sentence: a thing acted on, and numbers that stand before what they count; empty where it does not fit."""
    kinds = {p.name: p.kind.partition(":")[0] for p in function.parameters}
    counted = [k for k in values if kinds[k] in ("int", "number")]
    acted = [k for k in values if kinds[k] in ("word", "name", "person", "code", "path", "city")]
    if len(acted) != 1 or len(counted) + 1 != len(values) or rng.random() < 0.3:
        return ""
    verb, _, noun = rng.choice(function.phrases).partition(" the ")
    thing = str(values[acted[0]])
    numbers = [f"{values[k]} {k.replace('_', ' ')}" for k in counted]
    frames = (
        "{verb} the {thing} {noun}", "{verb} {thing}, the {noun}", "{verb} the {noun} {thing}", "the {noun} of {thing}: {verb} it",
        "i need the {noun} {thing}", "{verb} {noun} for {thing}", "what about the {noun} in {thing}",
        "i want {thing} as {noun}", "{verb} the {thing}, it is a {noun}", "how is the {noun} in {thing}",
    )  # fmt: skip
    sentence = rng.choice(frames).format(verb=verb, thing=thing, noun=noun)
    if not numbers:
        return sentence
    ends = (" with ", " for ", ", ", " by ", " and ", " at ")
    if rng.random() < 0.2:
        return (
            f"{verb} "
            + " and ".join(numbers)
            + rng.choice((" of ", " for the ", " to the ", " at the "))
            + f"{thing} {noun}"
        )
    return sentence + rng.choice(ends) + " and ".join(numbers)


def _label(rng: random.Random, label: str, zh: bool) -> str:
    """What a person calls a parameter: the usual word, or one that has never been heard in this place."""
    if zh:
        return label if rng.random() < 0.4 and not label.isascii() else words.made_up_zh(rng)
    return words.thing(rng)


def _written_value(rng: random.Random, value: Value, zh: bool) -> str:
    if isinstance(value, bool):
        return rng.choice(
            ("是", "true") if zh and value else ("否", "false") if zh else ("true", "yes") if value else ("false", "no")
        )
    if isinstance(value, list):
        return ("、" if zh else ", ").join(value)
    if isinstance(value, str) and rng.random() < 0.25:
        return f'"{value}"' if not zh else f"“{value}”"
    return str(value)


def from_made(rng: random.Random, function: Made, zh: bool) -> Request:
    values: dict[str, Value] = {}
    for parameter in function.parameters:
        if not parameter.optional or rng.random() < 0.5:
            values[parameter.name] = draw_value(rng, parameter.kind, zh and rng.random() < 0.7)
    labels = dict(zip((p.name for p in function.parameters), function.labels_zh, strict=True))
    # A request may call parameters by labels that only their descriptions say: in Chinese, or in other words.
    labelled = rng.random() < (0.6 if zh else 0.25)
    parameters = function.parameters
    if labelled:
        labels = {key: _label(rng, label, zh) for key, label in labels.items()}
        if len(set(labels.values())) < len(labels):
            return from_made(rng, function, zh)
        parameters = tuple(replace(p, text=labels[p.name]) for p in parameters)
    natural = _natural(rng, function, values, zh)
    told = rng.sample(list(values), len(values)) if rng.random() < 0.4 else list(values)
    pieces = []
    for key in told:
        label = key.replace("_", " ") if rng.random() < 0.7 else key
        if labelled and rng.random() < 0.85:
            label = labels[key]
        frame = rng.choice(ARGUMENT_ZH if zh else ARGUMENT_EN)
        if isinstance(values[key], (int, float)) and not isinstance(values[key], bool) and rng.random() < 0.35:
            frame = rng.choice(COUNT_ZH if zh else COUNT_EN)
        pieces.append(frame.format(k=label, v=_written_value(rng, values[key], zh)))
    if zh:
        head = rng.choice(("请{}", "帮我{}", "{}", "我想{}", "麻烦{}", "能{}吗", f"调用 {function.name}")).format(
            function.phrase_zh
        )
        question = "，".join([head, *pieces]) + rng.choice(("。", ""))
        question = _phrase(rng, head + natural, True) if natural else question
    else:
        head = rng.choice(
            (
                "{}",
                "please {}",
                "can you {}",
                "could you {}",
                "I want you to {}",
                f"call {function.name}",
                f"use {function.name}",
            )
        )
        head = head.format(rng.choice(function.phrases))
        joiner = rng.choice((", ", ", ", " ", "; "))
        question = (
            rng.choice((head + joiner + joiner.join(pieces), head + " (" + ", ".join(pieces) + ")")) if pieces else head
        )
        question = _phrase(rng, head + natural if natural else _free(rng, function, values) or question, False)
    if not pieces and not values:
        question = head
    keys = [p.name for p in function.parameters if p.name in values]
    result = drawn_result(rng)
    return Request(
        question,
        Call(function.name, {key: values[key] for key in keys}),
        describe(rng, function.name, function.text, parameters, function.opaque, labelled),
        zh,
        result,
        say_result(result, zh),
        function,
    )


def request(rng: random.Random, held_out: bool = False, zh: bool | None = None) -> Request:
    chinese = rng.random() < 0.35 if zh is None else zh
    if held_out:
        if rng.random() < 0.2:
            return from_written(rng, rng.choice([f for f in written() if f.held_out]), chinese)
        return from_made(rng, made(rng, held_out=True), chinese)
    roll = rng.random()
    if roll < 0.42:
        return from_written(rng, everyday.draw(rng), chinese if zh is not None else rng.random() < 0.45)
    if roll < 0.62:
        return from_written(rng, rng.choice(taught()), chinese if zh is not None else rng.random() < 0.45)
    return from_made(rng, made(rng), chinese)
