"""Conversations with tools: requests, calls, results and what is said about them. Copying is the skill to be learned."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from typing import Any

from seedling import everyday, words
from seedling.exchange import Call, Example, Exchange
from seedling.facts import expand
from seedling.functions import Function, Value, describe, draw_value, taught
from seedling.inventions import Made, made
from seedling.results import outcome, plainly
from seedling.wishes import Request, from_made, from_written, request

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
        result, reply = outcome(rng, function, {key: str(value)}, zh)
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
        messages.append({"role": "tool", "content": plainly(rng, zh) if plain else text})
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
