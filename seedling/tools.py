"""Conversations with tools: requests, calls, results and what is said about them. Copying is the skill to be learned."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from seedling import everyday, words
from seedling.exchange import Call, Example, Exchange
from seedling.facts import expand, load
from seedling.functions import Function, Parameter, Value, describe, draw_value, taught, written
from seedling.inventions import Made, made


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


def _spoken(value: Value, zh: bool) -> str:
    if isinstance(value, bool):
        return ("打开" if value else "关掉") if zh else ("on" if value else "off")
    return str(value)


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
    told = {key: _spoken(value, zh) for key, value in values.items()}
    if in_words:
        told |= {
            p.name: MONEY[told[p.name]][zh] for p in function.parameters if p.kind == "currency" and p.name in told
        }
    question = re.sub("\x00(\\w+)\x00", lambda slot: told.get(slot[1], slot[0]), question)
    if "\x00" in question:
        return from_written(rng, function, zh)
    result, reply = _outcome(rng, function, {key: _spoken(value, zh) for key, value in values.items()}, zh)
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


def _outcome(rng: random.Random, function: Function, said: dict[str, str], zh: bool) -> tuple[dict[str, Any], str]:
    """What a hand-written function returns, and how that is said: its own way, or that of any function."""
    if not function.result or rng.random() < 0.35:
        result = drawn_result(rng)
        return result, say_result(result, zh)
    result = {key: draw_value(rng, kind, zh) for key, kind in function.result}
    told = {**said, **{key: str(value) for key, value in result.items()}}
    reply = function.reply_zh if zh else function.reply_en
    return result, re.sub(r"<(\w+)>", lambda slot: told.get(slot[1], slot[1]), reply)


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


ARITHMETIC = ("add", "multiply", "subtract", "divide")


def _toolbox(
    rng: random.Random, wanted: list[dict[str, Any]], same: Function | Made | None
) -> tuple[dict[str, Any], ...]:
    """The wanted tools among others; a near relative of the wanted one is the hardest neighbour."""
    names = {tool["function"]["name"] for tool in wanted}
    box = list(wanted)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 2, 3, 5))):
        if isinstance(same, Made) and rng.random() < 0.3:
            noun = same.phrases[0].split(" the ", 1)[1]
            other: Made | Function = made(rng, noun=noun)
        elif isinstance(same, Function) and same.names[0] in ARITHMETIC and rng.random() < 0.5:
            other = rng.choice(
                [f for f in everyday.single(rng) if f.names[0] in ARITHMETIC and f.names[0] != same.names[0]]
            )
        elif isinstance(same, Function) and same.template and rng.random() < 0.12:
            other = everyday.draw(rng, same.template)
            if other.names[0] == same.names[0] or other.text == same.text:
                continue
        elif (roll := rng.random()) < 0.25:
            other = rng.choice([f for f in taught() if f is not same])
        elif roll < 0.5:
            other = everyday.draw(rng)
            if isinstance(same, Function) and other.template == same.template:
                continue
        else:
            other = made(rng)
        name = other.name if isinstance(other, Made) else rng.choice(other.names)
        if name in names or (isinstance(other, Made) and isinstance(same, Made) and other.text == same.text):
            continue
        names.add(name)
        box.append(describe(rng, name, other.text, other.parameters))
    rng.shuffle(box)
    return tuple(box)


def _thought(calls: list[Call], zh: bool) -> str:
    told = "; ".join(
        f"{call.name} " + ", ".join(f"{k} = {_shown(v)}" for k, v in call.arguments.items()) for call in calls
    )
    return f"我应该调用 {told.strip()}" if zh else f"I should call {told.strip()}"


def _shown(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)


def call_message(calls: list[Call], content: str = "") -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [{"type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls],
    }


def _wishes(rng: random.Random, held_out: bool) -> list[Request]:
    """One wish mostly; two or three of the same or of different kinds now and then."""
    first = request(rng, held_out)
    if rng.random() < (0.8 if held_out else 0.56):
        return [first]
    wishes = [first]
    for _ in range(rng.choice((1, 1, 1, 2) if held_out else (1, 1, 2))):
        wishes.append(request(rng, held_out, first.zh))
    names = [w.call.name for w in wishes]
    return wishes if len(set(names)) == len(names) else [first]


def _repeated(rng: random.Random, zh: bool) -> tuple[str, list[Request]]:
    """The same function for several values: weather in two cities."""
    en = (
        "What is the weather in {}?",
        "Weather in {} please",
        "How is the weather in {}?",
        "what's the weather like in {}",
    )
    zh_frames = ("{}的天气怎么样？", "查一下{}的天气", "{}天气如何")
    while True:
        function = rng.choice(
            [f for f in taught() if len(f.parameters) and not f.parameters[0].optional]
            if rng.random() < 0.5
            else [everyday.draw(rng)]
        )
        single = [
            a
            for a in (function.ask_zh if zh else function.ask_en)
            if re.findall(r"<(\w+)>", a) == [function.parameters[0].name]
        ]
        if single:
            break
    key = function.parameters[0].name
    frame = expand(rng, rng.choice(single))
    if function.names[0] == "get_weather" and rng.random() < 0.3:
        frame = rng.choice(zh_frames if zh else en).replace("{}", f"<{key}>")
    base = from_written(rng, function, zh)
    spelled = base.tool["function"]["parameters"]["properties"]
    name = next(iter(spelled))
    values: list[Value] = []
    while len(values) < rng.choice((2, 2, 3)):
        value = draw_value(rng, function.parameters[0].kind, zh)
        if value not in values:
            values.append(value)
    shown = [str(v) for v in values]
    joined = (
        "和".join(shown)
        if zh
        else rng.choice((" and ", " and in " if f"in <{key}>" in frame else " and ")).join(
            [", ".join(shown[:-1]), shown[-1]]
        )
    )
    question = frame.replace(f"<{key}>", joined)
    wishes = []
    for value in values:
        result, reply = _outcome(rng, function, {key: str(value)}, zh)
        wishes.append(Request(question, Call(base.call.name, {name: value}), base.tool, zh, result, reply, function))
    return question, wishes


JOINS_EN = (" and then ", "; ", " and also ", ". ", " and ", ", then ", "\n", ", and ", ". Also ", ". Then ", "? And ")
JOINS_ZH = ("，然后", "；", "，另外", "。", "，再", "，还有", "\n", "，接着", "。另外，", "，并且")


def example(rng: random.Random, thinking: bool, held_out: bool = False) -> Example:
    """A request that needs one or more calls, or the answer after their results."""
    if not held_out and rng.random() < 0.12:
        zh = rng.random() < 0.35
        question, wishes = _repeated(rng, zh)
        if not zh and rng.random() < 0.6:
            question = question[:1].upper() + question[1:] + "?"
        box = _toolbox(rng, [wishes[0].tool], wishes[0].same)
    else:
        wishes = _wishes(rng, held_out)
        zh = wishes[0].zh
        parts = [w.words.rstrip("?.。？ \n") for w in wishes]
        question = wishes[0].words if len(wishes) == 1 else rng.choice(JOINS_ZH if zh else JOINS_EN).join(parts)
        box = _toolbox(rng, [w.tool for w in wishes], wishes[0].same)
    calls = [w.call for w in wishes]
    user = {"role": "user", "content": question}
    if held_out or rng.random() < 0.68:
        return Example((user,), "", _thought(calls, zh), tuple(calls), box, thinking, "call")
    failed = rng.random() < 0.1
    results = [
        {"error": rng.choice(("not found", "timeout", "permission denied", words.sentence(rng)))}
        if failed
        else w.result
        for w in wishes
    ]
    plain = rng.random() < 0.2 and not failed and len(wishes) == 1
    messages: list[dict[str, Any]] = [user, call_message(calls)]
    if thinking and rng.random() < 0.5:
        messages[1]["reasoning_content"] = _thought(calls, zh)
    for result in results:
        compact = rng.random() < 0.3
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))
        messages.append({"role": "tool", "content": _plainly(rng, zh) if plain else text})
    if failed:
        answer = (
            (f"调用失败：{results[0]['error']}。" if zh else f"The call failed: {results[0]['error']}.")
            if len(wishes) == 1
            else (
                "调用失败：" + "；".join(str(r["error"]) for r in results) + "。"
                if zh
                else "The calls failed: " + "; ".join(str(r["error"]) for r in results) + "."
            )
        )
    elif plain:
        answer = f"结果：{messages[-1]['content']}" if zh else f"The result: {messages[-1]['content']}"
    else:
        answer = ("" if zh else " ").join(w.reply for w in wishes)
    thought = "结果已经有了，可以回答。" if zh else "The result is there; I can answer."
    return Example(tuple(messages), answer, thought, (), box, thinking, "result")


def _plainly(rng: random.Random, zh: bool) -> str:
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


def tiny(rng: random.Random, thinking: bool) -> Example:
    """One small function and its call: the same skill in a fraction of the text."""
    function = made(rng)
    zh = rng.random() < 0.35
    wish = from_made(rng, replace(function, parameters=function.parameters[:2], labels_zh=function.labels_zh[:2]), zh)
    return Example(
        ({"role": "user", "content": wish.words},),
        "",
        _thought([wish.call], zh),
        (wish.call,),
        (wish.tool,),
        thinking,
        "call",
    )


# What is said without a tool all the same, as long as no tool for it is there; and the names of such tools.
TOOL_WORTHY = re.compile(
    r"\d|weather|rain|cold|time|date|day|news|price|how much|translat|chinese|english|repeat|say|spell|count|list|json|send|call|play|order|book"
    r"|天气|雨|冷|几点|几号|星期|新闻|多少|翻译|中文|英文|英语|重复|说|数|列|打|发|订|放",
    re.I,
)
ABLE = re.compile(
    "weather|forecast|time|clock|news|price|stock|quote|calc|eval|compute|add|sum|plus|mul|times|product|sub|minus|div|quot|currency|money|exchange"
    "|transl|search|google|dict|word|text|message|mail|sms|alarm|light|lamp|music|song|play|taxi|number|count|length|password|call|order|book|list|tip|bill"
)


def unneeded(rng: random.Random, exchange: Exchange, thinking: bool) -> Example:
    """Tools are there, but the question needs none of them."""
    first = request(rng)
    box = _toolbox(rng, [first.tool], first.same)
    if TOOL_WORTHY.search(exchange.user):
        box = tuple(tool for tool in box if not ABLE.search(tool["function"]["name"].lower()))
    return Example(
        ({"role": "user", "content": exchange.user},), exchange.answer, exchange.thought, (), box, thinking, "unneeded"
    )
