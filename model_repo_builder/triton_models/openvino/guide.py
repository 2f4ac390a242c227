"""A guide: what an answer is held to, and which guides are refused before anything compiles them.

Guide types are TensorRT-LLM's: ``json`` (any JSON object; it has no text), ``json_schema``, ``regex``,
``ebnf_grammar`` (its root rule is called root) and ``structural_tag`` (xgrammar's JSON, which puts the others
in sequence, between tags or after triggers).

Refused here is what need not be tried. Whether the rest compiles, ``grammar`` finds out.

It is pure. It must not know tensors, OpenVINO or Triton.
"""

import json
from dataclasses import dataclass
from typing import Any

from .json_schema import SchemaError, held

TYPES = ("json", "json_schema", "regex", "ebnf_grammar", "structural_tag")

LARGEST = 64 * 1024
"""Characters of a guide."""
DEEPEST = 64
"""Levels of brackets."""


class GuideError(Exception):
    """The guide cannot be used; the text goes on after "guided_decoding_guide"."""


@dataclass(frozen=True, slots=True)
class Guide:
    type: str
    text: str


def checked(type: str, text: str) -> Guide:
    """The guide as it is to be compiled; GuideError for what need not be tried."""
    if type == "json":
        return Guide(type, "")
    if not text:
        raise GuideError(f"is empty: {type} needs one")
    if len(text) > LARGEST:
        raise GuideError(f"has {len(text)} characters: the most is {LARGEST}")
    if "\0" in text:
        raise GuideError("has a NUL character: take it out")
    if _depth(text) > DEEPEST:
        raise GuideError(f"is nested deeper than {DEEPEST} levels: make it flatter")
    if type not in ("json_schema", "structural_tag"):
        return Guide(type, text)
    document = _document(text)
    try:
        document = held(document) if type == "json_schema" else _held_in_tag(document)
    except SchemaError as error:
        raise GuideError(str(error)) from None
    return Guide(type, json.dumps(document, ensure_ascii=False))


def _depth(text: str) -> int:
    """How deep brackets nest, those in strings counted too: more than enough for what a person writes."""
    depth = deepest = 0
    for letter in text:
        if letter in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in ")]}":
            depth = max(depth - 1, 0)
    return deepest


def _document(text: str) -> Any:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise GuideError(f"is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise GuideError("is no JSON object")
    return document


def _held_in_tag(format: Any) -> Any:
    """A structural tag with every JSON schema in it made so that it holds."""
    if isinstance(format, list):
        return [_held_in_tag(each) for each in format]
    if not isinstance(format, dict):
        return format
    if format.get("type") == "qwen_xml_parameter" and _has_no_properties(format.get("json_schema")):
        return {
            "type": "grammar",
            "grammar": 'root ::= ""',
        }  # of no parameters the compiler makes a grammar that it cannot read
    return {name: held(value) if name == "json_schema" else _held_in_tag(value) for name, value in format.items()}


def _has_no_properties(schema: Any) -> bool:
    return isinstance(schema, dict) and not schema.get("properties") and not {"$ref", "anyOf", "allOf"} & set(schema)
