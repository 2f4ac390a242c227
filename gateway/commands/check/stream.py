"""A streamed chat: events and what the chunks of one answer must have in common. Pure but for asking."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

from gateway.commands.check.chat import REASONS
from gateway.commands.check.exchange import DONE, text_of
from gateway.commands.check.target import COUNT, Target
from gateway.commands.check.verdict import NotApplicable, check, need, reach, shown

T = TypeVar("T")

_FEW = 2  # pieces: of a text of any length they may be its beginning and all the rest
_LENGTHS = range(200, 194, -1)  # tokens; each is another question
CONSTANT = ("id", "created", "model", "system_fingerprint")


@check("stream.content-type", "Browsers and SDKs read events of text/event-stream only.")
def content_type(target: Target) -> None:
    found = target.stream().ok().headers.get("content-type", "none")
    need(found.split(";")[0].strip() == "text/event-stream", "content-type: text/event-stream", found)


@check("stream.whole", "A connection that ends early is an error in every SDK.")
def whole(target: Target) -> None:
    events = target.stream().ok().events
    need(bool(events), "events", "none")
    need(events[-1].ended, "a blank line after the last event", shown(" ".join(events[-1].lines)))


@check("stream.lines", "SDKs parse each event as JSON: an event: or retry: without data makes them crash.")
def lines(target: Target) -> None:
    for event in target.stream().ok().events:
        comment = all(line.startswith(":") for line in event.lines)
        need(event.data is not None or comment, "data in every event that is no comment", " ".join(event.lines))


@check("stream.json", "One line of JSON, with nothing around it, is what simple parsers can read.")
def one_line_each(target: Target) -> None:
    exchange = target.stream().ok()
    need(None not in exchange.payloads, "JSON or [DONE] after data:", "an event that is neither")
    for event in exchange.events:
        found = [line for line in event.lines if line.startswith("data:")]
        need(len(found) <= 1, "one data line in an event", f"{len(found)}")
        for line in found:
            need(line == line.rstrip(), "nothing after the JSON", f"{shown(line[-20:])} and then white space")
            need(line.startswith("data: "), "a space after data:", line[:20])


@check("stream.done", "Clients that are no SDK wait for data: [DONE], and hang without it.")
def done(target: Target) -> None:
    payloads = target.stream().ok().payloads
    need(payloads[-1:] == [DONE], "data: [DONE] as the last event", payloads[-1] if payloads else "no events")
    need(payloads.count(DONE) == 1, "one [DONE]", f"{payloads.count(DONE)}")


@check("stream.object", "The SDK's .stream() helper asserts on it.")
def kind(target: Target) -> None:
    for chunk in target.stream().chunks:
        need(chunk.get("object") == "chat.completion.chunk", '"object": "chat.completion.chunk"', chunk.get("object"))


@check("stream.keys", "id, object, created, model and choices are required in each chunk.")
def keys(target: Target) -> None:
    for chunk in target.stream().chunks:
        for name, sort in (("id", str), ("object", str), ("created", int), ("model", str), ("choices", list)):
            reach(chunk, name, kind=sort)


@check("stream.id", "chatcmpl-…, as of an answer that is not streamed.")
def own_id(target: Target) -> None:
    found = reach(target.stream().chunks[0], "id", kind=str)
    need(found.startswith("chatcmpl-"), "an id that begins with chatcmpl-", found)


@check("stream.constant", "Clients put chunks together by id; id, created, model and system_fingerprint never change.")
def constant(target: Target) -> None:
    chunks = target.stream().chunks
    for name in CONSTANT:
        values = [chunk.get(name) for chunk in chunks]
        other = next((value for value in values if value != values[0]), values[0])
        need(other == values[0], f"one {name} for the whole stream", f"{shown(values[0])}, then {shown(other)}")


@check("stream.choice", "index, delta and finish_reason are required, finish_reason as null until the end.")
def choice_keys(target: Target) -> None:
    choices = target.stream().choices()
    for number, choice in enumerate(choices):
        reach(choice, "index", kind=int)
        reach(choice, "delta", kind=dict)
        reason = reach(choice, "finish_reason", kind=(str, type(None)))
        need(reason is None or number == len(choices) - 1, "finish_reason null until the last chunk", reason)


@check("stream.first", 'Clients begin a message at {"role": "assistant", "content": ""}.')
def first(target: Target) -> None:
    delta = target.stream().deltas[0]
    need(delta.get("role") == "assistant", '"role": "assistant" in the first delta', delta)
    need(delta.get("content", 0) in ("", None), '"content": "" in the first delta', delta)


@check("stream.role-once", "Accumulators join texts: a role in each chunk becomes assistantassistant…")
def role_once(target: Target) -> None:
    roles = [delta["role"] for delta in target.stream().deltas if "role" in delta]
    need(len(roles) == 1, "role in one delta", f"in {len(roles)}")


@check("stream.finish", "The last chunk of the answer has its reason and an empty delta, once.")
def finish(target: Target) -> None:
    choices = target.stream().choices()
    reasons = [choice.get("finish_reason") for choice in choices if choice.get("finish_reason") is not None]
    need(len(reasons) == 1, "one finish_reason", reasons)
    need(reasons[0] in REASONS, " or ".join(REASONS), reasons[0])
    delta = reach(choices[-1], "delta", kind=dict)
    need(not any(delta.values()), "an empty delta beside the finish_reason", delta)


@check("stream.length", 'An answer that was cut says "length", streamed or not.')
def length(target: Target) -> None:
    choices = target.stream(COUNT, max_tokens=4).choices()
    found = choices[-1].get("finish_reason")
    need(found == "length", '"length" at max_tokens', found)


def _in_pieces(target: Target, of: Callable[[list[dict[str, Any]]], list[T]]) -> list[T]:
    """The pieces of a longer answer, as ``of`` finds them in its deltas. A server that has much to do sends together
    what came together, so one that came in few pieces is asked for again."""
    for most in _LENGTHS:
        found = of(target.stream(COUNT, max_tokens=most).deltas)
        if len(found) > _FEW:
            break
    return found


def _not_empty(deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in deltas if any(each.values()) and "role" not in each]


@check("stream.pieces", "Text that comes all at once is no stream to who waits for it.")
def pieces(target: Target) -> None:
    found = _in_pieces(target, _not_empty)
    if sum(len(str(each)) for each in found) < 60:
        raise NotApplicable("the model says too little")
    need(len(found) > _FEW, "text in several chunks", f"{len(found)}")


@check("stream.news-only", "A delta is what is new; the whole text each time is written again and again.")
def news_only(target: Target) -> None:
    texts = _in_pieces(target, text_of)
    if len(texts) <= _FEW:
        raise NotApplicable("the model says too little")
    cumulative = all(later.startswith(earlier) and later != earlier for earlier, later in pairwise(texts))
    need(not cumulative, "deltas", f"the text so far in each chunk: {shown(texts[:3])}")


@check("stream.characters", "Half a character becomes � for ever; Chinese and emoji are often cut in two by tokens.")
def characters(target: Target) -> None:
    text = "".join(text_of(target.stream("Say this and nothing else: 你好，世界 😀 café", max_tokens=200).deltas))
    need("\ufffd" not in text, "whole characters", text)


@check("stream.no-usage", "A usage chunk has no choice, and clients that did not ask for it read choices[0].")
def no_usage(target: Target) -> None:
    for chunk in target.stream().chunks:
        need(bool(chunk["choices"]), "a choice in every chunk where no usage was asked for", chunk)


CHECKS = (
    content_type,
    whole,
    lines,
    one_line_each,
    done,
    kind,
    keys,
    own_id,
    constant,
    choice_keys,
    first,
    role_once,
    finish,
    length,
    pieces,
    news_only,
    characters,
    no_usage,
)
