"""Kinds of functions in everyday words: a template of everyday.txt filled with words of lexicon.txt is a `Function`.

The request, the schema and the other language may each say the same thing in another word of one meaning, so that what is learned is
to find the function and the values of a sentence, not to match its letters. Knows nothing of conversations.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seedling.facts import expand
from seedling.functions import Function, parse

HERE = Path(__file__).parent
SLOT = re.compile(r"\[(\w+?)(2?)('?)\]")


@dataclass(frozen=True, slots=True)
class Word:
    """One thing in both languages; the adjectives are empty where there are none."""

    en: tuple[str, ...]
    zh: tuple[str, ...]
    adjectives_en: tuple[str, ...] = ()
    adjectives_zh: tuple[str, ...] = ()


@cache
def lexicon() -> dict[str, tuple[Word, ...]]:
    table: dict[str, tuple[Word, ...]] = {}
    for line in (HERE / "lexicon.txt").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        kind, _, entries = line.partition(": ")
        words = []
        for entry in entries.split(", "):
            english, chinese = entry.split("=")
            (en, _, en_adjectives), (zh, _, zh_adjectives) = english.partition(";"), chinese.partition(";")
            words.append(
                Word(
                    tuple(en.strip().split("|")),
                    tuple(zh.split("|")),
                    tuple(filter(None, re.split(r"[|,]", en_adjectives))),
                    tuple(filter(None, zh_adjectives.split("|"))),
                )
            )
        table[kind] = tuple(words)
    return table


@cache
def templates() -> tuple[tuple[bool, str], ...]:
    """(whether it is a single function, its block) of everyday.txt."""
    blocks = re.split(r"^@ ", (HERE / "everyday.txt").read_text("utf-8"), flags=re.M)[1:]
    return tuple((block.startswith("* "), block.removeprefix("* ").strip()) for block in blocks)


def draw(rng: random.Random, like: str = "") -> Function:
    """A function of some kind; `like` is the block that it is to be made from."""
    block = like
    if not block:
        blocks = templates()
        block = rng.choices([b for _, b in blocks], [1 if single else 2.5 for single, _ in blocks])[0]
    chosen: dict[str, Word] = {}
    for kind, second, _ in SLOT.findall(block):
        if kind + second not in chosen:
            words = [w for w in lexicon()[kind] if w is not chosen.get(kind) and w is not chosen.get(kind + "2")]
            chosen[kind + second] = rng.choice(words)
    return _filled(rng, block, chosen)


def single(rng: random.Random) -> tuple[Function, ...]:
    """The functions of the file that are not kinds of functions."""
    return tuple(_filled(rng, block, {}) for alone, block in templates() if alone)


def _filled(rng: random.Random, block: str, chosen: dict[str, Word]) -> Function:
    def say(text: str, zh: bool = False, name: bool = False) -> str:
        def word(slot: re.Match[str]) -> str:
            entry = chosen[slot[1] + slot[2]]
            adjectives = entry.adjectives_zh if zh else entry.adjectives_en
            # A name is made of the first word mostly: people call functions by the usual one.
            choices = adjectives if slot[3] and adjectives else entry.zh if zh else entry.en
            picked = choices[0] if name and rng.random() < 0.6 else rng.choice(choices)
            return re.sub(r"\W", "_", picked) if name else picked

        return SLOT.sub(word, text)

    head, *lines = block.splitlines()
    rows = ["@ " + say(head, name=True)]
    slots: list[str] = []
    for line in lines:
        kind, text = line[0], line[2:]
        if kind == "p":
            left, description = text.split(" = ")
            spelled, value = left.split(" ", 1)
            aliases = list(dict.fromkeys(say(part, name=True) for part in spelled.split(",")))
            aliases = [a for a in aliases if a not in slots] or [f"{aliases[0]}_{len(slots)}"]
            slots.append(aliases[0])
            rows.append(f"p {','.join(aliases)} {expand(rng, value)} = {say(expand(rng, description)).strip()}")
        elif kind == "d":
            said = say(expand(rng, text))
            rows.append("d " + said[:1].upper() + said[1:])
        else:
            rows.append(f"{kind} {say(text, zh=kind in 'zc')}")
    filled = "\n".join(rows)
    for number, slot in enumerate(slots, 1):
        filled = filled.replace(f"${number}", f"<{slot}>")
    return parse(filled.removeprefix("@ "), block)
