"""Functions a model may be asked to call: how one is described, and the hand-written ones of functions.txt, as JSON schemas with values.

Knows how a person asks for a hand-written function; knows nothing of chat templates.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seedling import words

Value = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    optional: bool
    text: str

    def schema(self) -> dict[str, Any]:
        base, _, choices = self.kind.partition(":")
        json_type = {"int": "integer", "number": "number", "float": "number", "bool": "boolean", "list": "array"}.get(
            base, "string"
        )
        schema: dict[str, Any] = {"type": json_type}
        if base == "list":
            schema["items"] = {"type": "string"}
        if choices:
            schema["enum"] = choices.split("|")
        return schema


@dataclass(frozen=True, slots=True)
class Function:
    names: tuple[str, ...]
    text: str
    parameters: tuple[Parameter, ...]
    aliases: tuple[tuple[str, ...], ...]
    ask_en: tuple[str, ...]
    ask_zh: tuple[str, ...]
    result: tuple[tuple[str, str], ...] = ()
    reply_en: str = ""
    reply_zh: str = ""
    held_out: bool = False
    template: str = ""


@cache
def written() -> tuple[Function, ...]:
    """The functions of functions.txt."""
    text = (Path(__file__).parent / "functions.txt").read_text("utf-8")
    return tuple(parse(block) for block in re.split(r"^@ ", text, flags=re.M)[1:])


@cache
def taught() -> tuple[Function, ...]:
    return tuple(function for function in written() if not function.held_out)


@cache
def held_names() -> frozenset[str]:
    """The names that only the evaluation's hand-written functions have."""
    return frozenset(name for function in written() if function.held_out for name in function.names)


def parse(block: str, template: str = "") -> Function:
    """One block of functions.txt, without its `@`. What it answers to a result may be missing."""
    head, *lines = block.strip().splitlines()
    names = head.split()
    rows: dict[str, list[str]] = {kind: [] for kind in "dpezrac"}
    for line in lines:
        if line.strip():
            rows[line[0]].append(line[2:].strip())
    parameters, aliases = [], []
    for row in rows["p"]:
        left, text = row.split(" = ")
        spelled, kind = left.split(" ", 1)
        spellings = tuple(spelled.split(","))
        parameters.append(Parameter(spellings[0], kind.rstrip("?"), kind.endswith("?"), text))
        aliases.append(spellings)
    return Function(
        names=tuple(n for n in names if n != "x"),
        text=rows["d"][0],
        parameters=tuple(parameters),
        aliases=tuple(aliases),
        ask_en=tuple(rows["e"]),
        ask_zh=tuple(rows["z"]),
        result=tuple((f.split()[0], f.split()[1]) for f in rows["r"][0].split(" / ")) if rows["r"] else (),
        reply_en=rows["a"][0] if rows["a"] else "",
        reply_zh=rows["c"][0] if rows["c"] else "",
        held_out=names[0] == "x",
        template=template,
    )


def draw_value(rng: random.Random, kind: str, zh: bool) -> Value:
    base, _, choices = kind.partition(":")
    if choices:
        return rng.choice(choices.split("|"))
    if base == "int":
        return rng.randint(1, 12) if rng.random() < 0.4 else rng.randint(0, 10 ** rng.randint(1, 5))
    if base in ("number", "float"):
        return rng.randint(1, 999) if rng.random() < 0.5 else round(rng.uniform(0, 500), rng.choice((1, 2)))
    if base == "bool":
        return rng.random() < 0.5
    if base == "list":
        return [words.name(rng, zh) if rng.random() < 0.5 else words.made_up(rng) for _ in range(rng.randint(1, 3))]
    if base == "city":
        return words.city(rng, zh)
    if base in ("person", "name"):
        return words.name(rng, zh) + (f" {words.name(rng)}" if not zh and rng.random() < 0.2 else "")
    if base == "phrase":
        return words.sentence(rng, zh)
    if base == "word":
        if rng.random() < 0.5:
            return (words.made_up_zh if zh else words.made_up)(rng)
        return rng.choice(words.TRANSLATIONS)[1] if zh else rng.choice(words.COMMON)
    return _formal(rng, base)


def _formal(rng: random.Random, kind: str) -> str:
    """Values written the same way in every language."""
    if kind == "date":
        return f"20{rng.randint(20, 39)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    if kind == "clock":
        return f"{rng.randint(0, 23):02}:{rng.choice((0, 5, 10, 15, 20, 30, 45, 50)):02}"
    if kind == "ticker":
        return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(2, 5)))
    if kind == "currency":
        return rng.choice(("USD", "EUR", "CNY", "JPY", "GBP", "CHF", "INR", "CAD", "AUD", "KRW"))
    if kind == "language":
        return rng.choice(("English", "Chinese", "French", "German", "Spanish", "Japanese", "Korean", "Italian"))
    if kind == "email":
        return f"{words.made_up(rng)}{rng.choice(('', '.', '_'))}{words.made_up(rng)}@{words.made_up(rng)}.{rng.choice(('com', 'org', 'net', 'cn', 'de'))}"
    if kind == "path":
        return f"{rng.choice(('', '/', './', '/tmp/', 'data/'))}{words.made_up(rng)}.{rng.choice(('txt', 'csv', 'json', 'png', 'md', 'log'))}"
    if kind == "host":
        return f"{words.made_up(rng)}.{words.made_up(rng)}.{rng.choice(('com', 'net', 'local'))}"
    if kind == "formula":
        return f" {rng.choice('+-*/')} ".join(str(rng.randint(1, 9999)) for _ in range(rng.randint(2, 4)))
    return words.code(rng)


def describe(
    rng: random.Random,
    name: str,
    text: str,
    parameters: tuple[Parameter, ...],
    opaque: bool = False,
    labelled: bool = False,
) -> dict[str, Any]:
    """A function as clients write it: the same content with the freedom that real clients take. An opaque name needs its text,
    and so do parameters that the request calls by their label."""
    properties = {}
    for parameter in parameters:
        schema = parameter.schema()
        if parameter.text and (labelled or rng.random() < 0.75):
            schema["description"] = parameter.text
            if rng.random() < 0.2:
                schema = {"description": schema.pop("description"), **schema}
        properties[parameter.name] = schema
    body: dict[str, Any] = {"type": "object", "properties": properties}
    required = [p.name for p in parameters if not p.optional]
    if required or rng.random() < 0.3:
        body["required"] = required
    if rng.random() < 0.15:
        body["additionalProperties"] = False
    function: dict[str, Any] = {"name": name}
    if opaque or rng.random() < 0.9:
        function["description"] = text
    function["parameters"] = body
    if rng.random() < 0.1:
        function["strict"] = True
    return {"type": "function", "function": function}
