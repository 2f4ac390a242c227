"""The hand-written questions and answers of facts/, and how a question is worded.

A fact file is a list of blocks. `@ name` opens one; `e`/`z` are English/Chinese questions for training, `E`/`Z` phrasings that
only the evaluation sees, `a`/`c` the answers, `k`/`K` the words an answer must contain (K: in Chinese, else as k; ` & ` joins).
In questions `{x|y}` is a choice and `$H`, `$W`, `$S`, `$h`, `$w`, `$s` are the choices below.
glossary.txt holds one term per line, asked for in the frames below. keywords.txt holds the words people use for each fact.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent / "facts"
PARAMS = "11"  # millions; the model says it of itself

MACROS = {
    "$H": "{how do i|how can i|how to|how would i|how does one|what is the way to|how should i|can you tell me how to}",
    "$W": "{what is|what's|explain|tell me about|describe|what do you mean by}",
    "$S": "{start|run|launch|bring up}",
    "$h": "{怎么|如何|怎样|要怎么|该怎么}",
    "$w": "{介绍一下|说说|解释一下|讲讲}",
    "$s": "{启动|运行|跑|开启}",
}
TERM_EN = (
    "what is {}", "what's {}", "what does {} mean", "explain {}", "explain {} to me", "define {}", "tell me about {}",
    "what do you know about {}", "what is meant by {}", "{}", "can you explain {}", "what is {} in simple words", "describe {}",
    "i do not know what {} is", "what is the meaning of {}", "could you say in one sentence what {} is", "what is {} for", "what is {} good for",
    "i keep hearing about {}, what is that", "{}, what is that", "what does the word {} stand for", "give me a definition of {}",
    "what might {} be", "{} explained briefly", "explain {} briefly", "in two words: {}", "how would you describe {}", "how do you define {}",
    "could you explain to a beginner what {} is", "what kind of thing is {}", "is {} something important", "remind me what {} means",
    "in short, what is {}", "put simply, what would you call {}", "in a few words, what may {} be", "roughly, what would {} mean", "in plain words, what does {} do",
    "to sum it up, {}", "what, in one line, is {}", "for a layman, what would {} be", "what would you say {} is", "short version: what is {}", "all in all, what is {}",
)  # fmt: skip
TERM_ZH = (
    "什么是{}", "{}是什么", "{}是什么意思", "解释一下{}", "介绍一下{}", "{}", "说说{}", "{}是啥", "请解释{}", "能解释一下{}吗",
    "我不懂{}", "{}指的是什么", "讲讲{}", "给我讲一下{}到底是什么东西", "经常听说{}，那是什么", "{}有什么用", "{}这个词是什么意思", "{}是用来干什么的", "{}是什么东西", "{}是做啥的", "什么叫{}", "{}怎么理解", "有人知道{}是什么吗", "{}是用来做什么的",
    "简单解释{}", "{}是个什么概念", "提醒我一下{}是什么", "谁能说说{}是什么", "谁知道{}是做什么用的", "哪位能讲讲{}", "能告诉我{}干什么吗", "告诉我{}是什么",
    "{}到底是什么", "{}大概是什么", "具体说说{}", "{}究竟是什么意思",
)  # fmt: skip
TERM_EN_HELD = ("in a nutshell, what would {} be", "what exactly is {}")
TERM_ZH_HELD = ("谁能告诉我{}是做什么的", "{}具体是什么")

# What people say around a question without changing it.
AROUND_EN = (
    "could you say in one sentence {}", "i would like to know {}", "my colleague asks {}", "for my notes: {}", "just to be sure, {}",
    "we are new to this; {}", "{} in one sentence", "{} in a few words", "{}, i could not find it", "next topic: {}", "my boss wants to know {}",
    "i keep hearing about this, {}", "let me ask: {}", "i read the readme, but {}", "a friend asks: {}", "tell me please, {}", "is it known {}",
    "today i want to find out {}", "i forgot {}", "do you happen to know {}", "{} in your own words", "last question: {}", "{} right now",
)  # fmt: skip
AROUND_ZH = (
    "用一句话说说{}", "同事问{}", "简单来说，{}", "{}，我没找到", "顺便问一下，{}", "我刚接触，{}", "能不能告诉我{}", "想确认一下{}", "{}，说简单点",
    "老板想知道{}", "最后一个问题：{}", "我忘了{}", "你知道{}吗", "给我讲一下{}", "再问一个：{}", "看了文档还是不懂，{}", "直接告诉我{}", "到底{}",
)  # fmt: skip
KEYWORDS_EN = (
    "{}",
    "{}",
    "how about {}",
    "what about {}",
    "something about {}",
    "tell me about {}",
    "which {}",
    "what is {}",
    "how {}",
    "is {}",
    "can i {}",
)
KEYWORDS_ZH = ("{}", "{}", "关于{}", "{}的问题", "说说{}", "请问{}", "{}是什么", "{}怎么办", "怎么{}", "什么{}", "{}吗")
SMALL_WORDS = frozenset(
    "a an the is are do does did i me my you your it its this that of to in on for with and or be can could how what which where when if please "
    "there here should would will have has get tell know want need".split()
)
SMALL_ZH = re.compile("的|了|吗|呢|我|你|请|一下|那个|这个|可以|怎么|是")

OPENERS_EN = (
    "Hi! ", "Hello, ", "Hey, ", "Quick question: ", "Please tell me: ", "One question: ", "Excuse me, ", "OK, ", "So, ",
    "Good morning. ", "I have a question: ", "Please: ", "And ", "Sorry, ", "Thanks. ", "Now: ", "I wonder, ",
)  # fmt: skip
CLOSERS_EN = (
    " please",
    " please?",
    "? Thanks!",
    "? Thank you.",
    "??",
    " exactly?",
    "? I am new here.",
    "! Please help.",
    "?\n",
)
OPENERS_ZH = (
    "请问",
    "你好，",
    "您好，",
    "我想知道",
    "麻烦问一下，",
    "请教一下，",
    "那么，",
    "嗨，",
    "想问问",
    "好的，",
    "谢谢。",
)
CLOSERS_ZH = ("呢？", "呀？", "？谢谢", "？谢谢！", "啊", "，请说明。", "？？", " ？", "，麻烦了")


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    en_held: tuple[str, ...]
    zh_held: tuple[str, ...]
    answer_en: str
    answer_zh: str
    keys_en: tuple[str, ...]
    keys_zh: tuple[str, ...]
    words_en: tuple[str, ...] = ()
    words_zh: tuple[str, ...] = ()


def expand(rng: random.Random, pattern: str) -> str:
    """One random wording of a question pattern."""
    for macro, choices in MACROS.items():
        pattern = pattern.replace(macro, choices)
    while (match := re.search(r"\{([^{}]*)\}", pattern)) is not None:
        pattern = pattern[: match.start()] + rng.choice(match[1].split("|")) + pattern[match.end() :]
    return re.sub(r" +", " ", pattern).strip()


def phrase_en(rng: random.Random, question: str) -> str:
    """Give a bare English question a case, an opener, an ending and now and then a slip."""
    if rng.random() < 0.12:
        question = _slip(rng, question)
    roll = rng.random()
    if roll < 0.15:
        question = rng.choice(OPENERS_EN) + question
    elif roll < 0.75:
        question = question[:1].upper() + question[1:]
    roll = rng.random()
    if roll < 0.55:
        return question + "?"
    if roll < 0.7:
        return question + rng.choice(CLOSERS_EN)
    if roll < 0.75:
        return question + "."
    return question


def phrase_zh(rng: random.Random, question: str) -> str:
    if rng.random() < 0.05:
        question = _slip(rng, question)
    if rng.random() < 0.25:
        question = rng.choice(OPENERS_ZH) + question
    roll = rng.random()
    if roll < 0.5:
        return question + "？"
    if roll < 0.6:
        return question + "?"
    if roll < 0.75:
        return question + rng.choice(CLOSERS_ZH)
    return question


@cache
def held_questions() -> frozenset[str]:
    """What only the evaluation asks, folded."""
    return frozenset(_fold(question) for fact in load() for question in (*fact.en_held, *fact.zh_held))


def _fold(question: str) -> str:
    return question.casefold().replace(" ", "")


def ask_en(rng: random.Random, fact: Fact) -> str:
    """A way to ask for a fact: as written, loosened, put into other words around it, or as a few keywords."""
    roll = rng.random()
    if fact.words_en and roll < 0.25:
        chosen = rng.sample(fact.words_en, min(len(fact.words_en), rng.choice((2, 3, 3, 4))))
        filler = rng.sample(sorted(SMALL_WORDS), rng.randint(0, 4))
        pieces = chosen + filler
        if rng.random() < 0.5:
            rng.shuffle(pieces)
        question = rng.choice(KEYWORDS_EN).format(" ".join(pieces))
        return ask_en(rng, fact) if _fold(question) in held_questions() else phrase_en(rng, question)
    question = expand(rng, rng.choice(fact.en))
    if _fold(question) in held_questions():
        return ask_en(rng, fact)
    if roll < 0.45:
        kept = [w for w in question.split(" ") if w not in SMALL_WORDS or rng.random() < 0.5]
        question = " ".join(kept) if len(kept) > 1 else question
    if rng.random() < 0.2:
        question = rng.choice(AROUND_EN).format(question)
    return phrase_en(rng, question)


def ask_zh(rng: random.Random, fact: Fact) -> str:
    roll = rng.random()
    if fact.words_zh and roll < 0.25:
        chosen = rng.sample(fact.words_zh, min(len(fact.words_zh), rng.randint(2, 3)))
        joiner = rng.choice(("", "", "的", " ", "，", "怎么", "是"))
        question = rng.choice(KEYWORDS_ZH).format(joiner.join(chosen))
        return ask_zh(rng, fact) if _fold(question) in held_questions() else phrase_zh(rng, question)
    question = expand(rng, rng.choice(fact.zh))
    if _fold(question) in held_questions():
        return ask_zh(rng, fact)
    if roll < 0.45:
        loose = SMALL_ZH.sub(lambda m: m[0] if rng.random() < 0.5 else "", question)
        question = loose if len(loose) > 2 else question
    if rng.random() < 0.2:
        question = rng.choice(AROUND_ZH).format(question)
    return phrase_zh(rng, question)


def _slip(rng: random.Random, text: str) -> str:
    """A letter lost, doubled or swapped, or a word left out."""
    words = text.split(" ")
    if len(words) > 4 and rng.random() < 0.5:
        del words[rng.randrange(len(words))]
        return " ".join(words)
    at = rng.randrange(max(1, len(text) - 1))
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at : at + 1] + text[at:]
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def _keys(line: str) -> tuple[str, ...]:
    return tuple(key.strip().replace("{params}", PARAMS) for key in line.split(" & "))


def _keywords() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    table = {}
    for line in (HERE / "keywords.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(": ")
            english, _, chinese = rest.partition(" / ")
            table[name] = tuple(english.split()), tuple(chinese.split())
    return table


def _blocks(text: str) -> list[Fact]:
    facts = []
    words = _keywords()
    for block in re.split(r"^@ ", text, flags=re.M)[1:]:
        name, *lines = block.strip().splitlines()
        rows: dict[str, list[str]] = {kind: [] for kind in "ezEZackK"}
        for line in lines:
            if line.strip() and not line.startswith("#"):
                rows[line[0]].append(line[2:].strip().replace("{params}", PARAMS))
        keys = _keys(rows["k"][0])
        facts.append(
            Fact(
                name=name.strip(),
                en=tuple(rows["e"]),
                zh=tuple(rows["z"]),
                en_held=tuple(rows["E"]),
                zh_held=tuple(rows["Z"]),
                answer_en=rows["a"][0],
                answer_zh=rows["c"][0],
                keys_en=keys,
                keys_zh=_keys(rows["K"][0]) if rows["K"] else keys,
                words_en=words[name.strip()][0],
                words_zh=words[name.strip()][1],
            )
        )
    return facts


def _terms(text: str) -> list[Fact]:
    facts = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        term, english, chinese, keys = (part.strip() for part in line.split(" = "))
        names = [name.strip() for name in term.split("|")]
        keys_en, _, keys_zh = keys.partition(" / ")
        latin = [name for name in names if name.isascii()]
        facts.append(
            Fact(
                name=f"term {names[0]}",
                en=tuple(frame.replace("{}", name) for name in latin for frame in TERM_EN),
                zh=tuple(frame.replace("{}", _spaced(name)) for name in names for frame in TERM_ZH),
                en_held=tuple(frame.replace("{}", names[0]) for frame in TERM_EN_HELD),
                zh_held=tuple(frame.replace("{}", _spaced(names[-1])) for frame in TERM_ZH_HELD),
                answer_en=english,
                answer_zh=chinese,
                keys_en=_keys(keys_en),
                keys_zh=_keys(keys_zh or keys_en),
            )
        )
    return facts


def _spaced(name: str) -> str:
    return f" {name} " if name.isascii() else name


@cache
def load() -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for name in ("product", "behaviour", "self"):
        facts += _blocks((HERE / f"{name}.txt").read_text("utf-8"))
    return tuple(facts + _terms((HERE / "glossary.txt").read_text("utf-8")))


@cache
def own() -> frozenset[str]:
    """The names of the facts about the model itself."""
    return frozenset(fact.name for fact in _blocks((HERE / "self.txt").read_text("utf-8")))


def says(answer: str, keys: tuple[str, ...]) -> bool:
    """Whether an answer holds every key; `a|b` accepts either."""
    folded = answer.casefold()
    return all(any(choice.casefold() in folded for choice in key.split("|")) for key in keys)
