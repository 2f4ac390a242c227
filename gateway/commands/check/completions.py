"""Completions of a text, the older endpoint. Pure but for asking."""

from __future__ import annotations

from gateway.commands.check.chat import REASONS, choice, need_usage
from gateway.commands.check.exchange import DONE, Exchange
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import check, need, reach


def _whole(target: Target) -> Exchange:
    return target.completion().offered("completions")


def _stream(target: Target) -> Exchange:
    return target.completion(stream=True).offered("completions")


@check("completions.object", "text_completion, with an id that begins with cmpl-.")
def kind(target: Target) -> None:
    reply = _whole(target).json
    need(reply.get("object") == "text_completion", '"object": "text_completion"', reply.get("object"))
    found = reach(reply, "id", kind=str)
    need(found.startswith("cmpl-"), "an id that begins with cmpl-", found)


@check("completions.choice", "index, text, logprobs and finish_reason are required.")
def one(target: Target) -> None:
    found = choice(_whole(target).json)
    need(reach(found, "index") == 0, '"index": 0', found["index"])
    reach(found, "text", kind=str)
    reach(found, "logprobs")
    need(reach(found, "finish_reason") in REASONS, " or ".join(REASONS), found["finish_reason"])


@check("completions.usage", "Counts that can be true.")
def usage(target: Target) -> None:
    need_usage(reach(_whole(target).json, "usage", kind=dict))


@check("completions.several", "Evaluation tools send many prompts in one request.")
def several(target: Target) -> None:
    reply = target.completion(prompt=["One two", "A b c"]).offered("several prompts").json
    indexes = [reach(reply, "choices", number, "index") for number in range(len(reach(reply, "choices", kind=list)))]
    need(indexes == [0, 1], "choices with index 0 and 1", indexes)


@check("completions.stream", "Chunks are text_completion as well, of one id, and end with [DONE].")
def stream(target: Target) -> None:
    exchange = _stream(target)
    for chunk in exchange.chunks:
        need(chunk.get("object") == "text_completion", '"object": "text_completion"', chunk.get("object"))
        need(chunk.get("id") == exchange.chunks[0].get("id"), "one id", chunk.get("id"))
    for each in exchange.choices():
        reach(each, "text", kind=str)
    need(exchange.payloads[-1:] == [DONE], "data: [DONE] as the last event", exchange.payloads[-1])


@check("completions.finish", "finish_reason once, at the end.")
def finish(target: Target) -> None:
    reasons = [each.get("finish_reason") for each in _stream(target).choices()]
    need(bool(reasons) and reasons[-1] in REASONS, "a finish_reason at the end", reasons[-1:])
    need(not any(reasons[:-1]), "null before it", [reason for reason in reasons[:-1] if reason])


CHECKS = (kind, one, usage, several, stream, finish)
