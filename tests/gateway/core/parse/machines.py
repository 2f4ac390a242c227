"""The machines that read an answer, with the tools whose calls they know."""

from collections.abc import Callable
from typing import Any

from gateway.core.parse.answer import parser
from gateway.core.types import CallStyle, Parser, Thinking
from tests.gateway.core.parse.reading import call_id

TOOLS: dict[str, dict[str, Any]] = {
    "weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "metric": {"type": "boolean"},
            "where": {"type": "object"},
            "list": {"type": "array"},
            "note": {"type": ["string", "null"]},
        },
    },
    "查询": {"type": "object", "properties": {"城市": {"type": "string"}}},
}


def make(
    thinking: Thinking, calls: CallStyle | None, *, parallel: bool = True, prefill: str = ""
) -> Callable[[], Parser]:
    return lambda: parser(
        thinking=thinking, calls=calls, tools=TOOLS, call_id=call_id, parallel=parallel, prefill=prefill
    )
