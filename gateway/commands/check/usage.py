"""Counts of a stream, for those who ask for them. Pure but for asking."""

from __future__ import annotations

from typing import Any

from gateway.commands.check.chat import need_usage
from gateway.commands.check.exchange import DONE, Exchange
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import check, need, reach


def _counted(target: Target) -> Exchange:
    return target.stream(stream_options={"include_usage": True})


def _last(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = _counted(target).chunks[-1]
    return found


@check("usage.chunk", "Its choices are there and empty: the SDK's .stream() helper fails where the key is missing.")
def chunk(target: Target) -> None:
    _counted(target).ok()
    flat = [
        each
        for each in _counted(target).payloads
        if isinstance(each, dict) and "usage" in each and "choices" not in each
    ]
    need(not flat, '"choices": [] beside usage', flat[0] if flat else "")
    last = _last(target)
    need(last.get("choices") == [], '"choices": [] in the last chunk', last.get("choices"))
    reach(last, "usage", kind=dict)


@check("usage.counts", "Costs of streams are counted from it.")
def counts(target: Target) -> None:
    need_usage(reach(_last(target), "usage", kind=dict))


@check(
    "usage.null-before",
    "Chunks before it have usage: null, so that readers of the key need not ask whether it is there.",
)
def null_before(target: Target) -> None:
    for each in _counted(target).chunks[:-1]:
        need(
            "usage" in each and each["usage"] is None,
            '"usage": null before the usage chunk',
            each.get("usage", "no usage"),
        )


@check("usage.last", "It comes after the finish_reason and before [DONE], where clients look for it.")
def last_of_all(target: Target) -> None:
    payloads = _counted(target).ok().payloads
    before = [each for each in payloads if each != DONE][-1:]
    need(
        bool(before) and isinstance(before[0], dict) and bool(before[0].get("usage")),
        "usage right before [DONE]",
        before,
    )


@check("usage.same", "The same prompt has the same number of tokens, streamed or not.")
def same(target: Target) -> None:
    streamed = reach(_last(target), "usage", "prompt_tokens", kind=int)
    whole = reach(target.chat().ok().json, "usage", "prompt_tokens", kind=int)
    need(streamed == whole, f"{whole} prompt_tokens, as without streaming", streamed)


CHECKS = (chunk, counts, null_before, last_of_all, same)
