"""Guides that several modules of tests give, and what holds for answers under them."""

import json
from typing import Any


def is_person(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"name", "age", "tags", "kind"}
        and isinstance(value["name"], str)
        and 1 <= len(value["name"]) <= 12
        and isinstance(value["age"], int)
        and 0 <= value["age"] <= 120
        and isinstance(value["tags"], list)
        and len(value["tags"]) <= 2
        and set(value["tags"]) <= {"red", "blue"}
        and value["kind"] in ("cat", 7, None)
    )


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}, "maxItems": 2},
        "kind": {"enum": ["cat", 7, None]},
    },
    "required": ["name", "age", "tags", "kind"],
    "additionalProperties": False,
}


GRAMMAR = """
root ::= "(" sum ")"
sum ::= [0-9] | [0-9] "+" [0-9] | root
"""


def tag(format: Any) -> str:
    return json.dumps({"type": "structural_tag", "format": format})
