"""Thinking apart from the answer. Pure but for asking."""

from __future__ import annotations

from gateway.commands.check.chat import choice
from gateway.commands.check.exchange import text_of
from gateway.commands.check.target import COUNT, Target
from gateway.commands.check.verdict import NotApplicable, check, need, reach

FIELD, NEWER = "reasoning_content", "reasoning"
TAG = "</think>"


@check("thinking.apart", "Frontends show the answer as it is: tags of thinking in it are noise, and spoil JSON.")
def apart(target: Target) -> None:
    message = reach(choice(target.chat(COUNT, max_tokens=400).ok().json), "message", kind=dict)
    text = reach(message, "content", kind=(str, type(None))) or ""
    if TAG not in text and not any(message.get(name) for name in (FIELD, NEWER)):
        raise NotApplicable("the model did not think")
    need(TAG not in text, "no tags of thinking in the content", text)


@check("thinking.name", "Most clients read reasoning_content; those that got only reasoning lost the thinking.")
def name(target: Target) -> None:
    message = reach(choice(target.chat(COUNT, max_tokens=400).ok().json), "message", kind=dict)
    if not any(message.get(each) for each in (FIELD, NEWER)):
        raise NotApplicable("the model did not think")
    need(bool(message.get(FIELD)), FIELD, f"only {NEWER}")


@check("thinking.stream", "The same in deltas.")
def stream(target: Target) -> None:
    deltas = target.stream(COUNT, max_tokens=200).deltas
    text = "".join(text_of(deltas))
    if TAG not in text and not any(delta.get(name) for delta in deltas for name in (FIELD, NEWER)):
        raise NotApplicable("the model did not think")
    need(TAG not in text, "no tags of thinking in the content", text)
    need(any(delta.get(FIELD) for delta in deltas), f"{FIELD} in deltas", f"only {NEWER}")


CHECKS = (apart, name, stream)
