"""Tool calls in streams, where accumulators join what comes. Pure but for asking."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from gateway.commands.check.exchange import Exchange
from gateway.commands.check.target import Target
from gateway.commands.check.tools import NAMED, asked, need_arguments
from gateway.commands.check.verdict import NotApplicable, check, need, reach, shown


def _pieces(exchange: Exchange, choice: Any = "required") -> list[dict[str, Any]]:
    """All pieces of calls, in order."""
    found = []
    for delta in exchange.deltas:
        for each in reach(delta.get("tool_calls") or [], kind=list):
            reach(each, "function", kind=dict)
            found.append(each)
    if not found and _reason(exchange) == "length":
        raise NotApplicable("the answer was cut before a call")
    need(bool(found), f"a call, as tool_choice {shown(choice)} demands", "none")
    return found


def _reason(exchange: Exchange) -> Any:
    return next((each["finish_reason"] for each in exchange.choices() if each.get("finish_reason")), None)


def _required(target: Target) -> Exchange:
    return asked(target, "required", stream=True)


@check("tool-streams.required", "The same word at the end as without streaming: tool_calls.")
def required(target: Target) -> None:
    _pieces(_required(target))
    need(_reason(_required(target)) == "tool_calls", '"finish_reason": "tool_calls"', _reason(_required(target)))


@check("tool-streams.named", "The same word at the end as without streaming: stop.")
def named(target: Target) -> None:
    exchange = asked(target, NAMED, stream=True)
    pieces = _pieces(exchange, NAMED)
    need(reach(pieces, 0, "function", "name") == "get_time", "a call of get_time", pieces[0])
    need(_reason(exchange) == "stop", '"finish_reason": "stop"', _reason(exchange))


@check("tool-streams.index", "Calls are counted from 0, one after another; SDKs use index as a place in a list.")
def index(target: Target) -> None:
    seen = [reach(piece, "index", kind=int) for piece in _pieces(_required(target))]
    need(seen[0] == 0, "index 0 first", seen[0])
    steps = {later - earlier for earlier, later in pairwise(seen)}
    need(steps <= {0, 1}, "one call after another", seen)


@check("tool-streams.first", "The first delta of a call has its id, type and name, and arguments to join to.")
def first(target: Target) -> None:
    started: set[int] = set()
    for piece in _pieces(_required(target)):
        if reach(piece, "index", kind=int) in started:
            continue
        started.add(piece["index"])
        need(reach(piece, "id", kind=str).startswith("call_"), "an id that begins with call_", piece["id"])
        need(reach(piece, "type") == "function", '"type": "function"', piece["type"])
        need(bool(reach(piece, "function", "name", kind=str)), "the name", "an empty one")
        reach(piece, "function", "arguments", kind=str)


@check("tool-streams.once", "Accumulators join texts: a name in each delta becomes get_timeget_time.")
def once(target: Target) -> None:
    pieces = _pieces(_required(target))
    calls = len({reach(piece, "index", kind=int) for piece in pieces})
    for name, found in (
        ("id", [piece["id"] for piece in pieces if piece.get("id") is not None]),
        ("name", [piece["function"]["name"] for piece in pieces if piece["function"].get("name") is not None]),
    ):
        need(len(found) == calls, f"{name} once for each call", f"{shown(found)} for {calls} calls")


@check("tool-streams.arguments", "The joined arguments are JSON.")
def arguments(target: Target) -> None:
    joined: dict[int, str] = {}
    for piece in _pieces(_required(target)):
        number, text = reach(piece, "index", kind=int), piece["function"].get("arguments") or ""
        joined[number] = joined.get(number, "") + reach(text, kind=str)
    for text in joined.values():
        need_arguments(text)


CHECKS = (required, named, index, first, once, arguments)
