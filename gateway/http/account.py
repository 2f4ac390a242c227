"""What is told of a request when it is over: fields for programs, a line for people.

It knows recorders of generations and what may be told: never a key, and no text of a prompt unless the operator asks
for it. It must not know how logs are written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.recorder import Recorder

Fields = dict[str, Any]


def of_generations(records: Sequence[Recorder], *, prompts: bool) -> Fields:
    """Of all answers to one request: sums of tokens, the longest wait, the first text of any. What is not known is not
    there."""
    if not records:
        return {}
    usages = [record.usage for record in records if record.usage is not None]
    fields: Fields = {
        "model": records[0].model,
        "endpoint": _each(record.endpoint for record in records),
        "outcome": _each(record.outcome for record in records),
        "prompt_tokens": records[0].prompt_tokens,
        "generated_tokens": sum(usage.completion_tokens for usage in usages) if usages else None,
        "cached_tokens": _sum(usage.cached_tokens for usage in usages),
        "reasoning_tokens": _sum(usage.reasoning_tokens for usage in usages),
        "queue_ms": _most((record.queue_seconds for record in records), max),
        "ttft_ms": _most((record.first and record.first - record.started for record in records), min),
    }
    if prompts:
        fields["prompt"] = records[0].prompt
    return {name: value for name, value in fields.items() if value is not None}


def line(fields: Fields) -> str:
    """For a person. Nothing a client sent can begin a new line or pass for another field."""
    words = [
        fields["request_id"],
        fields["method"],
        json.dumps(fields["path"])[1:-1],
        str(fields["status"]),
        f"{fields['total_ms']:.0f}ms",
    ]
    if fields.get("caller"):
        words.append(fields["caller"])
    if fields["status"] in (401, 403):
        words.append(f"from {json.dumps(fields['client'])[1:-1]}")
    if "model" in fields:
        words.append(f"{fields['model']}: {fields['outcome']}, {_tokens(fields)}")
        words += [f"{what} {fields[name]:.0f}ms" for what, name in _TIMES if fields.get(name)]
        if "endpoint" in fields:
            words.append(f"on {fields['endpoint']}")
    if "prompt" in fields:
        words.append(json.dumps(fields["prompt"], ensure_ascii=False))
    return " ".join(words)


_TIMES = (("queued", "queue_ms"), ("first", "ttft_ms"))


def _tokens(fields: Fields) -> str:
    cached = f" ({fields['cached_tokens']} cached)" if fields.get("cached_tokens") else ""
    return f"{fields['prompt_tokens']}{cached} + {fields.get('generated_tokens', '?')} tokens"


def _each(values: Iterable[str | None]) -> str | None:
    """Different ones, in their order."""
    return ",".join(dict.fromkeys(value for value in values if value is not None)) or None


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _most(values: Iterable[float | None], choose: Callable[[list[float]], float]) -> float | None:
    """Of seconds, in milliseconds."""
    known = [value for value in values if value is not None]
    return round(1000 * choose(known), 1) if known else None
