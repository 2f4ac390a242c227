"""Log-probabilities. Pure but for asking."""

from __future__ import annotations

from typing import Any

from gateway.commands.check.chat import choice
from gateway.commands.check.exchange import Exchange
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import check, need, reach

LISTS = ("tokens", "token_logprobs", "text_offset")


def _need_entry(entry: Any) -> None:
    reach(entry, "token", kind=str)
    logprob = reach(entry, "logprob", kind=(int, float))
    need(logprob <= 1e-3, "a logarithm of a probability: 0 or less", logprob)
    reach(entry, "top_logprobs", kind=list)
    for number in reach(entry, "bytes", kind=(list, type(None))) or []:
        need(type(number) is int and 0 <= number < 256, "bytes from 0 to 255", number)


def _whole(target: Target) -> Exchange:
    return target.chat(logprobs=True).offered("logprobs")


@check("logprobs.entries", "Each token comes with token, logprob, bytes and top_logprobs.")
def entries(target: Target) -> None:
    found = reach(choice(_whole(target).json), "logprobs", "content", kind=list)
    need(bool(found), "an entry for each token", "an empty list")
    for entry in found:
        _need_entry(entry)


@check("logprobs.bytes", "Clients put characters that were cut in two together from the bytes.")
def together(target: Target) -> None:
    one = choice(_whole(target).json)
    joined = b""
    for entry in reach(one, "logprobs", "content", kind=list):
        _need_entry(entry)
        joined += bytes(entry["bytes"] or [])
    text = reach(one, "message", "content", kind=(str, type(None))) or ""
    need(
        text.strip().encode("utf-8", "replace") in joined,
        "the text in the joined bytes",
        joined.decode("utf-8", "replace"),
    )


@check("logprobs.stream", "The same in chunks.")
def stream(target: Target) -> None:
    exchange = target.stream(logprobs=True).offered("logprobs")
    found = [each["logprobs"] for each in exchange.choices() if each.get("logprobs")]
    need(bool(found), "logprobs in the chunks", "none")
    for each in found:
        for entry in reach(each, "content", kind=list):
            _need_entry(entry)


@check("logprobs.completions", "In completions they are lists of one length.")
def completions(target: Target) -> None:
    reply = target.completion(logprobs=0).offered("logprobs of completions").json
    found = reach(choice(reply), "logprobs", kind=dict)
    lengths = {name: len(reach(found, name, kind=list)) for name in LISTS}
    alternatives = reach(found, "top_logprobs", kind=(list, type(None)))  # none were asked for
    need(len(set(lengths.values())) == 1, "lists of one length", lengths)
    need(alternatives is None or len(alternatives) == lengths["tokens"], "top_logprobs of the same length", lengths)
    need(lengths["tokens"] > 0, "an entry for each token", "empty lists")


CHECKS = (entries, together, stream, completions)
