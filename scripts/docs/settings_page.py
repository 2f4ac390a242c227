"""reference/settings.md: every key of gateway.toml, from the dataclasses that it is read into.

Meanings are the comments beside the fields. Ranges are what the dataclasses themselves answer to wrong values, so that
neither can differ from what the gateway does.
"""

from __future__ import annotations

import ast
import inspect
import io
import math
import re
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from gateway.core.errors import SettingsError
from gateway.settings import PARTS
from gateway.settings.models import EmbeddingSettings, ModelSettings
from scripts.docs.table import code, table

ARRAYS: dict[str, tuple[type, dict[str, Any]]] = {
    "[[models]]": (ModelSettings, {"name": "qwen", "tokenizer": "folder"}),
    "[[embeddings]]": (EmbeddingSettings, {"name": "vectors", "triton_model": "vectors"}),
}
INTRODUCTION = """\
# Settings

Every key of `gateway.toml`. Later wins: what stands here as default, the file, the environment, flags of
[`gateway serve`](commands.md#gateway-serve). A variable of the environment is `GATEWAY_TABLE_KEY`
(`GATEWAY_BALANCE_MAX_REQUESTS`), and for `[server]` `GATEWAY_KEY` (`GATEWAY_PORT`); lists and tables are set in the file only. A
key that nobody knows, or a value that cannot work, stops the start with a sentence that names it.

[Reload](../guides/operate.md#change-settings-while-it-serves) takes up `[[models]]` and `[[embeddings]]`; the other tables are read
at the start.

"""
_WRONG: dict[str, tuple[Any, ...]] = {
    "int": (-1, 10**15),
    "float": (-1.0, 1e15, math.nan, 1e-9),
    "str": ("?",),
    "tuple[str": (("?",),),
    "tuple[int": ((-1,),),
}
_CLAUSE = re.compile(r"must (?P<what>(?:not )?be .+?|be .+?)(?:, not [^,.]*(?:\.\d+)?)?\.(?:\s|$)")
_OPENED = re.compile(r"only these can be opened: (?P<what>.+?)\. ")
_POWER = re.compile(r"\d(?:\.\d+)?e\+\d+")


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for name, (cls, base) in ARRAYS.items():
        parts.append(section(name, cls, base))
    for name, cls in PARTS.items():
        base = {"file": "keys.toml"} if name == "keys" else {}
        parts.append(section(f"[{name}]", cls, base))
    return "\n".join(parts)


def section(name: str, cls: type, base: Mapping[str, Any]) -> str:
    """One table of the file."""
    said = meanings(cls)
    rows = [
        (code(item.name), kind(item), default(item), allowed(cls, item, base), said.get(item.name, ""))
        for item in fields(cls)
    ]
    about = (inspect.getdoc(cls) or "").replace("``", "`").replace("<", "&lt;")
    return f"## `{name}`\n\n{about}\n\n" + table(("key", "type", "default", "allowed", "meaning"), rows)


def meanings(cls: type) -> dict[str, str]:
    """The comment beside each field of a dataclass."""
    source = textwrap.dedent(inspect.getsource(cls))
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    [body] = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            said = " ".join(comments[line] for line in lines if line in comments)
            found[node.target.id] = said.replace("; None:", "; none:")
    return found


def kind(item: Field[Any]) -> str:
    """The type of a key, in TOML's words."""
    name = str(item.type).partition(" |")[0]
    words = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false"}
    if name.startswith("tuple[str"):
        return "text, or a list of texts"
    if name.startswith("tuple[int"):
        return "list of whole numbers"
    return words.get(name, "table")


def default(item: Field[Any]) -> str:
    """As one would write it in the file."""
    value: Any = item.default
    if value is MISSING:
        if item.default_factory is MISSING:
            return "needed"
        value = item.default_factory()
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, str):
        return code(f'"{value}"')
    if isinstance(value, tuple):
        return code("[" + ", ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in value) + "]")
    return code("{}") if isinstance(value, dict) else code(str(value))


def allowed(cls: type, item: Field[Any], base: Mapping[str, Any]) -> str:
    """What the dataclass says of wrong values. Empty where it takes any of the type."""
    clauses: list[str] = []
    for value in wrong(item):
        try:
            cls(**{**base, item.name: value})
        except SettingsError as error:
            match = _OPENED.search(error.message) or _CLAUSE.search(error.message)
            what = match["what"].removeprefix("be ").replace("not be ", "not ") if match else error.message.rstrip(".")
            what = _POWER.sub(lambda power: f"{float(power[0]):.0f}", what)
            if what not in clauses:
                clauses.append(what)
    return "; ".join(clauses)


def wrong(item: Field[Any]) -> Iterator[Any]:
    name = str(item.type)
    for start, values in _WRONG.items():
        if name.startswith(start):
            yield from values
