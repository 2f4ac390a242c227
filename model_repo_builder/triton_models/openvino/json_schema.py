"""A JSON schema → one that the grammar compiler holds an answer to, or an error that names what it would not.

The compiler (xgrammar, as of openvino-genai 2026.4.1) reads the first thing it knows of a schema and drops the
rest without a word: bounds beside ``enum``, everything beside ``anyOf`` or ``$ref``, names that are required but
not described. And a string with a length or a pattern may come out with quotes and line breaks in it, which
ends it. What can be said in other words is rewritten here, narrower where it has to be; the rest is refused: an
answer that breaks the schema is worse than none.

It is pure: it knows JSON Schema and these habits. It must not know guides, tensors or OpenVINO.
"""

import re
from typing import Any

DEEPEST = 64
"""Levels of schemas in schemas."""

ANNOTATIONS = frozenset(
    [
        "title",
        "description",
        "default",
        "examples",
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
        "deprecated",
        "readOnly",
        "writeOnly",
        "discriminator",
        "nullable",
        "strict",
        "contentEncoding",
        "contentMediaType",
    ]
)

OF_TYPE = {
    "object": frozenset(
        [
            "properties",
            "required",
            "additionalProperties",
            "unevaluatedProperties",
            "minProperties",
            "maxProperties",
            "patternProperties",
        ]
    ),
    "array": frozenset(["items", "prefixItems", "additionalItems", "minItems", "maxItems"]),
    "string": frozenset(["minLength", "maxLength", "pattern", "format"]),
    "integer": frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"]),
    "number": frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"]),
    "boolean": frozenset(),
    "null": frozenset(),
}
"""Keywords that mean something for a value of that type, and that the compiler knows."""

WHOLE = ("$ref", "anyOf", "oneOf", "allOf", "enum", "const")
"""Keywords beside which the compiler reads no other."""

PYTHON = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}

PLAIN = "\\x20-\\x21\\x23-\\x5b\\x5d-\ud7ff\ue000-\U0010ffff"
"""Every character that a JSON string holds as it is; for inside of [ ]."""

SAFE = {".": f"[{PLAIN}]", r"\s": " ", r"\S": "[^ ]", r"\D": "[^0-9]", r"\W": "[^0-9A-Za-z_]"}
"""Parts of a pattern that would end a JSON string, in other words."""

FARTHEST = 2**53
"""Where integers with one bound get the other: beyond, not every reader of JSON is exact."""

PART = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\.|.", re.DOTALL)
"""A class, an escape or a character of a regular expression."""

ENDING = re.compile(r'^(?:"|\\["\\nrtfv0]|\\x[01][0-9a-fA-F]|\\x22|\\x5[cC]|\\u00(?:[01].|22|5[cC])|[\x00-\x1f])$')
"""A part that stands for a character which a JSON string can only hold escaped."""


class SchemaError(Exception):
    """The schema asks for what cannot be held; the text goes on after its name."""


def held(schema: Any, depth: int = 0) -> Any:
    """The schema in words that the compiler holds to."""
    if depth > DEEPEST:
        raise SchemaError(f"is nested deeper than {DEEPEST} levels: make it flatter")
    if not isinstance(schema, dict):
        if isinstance(schema, bool):
            return schema
        raise SchemaError(f"has {str(schema)[:40]!r} where a schema belongs")
    schema = {name: value for name, value in schema.items() if name not in ("title", "description", "examples")}
    schema = {name: _part(name, value, depth) for name, value in schema.items()}
    keywords = {name for name in schema if name not in ANNOTATIONS and not name.startswith("x-")}
    whole = next((name for name in WHOLE if name in keywords), None)
    if whole is not None:
        return _check_whole(schema, whole, keywords)
    _check_keywords(keywords, schema.get("type"))
    _check_required(schema)
    return _string(_bounds(schema, schema.get("type")))


def _part(name: str, value: Any, depth: int) -> Any:
    """The value of a keyword, with the schemas in it made so that they hold."""
    if name in ("properties", "patternProperties", "$defs", "definitions") and isinstance(value, dict):
        return {own: held(each, depth + 1) for own, each in value.items()}
    if name in ("anyOf", "oneOf", "allOf", "prefixItems", "items") and isinstance(value, list):
        return [held(each, depth + 1) for each in value]
    if name in ("items", "additionalProperties", "unevaluatedProperties", "additionalItems"):
        return held(value, depth + 1)
    return value


def _check_whole(schema: dict[str, Any], whole: str, keywords: set[str]) -> dict[str, Any]:
    beside = keywords - {whole}
    values = {"enum": schema.get("enum"), "const": [schema.get("const")]}.get(whole)
    if values is not None and beside == {"type"}:
        allowed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if isinstance(values, list) and any(_is(value, type) for value in values for type in allowed):
            fitting = [value for value in values if any(_is(value, type) for type in allowed)]
            return {**schema, whole: fitting} if whole == "enum" else schema
        raise SchemaError(f"has no value in {whole} that is of type {schema['type']!r}")
    if beside:
        raise SchemaError(
            f"has {sorted(beside)[0]} beside {whole}, which the CPU engine cannot hold together: merge them"
        )
    if whole == "allOf" and len(schema["allOf"]) > 1:
        raise SchemaError("has several schemas in allOf, which the CPU engine cannot hold together: merge them")
    return schema


def _check_keywords(keywords: set[str], type: Any) -> None:
    types = type if isinstance(type, list) else [type]
    known = {each for each in types if isinstance(each, str) and each in OF_TYPE}
    if not known:
        # Without a type the compiler goes by what it finds, and knows these two by their keywords.
        known = {name for name in ("object", "array") if keywords & OF_TYPE[name]}
    rest = keywords - {"type"} - {word for name in known for word in OF_TYPE[name]}
    if rest:
        every = {word for words in OF_TYPE.values() for word in words}
        word = min(rest)
        if word in every:
            raise SchemaError(f"has {word} without the type that it is for: add a type")
        raise SchemaError(f"has {word}, which the CPU engine cannot hold an answer to: leave it out")


def _check_required(schema: dict[str, Any]) -> None:
    described = schema.get("properties", {})
    required = schema.get("required", [])
    if not isinstance(described, dict) or not isinstance(required, list):
        return  # the compiler says it better
    missing = next((name for name in required if name not in described), None)
    if missing is not None:
        raise SchemaError(f"requires {missing!r} without describing it: add it to properties")


def _string(schema: dict[str, Any]) -> dict[str, Any]:
    """Length and pattern, in the words of a pattern that no JSON string is ended by."""
    lengths = [name for name in ("minLength", "maxLength") if name in schema]
    if "pattern" in schema:
        if lengths:
            raise SchemaError(f"has {lengths[0]} beside pattern, which the CPU engine cannot hold together: merge them")
        if not isinstance(schema["pattern"], str):
            raise SchemaError("has a pattern that is no text")
        return {**schema, "pattern": plain_pattern(schema["pattern"])}
    if not lengths:
        return schema
    if "format" in schema:
        raise SchemaError(f"has {lengths[0]} beside format, which the CPU engine cannot hold together: leave one out")
    least, most = schema.get("minLength", 0), schema.get("maxLength", "")
    if any(isinstance(count, bool) or not isinstance(count, int | str) for count in (least, most)):
        raise SchemaError("has a length that is no whole number")
    rest = {name: value for name, value in schema.items() if name not in lengths}
    return {**rest, "pattern": f"^[{PLAIN}]{{{least},{most}}}$"}


def plain_pattern(pattern: str) -> str:
    """The pattern without what would have to be escaped in a JSON string."""
    parts = []
    for part in PART.findall(pattern):
        part = SAFE.get(part, part)
        if part.startswith("[^"):
            part = _all_but(part[2:-1])
        elif part.startswith("[") and part != f"[{PLAIN}]":
            ending = next((each for each in PART.findall(part[1:-1]) if ENDING.match(each) or each in SAFE), None)
            if ending not in (None, "."):
                raise SchemaError(f"has a pattern with {ending} in {part}, which can end a JSON string: take it out")
        elif ENDING.match(part):
            raise SchemaError(f"has a pattern with {part}, which ends a JSON string: take it out")
        parts.append(part)
    return "".join(parts)


def _all_but(inside: str) -> str:
    """The class of all characters but these: the compiler's own lets through bytes that are no text."""
    try:
        excluded = re.compile(f"[{inside}]", re.ASCII)
    except re.error as error:
        raise SchemaError(f"has a pattern with [^{inside}]: {error}") from None
    if not inside.isascii() or re.search(r"\\[uSDW]", inside):
        raise SchemaError(
            f"has a pattern with [^{inside}], which the CPU engine cannot hold an answer to: say what may be"
        )
    allowed = [code for code in range(0x20, 0x80) if chr(code) not in '"\\' and not excluded.fullmatch(chr(code))]
    plain = "".join(rf"\x{code:02x}" for code in allowed)
    return f"[{plain}\x80-\ud7ff\ue000-\U0010ffff]"


def _bounds(schema: dict[str, Any], type: Any) -> dict[str, Any]:
    """Bounds on both sides, of integers: the compiler gets neither one alone right, nor those of other numbers."""
    low, high = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
    given = [name for name in (*low, *high) if name in schema]
    if not given:
        return schema
    if "number" in (type if isinstance(type, list) else [type]):
        raise SchemaError(
            f"has {given[0]} for a number, which the CPU engine holds only for type integer: leave it out"
        )
    if any(isinstance(schema[name], bool) or not isinstance(schema[name], int) for name in given):
        raise SchemaError(f"has a {given[0]} for an integer that is no whole number")
    if not any(name in schema for name in low):
        return {**schema, "minimum": min(schema[given[0]], 0) - FARTHEST}
    if not any(name in schema for name in high):
        return {**schema, "maximum": max(schema[given[0]], 0) + FARTHEST}
    return schema


def _is(value: Any, type: Any) -> bool:
    if type in ("integer", "number"):
        fits = isinstance(value, int) or (isinstance(value, float) and (type == "number" or value.is_integer()))
        return fits and not isinstance(value, bool)
    return type in PYTHON and isinstance(value, PYTHON[type])
