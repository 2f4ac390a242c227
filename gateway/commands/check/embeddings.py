"""Embeddings. Pure but for asking."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from gateway.commands.check.exchange import Exchange
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import Missed, NotApplicable, check, need, reach, shown

TEXTS = ["hello", "good morning"]


def _asked(target: Target, **fields: Any) -> Exchange:
    """From the first model that has them."""
    said = ""
    for model in target.embedding_models:
        exchange = target.ask("POST", "/embeddings", {"model": model, "input": TEXTS, **fields})
        if exchange.broken or exchange.status == 200:
            return exchange.ok()
        said = f" ({exchange.status}: {exchange.said})"
    raise NotApplicable(f"no model that the server lists gives embeddings{said}")


@check("embeddings.object", "A list of embedding objects, one for each text and in their order.")
def kind(target: Target) -> None:
    reply = _asked(target).json
    need(reply.get("object") == "list", '"object": "list"', reply.get("object"))
    need(len(reach(reply, "data", kind=list)) == len(TEXTS), f"{len(TEXTS)} embeddings", f"{len(reply['data'])}")
    for number in range(len(TEXTS)):
        need(
            reach(reply, "data", number, "object") == "embedding",
            '"object": "embedding"',
            reply["data"][number]["object"],
        )
        need(reach(reply, "data", number, "index") == number, f'"index": {number}', reply["data"][number]["index"])


@check("embeddings.floats", "Numbers, as many for each text.")
def floats(target: Target) -> None:
    reply = _asked(target, encoding_format="float").json
    sizes = set()
    for number in range(len(reach(reply, "data", kind=list))):
        vector = reach(reply, "data", number, "embedding", kind=list)
        need(bool(vector) and all(type(each) in (int, float) for each in vector), "numbers", vector)
        sizes.add(len(vector))
    need(len(sizes) == 1, "vectors of one size", sorted(sizes))


@check("embeddings.base64", "OpenAI's SDKs ask for base64 unless told otherwise, and decode what they get.")
def in_base64(target: Target) -> None:
    plain = reach(_asked(target, encoding_format="float").json, "data", 0, "embedding", kind=list)
    text = reach(_asked(target, encoding_format="base64").json, "data", 0, "embedding", kind=str)
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Missed("base64", shown(text)) from None
    need(len(raw) == 4 * len(plain), f"{len(plain)} floats of 4 bytes", f"{len(raw)} bytes")


@check("embeddings.usage", "prompt_tokens and total_tokens, where the server counts at all.")
def usage(target: Target) -> None:
    reply = _asked(target).json
    if reply.get("usage") is None:
        raise NotApplicable("the server does not count tokens of embeddings")
    prompt, total = (reach(reply, "usage", name, kind=int) for name in ("prompt_tokens", "total_tokens"))
    need(prompt > 0 and total >= prompt, "counts that can be true", reply["usage"])


CHECKS = (kind, floats, in_base64, usage)
