"""The mixture: a seed → an endless stream of examples.

`python -m seedling.corpus --show 20` prints some. What the evaluation asks (see questions.py) is never generated here.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from seedling import arithmetic, facts, prompt, recall, talk, tools
from seedling.exchange import Example, Exchange
from seedling.facts import Fact, expand

THINKING = 0.45


@cache
def _facts() -> tuple[Fact, ...]:
    return facts.load()


def about(rng: random.Random) -> Exchange:
    """A question about the product, the field or the model itself."""
    fact = rng.choice(_facts())
    topic = fact.name.replace("-", " ").removeprefix("term ")
    if rng.random() < 0.42:
        user = facts.ask_zh(rng, fact)
        return Exchange(user, fact.answer_zh, f"这是关于 {topic} 的问题，我知道答案。", True)
    user = facts.ask_en(rng, fact)
    return Exchange(user, fact.answer_en, f"A question about {topic}. I know the answer.")


def in_other_language(rng: random.Random) -> Exchange:
    fact = rng.choice(_facts())
    topic = fact.name.replace("-", " ").removeprefix("term ")
    if rng.random() < 0.5:
        user = expand(rng, rng.choice(fact.en)) + rng.choice(
            ("? Answer in Chinese.", ", in Chinese please", "? Please answer in Chinese", "（用中文回答）")
        )
        return Exchange(user, fact.answer_zh, f"这是关于 {topic} 的问题，要用中文回答。", True)
    user = expand(rng, rng.choice(fact.zh)) + rng.choice(
        ("？请用英文回答。", "，用英语回答", "？用英文说", " (in English)")
    )
    return Exchange(user, fact.answer_en, f"A question about {topic}, to be answered in English.")


GREETING_EN = re.compile(
    r"(hi|hello|hey|hey there|hi there|hello there|good (morning|day|evening|afternoon))\b[,.! ]+", re.I
)
GREETING_ZH = re.compile(r"(你好啊?|您好|嗨|哈喽|早上好|晚上好|下午好)[，！。!, ]*")
GREETINGS_EN = (
    "Hello",
    "Hi",
    "Hey",
    "Hello there",
    "Hi there",
    "Good morning",
    "Good evening",
    "Good day",
    "hello",
    "hi",
    "hey",
)
GREETINGS_ZH = ("你好", "您好", "嗨", "哈喽", "早上好", "晚上好", "下午好", "你好啊")


def greeted(rng: random.Random) -> Exchange:
    """A greeting and a question in one, mostly about the model itself; and such questions without a greeting."""
    own = [fact for fact in _facts() if fact.name in facts.own()]
    often = [fact for fact in own if fact.name in ("who", "name", "can-do")]
    fact = rng.choice(often if rng.random() < 0.4 else own if rng.random() < 0.6 else _facts())
    bare = rng.random() < 0.25
    if rng.random() < 0.45:
        greeting = "" if bare else rng.choice(GREETINGS_ZH) + rng.choice(("！", "，", "。", "!", "", " ", "～"))
        user = greeting + facts.ask_zh(rng, fact)
        return Exchange(user, fact.answer_zh, "问候和一个我知道答案的问题。" if greeting else "这个我知道。", True)
    greeting = "" if bare else rng.choice(GREETINGS_EN) + rng.choice(("! ", ", ", ". ", " ", "! ", "!! ", " :) "))
    user = greeting + facts.ask_en(rng, fact)
    return Exchange(
        user, fact.answer_en, "A greeting and a question. I know the answer." if greeting else "I know this."
    )


def greet_back(turn: Exchange) -> Exchange:
    """Who greets first is greeted first."""
    if turn.zh and GREETING_ZH.match(turn.user):
        return replace(turn, answer="你好！" + turn.answer)
    if not turn.zh and GREETING_EN.match(turn.user):
        return replace(turn, answer="Hello! " + turn.answer)
    return turn


Maker = Callable[[random.Random], Exchange]
SINGLE: tuple[tuple[Maker, float], ...] = (
    (lambda rng: greet_back(about(rng)), 42),
    (lambda rng: greet_back(greeted(rng)), 7),
    (in_other_language, 2),
    (talk.small, 8),
    (talk.unknown, 4),
    (talk.listing, 4),
    (talk.counting, 3),
    (talk.copying, 10),
    (talk.translating, 3),
    (talk.picture, 3),
    (talk.as_json, 3),
    (talk.lookup, 8),
    (arithmetic.exchange, 18),
)
SYSTEM = (
    "You are a helpful assistant.", "You are Seedling.", "You are a helpful assistant", "Be brief.", "You are a friendly assistant.",
    "Answer shortly.", "你是一个有用的助手。", "你是 Seedling。", "请简短回答。", "You are Seedling, a tiny assistant.", "Help the user.",
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "You are a support assistant for this project.",
)  # fmt: skip


def exchange(rng: random.Random) -> Exchange:
    makers, weights = zip(*SINGLE, strict=True)
    return rng.choices(makers, weights)[0](rng)


def _say(turn: Exchange) -> list[dict[str, Any]]:
    return [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.answer}]


def _history(rng: random.Random, turns: int) -> list[dict[str, Any]]:
    return [message for _ in range(turns) for message in _say(exchange(rng))]


def single(rng: random.Random, thinking: bool) -> Example:
    turn = exchange(rng)
    return Example(
        ({"role": "user", "content": turn.user},), turn.answer, turn.thought, thinking=thinking, kind="single"
    )


def later(rng: random.Random, thinking: bool) -> Example:
    """A question after others."""
    turns = rng.choice((1, 1, 1, 2, 2, 3, 4)) if rng.random() < 0.96 else rng.randint(6, 30)
    turn = exchange(rng)
    messages = (*_history(rng, turns), {"role": "user", "content": turn.user})
    return Example(messages, turn.answer, turn.thought, thinking=thinking, kind="later")


def remembered(rng: random.Random, thinking: bool) -> Example:
    """Things told earlier, with other talk between, then one of them asked for (or one that never was told)."""
    zh = rng.random() < 0.4
    keys = rng.sample(list(recall.EN), rng.choice((1, 1, 2, 2, 3)))
    known = {key: recall.value(rng, key, zh) for key in keys}
    turns = [recall.told(rng, key, thing, zh) for key, thing in known.items()]
    if len(turns) > 1 and rng.random() < 0.2:
        joined = " ".join(turn.user for turn in turns)
        noted = "好的，记住了。" if zh else "Thank you, I will remember."
        turns = [Exchange(joined, noted, "记住这些。" if zh else "Several things to remember.", zh)]
    if rng.random() < 0.2:
        messages = [m for turn in turns[:-1] for m in _say(turn)] + [{"role": "user", "content": turns[-1].user}]
        return Example(tuple(messages), turns[-1].answer, turns[-1].thought, thinking=thinking, kind="told")
    messages = []
    for turn in turns:
        messages += _say(turn)
        if rng.random() < 0.4:
            messages += _history(rng, rng.choice((1, 1, 2)) if rng.random() < 0.97 else 15)
    missing = rng.random() < 0.15
    key = rng.choice([k for k in recall.EN if k not in known] if missing else keys)
    language = zh if rng.random() < 0.93 else not zh
    last = recall.asked(rng, key, known.get(key), language)
    return Example(
        (*messages, {"role": "user", "content": last.user}), last.answer, last.thought, thinking=thinking, kind="recall"
    )


def unneeded(rng: random.Random, thinking: bool) -> Example:
    return tools.unneeded(rng, exchange(rng), thinking)


def tool_later(rng: random.Random, thinking: bool) -> Example:
    """A tool request after some talk, or talk after a finished tool request."""
    first = tools.example(rng, thinking)
    if rng.random() < 0.5:
        return replace(first, messages=(*_history(rng, rng.choice((1, 1, 2))), *first.messages))
    if first.calls:
        return first
    turn = exchange(rng)
    done = ({"role": "assistant", "content": first.answer}, {"role": "user", "content": turn.user})
    return replace(first, messages=(*first.messages, *done), answer=turn.answer, thought=turn.thought, kind="unneeded")


def drilled(rng: random.Random, thinking: bool) -> Example:
    """Copying and little else."""
    if rng.random() < 0.4:
        return tools.tiny(rng, thinking)
    turn = talk.drill(rng)
    return Example(
        ({"role": "user", "content": turn.user},), turn.answer, turn.thought, thinking=thinking, kind="drill"
    )


KINDS: tuple[tuple[Callable[[random.Random, bool], Example], float], ...] = (
    (single, 50),
    (later, 7),
    (remembered, 7),
    (tools.example, 70),
    (unneeded, 4),
    (tool_later, 4),
    (drilled, 8),
)


def example(rng: random.Random, drills: float = 0.0) -> Example:
    makers, weights = zip(*KINDS, strict=True)
    maker = drilled if drills and rng.random() < drills else rng.choices(makers, weights)[0]
    made = maker(rng, rng.random() < THINKING)
    if rng.random() < 0.25:
        made = replace(made, messages=({"role": "system", "content": rng.choice(SYSTEM)}, *made.messages))
    if made.thinking and rng.random() < 0.06 and made.messages[-1]["role"] == "user":
        asked = {**made.messages[-1], "content": made.messages[-1]["content"] + " /no_think"}
        made = replace(made, messages=(*made.messages[:-1], asked), thought="")
    return made


def examples(seed: str, drills: float = 0.0) -> Iterator[Example]:
    """The stream of a seed; `drills` is a share of copying beyond that of the mixture."""
    rng = random.Random(seed)
    while True:
        yield example(rng, drills)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", type=int, default=10, help="how many examples to print")
    parser.add_argument("--seed", default="show")
    arguments = parser.parse_args()
    stream = examples(arguments.seed)
    for _ in range(arguments.show):
        shown = next(stream)
        print(f"──── {shown.kind}\n{prompt.read(shown)}▶{prompt.write_answer(shown)}")


if __name__ == "__main__":
    main()
