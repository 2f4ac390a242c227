"""Small talk, lists, counting, copying, tiny translations, emoji, data as JSON, and refusing what it cannot know."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

from seedling import words
from seedling.exchange import Exchange
from seedling.facts import expand, phrase_en, phrase_zh


@cache
def _dialogues() -> tuple[tuple[tuple[str, ...], bool, str], ...]:
    """(questions, asked in Chinese, answer) per block of dialogues.txt; lines without a mark continue the answer."""
    blocks = []
    for block in (Path(__file__).parent / "dialogues.txt").read_text("utf-8").split("\n\n")[1:]:
        questions: list[str] = []
        answer: list[str] = []
        zh = False
        for line in block.strip().splitlines():
            if line[:2] in ("e ", "z ") and not answer:
                questions.append(line[2:])
                zh = line[0] == "z"
            else:
                answer.append(line[2:] if line[:2] in ("a ", "c ") and not answer else line)
        blocks.append((tuple(questions), zh, "\n".join(answer)))
    return tuple(blocks)


def small(rng: random.Random) -> Exchange:
    questions, zh, answer = rng.choice(_dialogues())
    question = expand(rng, rng.choice(questions))
    if zh:
        return Exchange(
            phrase_zh(rng, question) if rng.random() < 0.5 else question, answer, "闲聊，简单回答即可。", True
        )
    return Exchange(phrase_en(rng, question), answer, "Small talk. A short and friendly answer will do.")


UNKNOWN_EN = (
    "Who wrote {}?", "Who painted {}?", "When was {} born?", "What is the capital of {}?", "How high is {}?", "Who is {}?",
    "Where is {}?", "What happened in {}?", "How many people live in {}?", "Who invented the {}?", "What does {} taste like?",
    "Who is the president of {}?", "How far is it from {} to {}?", "Tell me about {}.", "What is the history of {}?", "Do you know {}?",
    "What is {}?", "How old is {}?", "Why is {} famous?", "Which film did {} make?",
)  # fmt: skip
UNKNOWN_ZH = (
    "{}是谁？", "{}是谁写的？", "{}的首都是哪里？", "{}在哪里？", "{}有多高？", "{}有多少人口？", "谁发明了{}？", "{}什么时候出生的？",
    "{}的历史是什么？", "你知道{}吗？", "{}好吃吗？", "从{}到{}有多远？", "介绍一下{}的文化", "{}为什么有名？", "{}有什么好玩的？",
)  # fmt: skip


def unknown(rng: random.Random) -> Exchange:
    """A question about the world: the model is too small to know it and says so."""
    zh = rng.random() < 0.4
    thing = [rng.choice((words.city, words.name))(rng, zh) for _ in range(2)]
    if rng.random() < 0.3 and not zh:
        thing[0] = f"{thing[0]} {words.made_up(rng).capitalize()}"
    if zh:
        user = rng.choice(UNKNOWN_ZH).format(*thing)
        return Exchange(
            user, "抱歉，这个我不知道。我很小，只熟悉这个项目。", "这超出我的知识，我应该如实说不知道。", True
        )
    user = rng.choice(UNKNOWN_EN).format(*thing)
    return Exchange(
        user,
        "Sorry, I do not know that. I am small and know little beyond this project.",
        "This is beyond what I know; I should say so.",
    )


NUMBERS_EN = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
NUMBERS_ZH = {1: "一", 2: "两", 3: "三", 4: "四", 5: "五", 6: "六", 7: "七", 8: "八"}


def listing(rng: random.Random) -> Exchange:
    if rng.random() < 0.25:
        name, sequence = rng.choice(words.SEQUENCES)
        if name.isascii():
            user = rng.choice(
                ("What are the {}?", "List the {}.", "Name the {}", "Tell me the {}", "Which are the {}?")
            )
            return Exchange(user.format(name), sequence + ".", "A list I know by heart.")
        user = rng.choice(("{}是什么？", "列出{}", "说出{}", "{}有哪些？"))
        return Exchange(user.format(name), sequence + "。", "这个列表我会背。", True)
    name = rng.choice(list(words.CATEGORIES))
    items, measure = words.CATEGORIES[name]
    count = rng.randint(1, 8)
    numbered = rng.random() < 0.4
    if name.isascii():
        chosen = items.split(", ")[:count]
        number = rng.choice((str(count), NUMBERS_EN[count]))
        style = " as a numbered list" if numbered else ""
        user = rng.choice(("List {n} {x}{s}.", "Name {n} {x}{s}", "Give me {n} {x}{s}.", "Tell me {n} {x}{s}", "{n} {x}{s} please", "Can you list {n} {x}{s}?"))  # fmt: skip
        user = user.format(n=number, x=name, s=style)
        answer = "\n".join(f"{i}. {x}" for i, x in enumerate(chosen, 1)) if numbered else ", ".join(chosen)
        return Exchange(user, answer, f"{count} {name}: {', '.join(chosen)}.")
    chosen = items.split("、")[:count]
    number = rng.choice((str(count), NUMBERS_ZH[count]))
    style = "，带编号" if numbered else ""
    user = rng.choice(
        ("列出{n}{m}{x}{s}", "说出{n}{m}{x}{s}。", "给我{n}{m}{x}{s}", "请列举{n}{m}{x}{s}", "举{n}{m}{x}的例子{s}")
    )
    answer = "\n".join(f"{i}. {x}" for i, x in enumerate(chosen, 1)) if numbered else "、".join(chosen)
    return Exchange(
        user.format(n=number, m=measure, x=name, s=style),
        answer,
        f"{count}{measure}{name}：{'、'.join(chosen)}。",
        True,
    )


def counting(rng: random.Random) -> Exchange:
    zh = rng.random() < 0.35
    first = 1 if rng.random() < 0.6 else rng.randint(0, 60)
    last = first + (rng.randint(2, 12) if rng.random() < 0.6 else rng.randint(5, 60))
    numbers = [str(n) for n in range(first, last + 1)]
    if rng.random() < 0.2:
        numbers.reverse()
        first, last = last, first
    answer = ", ".join(numbers)
    if zh:
        user = rng.choice(("从{}数到{}", "请从{}数到{}。", "数数：从{}到{}", "从 {} 数到 {}，可以吗？")).format(
            first, last
        )
        return Exchange(user, answer, f"从 {first} 数到 {last}。", True)
    user = rng.choice(("Count from {} to {}.", "count from {} to {}", "Please count from {} to {}", "Can you count from {} to {}?", "Say the numbers from {} to {}.")).format(first, last)  # fmt: skip
    return Exchange(user, answer, f"From {first} to {last}, one by one.")


def copying(rng: random.Random) -> Exchange:
    """Repeat, spell, quote: the skill that tool calls and recall live on."""
    zh = rng.random() < 0.4
    kind = rng.random()
    if kind < 0.3:
        text = " ".join(rng.choice(words.RARE) for _ in range(rng.randint(1, 6)))
    elif kind < 0.45:
        text = rng.choice((words.code(rng), words.made_up(rng), words.made_up_zh(rng)))
    elif kind < 0.6:
        text = " ".join(
            rng.choice((words.code, words.made_up, words.made_up_zh))(rng) for _ in range(rng.randint(2, 12))
        )
    else:
        text = words.sentence(rng, zh)
    if kind > 0.85 and text.replace(" ", "").isalpha() and text.isascii():
        word = text.split(" ")[0]
        user = rng.choice(("Spell {}.", "Spell the word {}", "How do you spell {}?")).format(word)
        return Exchange(user, "-".join(word), f"Letter by letter: {word}.")
    if zh:
        user = rng.choice(
            ("重复：{}", "请重复这句话：{}", "跟我说：{}", "原样输出：{}", "请说“{}”", "复述一遍：{}")
        ).format(text)
        return Exchange(user, text, "照样重复即可。", True)
    user = rng.choice(("Repeat after me: {}", "Say: {}", 'Say "{}"', "Please repeat: {}", "Echo this: {}", "Write exactly this: {}", "Repeat this text: {}")).format(text)  # fmt: skip
    return Exchange(user, text, "Just repeat the text.")


def translating(rng: random.Random) -> Exchange:
    english, chinese = rng.choice(words.TRANSLATIONS)
    if rng.random() < 0.5:
        user = rng.choice(
            (
                "What is {} in Chinese?",
                "Translate {} into Chinese.",
                'How do you say "{}" in Chinese?',
                "{}用中文怎么说？",
                "把 {} 翻译成中文",
            )
        )
        return Exchange(user.format(english), chinese, f"{english}: {chinese}.", "用" in user or "把" in user)
    user = rng.choice(
        (
            "What is {} in English?",
            "Translate {} into English.",
            "{}用英语怎么说？",
            "{}的英文是什么？",
            "把{}翻译成英文",
        )
    )
    return Exchange(user.format(chinese), english, f"{chinese}: {english}.", not user.isascii())


def picture(rng: random.Random) -> Exchange:
    english, emoji, chinese = rng.choice(words.PICTURES)
    if rng.random() < 0.4:
        user = rng.choice(("给我一个{}的表情", "发一个{}表情", "{}的 emoji 是什么？", "来个{}的表情符号")).format(
            chinese
        )
        return Exchange(user, emoji, f"{chinese}的表情是 {emoji}。", True)
    if rng.random() < 0.25:
        return Exchange(
            rng.choice(("What is {}?", "What does {} show?", "{}?")).format(emoji),
            f"{emoji} is {english}.",
            f"The emoji for {english}.",
        )
    user = rng.choice(("Send me an emoji of a {}.", "Show me a {} emoji", "What is the emoji for {}?", "Give me the {} emoji.", "emoji: {}")).format(english)  # fmt: skip
    return Exchange(user, emoji, f"The emoji for {english} is {emoji}.")


KEYS = "name age city colour job count price title country status size date level score owner kind".split()


def as_json(rng: random.Random) -> Exchange:
    """Facts from a sentence, as JSON with the keys asked for."""
    keys = rng.sample([*KEYS, words.made_up(rng), words.made_up(rng)], rng.randint(1, 4))
    values: dict[str, str | int] = {}
    for key in keys:
        values[key] = (
            rng.randint(0, 999) if key in ("age", "count", "price", "size", "level", "score") else words.name(rng)
        )
    told = rng.sample(keys, len(keys))
    facts = ", ".join(f"{key} {rng.choice(('is', '=', ':'))} {values[key]}" for key in told)
    user = rng.choice(
        (
            "Answer in JSON with the keys {k}: {f}.",
            "Write this as JSON ({k}): {f}",
            "As a JSON object with {k}: {f}",
            "用 JSON 输出（{k}）：{f}",
        )
    )
    user = user.format(k=", ".join(keys), f=facts)
    return Exchange(
        user, json.dumps(values, ensure_ascii=False), f"The keys are {', '.join(keys)}.", not user.isascii()
    )


def drill(rng: random.Random) -> Exchange:
    """Names and values of random pieces, into JSON or repeated: short, and most of it to be copied."""

    def piece() -> str:
        parts = [
            rng.choice((words.shreds, words.shreds, words.made_up_zh, words.made_up))(rng)
            for _ in range(rng.choice((1, 1, 2, 3)))
        ]
        return rng.choice(("", "_", "_", ".", "-", " ")).join(
            part.capitalize() if rng.random() < 0.2 else part for part in parts
        )

    if rng.random() < 0.3:
        text = " ".join(piece() for _ in range(rng.randint(1, 5)))
        return Exchange(
            rng.choice(("Say: {}", "Repeat after me: {}", "Copy: {}", "重复：{}")).format(text),
            text,
            "Just repeat the text.",
        )
    pairs = {
        piece(): rng.choice((piece(), piece(), words.code(rng), rng.randint(0, 99999)))
        for _ in range(rng.randint(1, 4))
    }
    told = rng.sample(list(pairs), len(pairs))
    link = rng.choice((" is ", ": ", " = ", "是", "为"))
    user = rng.choice(("As JSON: {}", "Answer in JSON: {}", "JSON please: {}", "用 JSON 输出：{}")).format(
        ", ".join(f"{key}{link}{pairs[key]}" for key in told)
    )
    return Exchange(
        user, json.dumps({key: pairs[key] for key in told}, ensure_ascii=False), "Every key with its value."
    )


def lookup(rng: random.Random) -> Exchange:
    """Find a value by its key in a heap of others."""
    zh = rng.random() < 0.35
    count = rng.randint(2, 12)
    makers = (
        words.made_up,
        words.code,
        words.made_up_zh,
        lambda rng: rng.choice(words.COMMON),
        lambda rng: str(rng.randint(0, 9999)),
    )
    keys = list({rng.choice(makers[:4])(rng): None for _ in range(count)})
    values = [rng.choice(makers)(rng) for _ in keys]
    link = rng.choice((": ", " = ", " is ", " -> ", "："))
    heap = rng.choice((", ", "; ", "\n", " | ")).join(
        key + link + value for key, value in zip(keys, values, strict=True)
    )
    at = rng.randrange(len(keys))
    if rng.random() < 0.2:
        ask, answer = (
            ("{}对应哪个名称？" if zh else "Which key has the value {}?").format(values[at]),
            keys[values.index(values[at])],
        )
    else:
        frames = (
            ("{}是什么？", "{}的值是多少", "{}对应什么？")
            if zh
            else ("What is {}?", "What is the value of {}?", "{}?", "Tell me {}.", "Look up {}")
        )
        ask, answer = rng.choice(frames).format(keys[at]), values[at]
    user = rng.choice((f"{heap}\n{ask}", f"{heap}. {ask}", f"{ask}\n{heap}"))
    return Exchange(user, answer, f"{keys[at]}: {values[at]}.", zh)
