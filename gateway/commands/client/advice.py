"""An error of a chat, as a person understands it: what happened, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from gateway.commands.client.errors import ClientError, Refused

CONTEXT = "context_length_exceeded"
UNKNOWN_MODEL = "model_not_found"


def explained(error: ClientError, *, key: bool, models: Sequence[str] = (), talking: bool = False) -> str:
    """``key``: one was sent. ``models``: what the server has, where that is known. ``talking``: the person can use the
    chat's commands."""
    if not isinstance(error, Refused):
        advice = error.advice or ("/retry asks again." if talking else "Ask again.")
        return f"{error.message} {advice}".strip()
    said = error.message.strip()
    if error.status == 200:
        message = f"The server broke the answer off: {said}"
    else:
        message = (
            f"The server refused ({error.status}): {said}"
            if said
            else f"The server answered {error.status}, and no more."
        )
    if message[-1] not in ".!?。":
        message += "."
    return f"{message} {_next_step(error, key=key, models=models, talking=talking)}".strip()


def _next_step(error: Refused, *, key: bool, models: Sequence[str], talking: bool) -> str:
    if error.status == 401:
        if key:
            return "It does not take this key: give another with --key-file or OPENAI_API_KEY."
        return "It wants a key: give one with --key-file FILE, or set OPENAI_API_KEY."
    if error.status == 403:
        return "Whoever runs the server can allow it, or give you another key."
    if error.code == UNKNOWN_MODEL or (error.status == 404 and models):
        known = f" It has: {', '.join(models)}." if models else ""
        return ("Choose another with /model NAME." if talking else "Choose another with --model NAME.") + known
    if error.status == 404:
        return "Is the base URL right? Most end in /v1."
    if error.code == CONTEXT or error.status == 413:
        return "/undo takes the last exchange back, /clear all of them." if talking else "Ask with less text."
    if error.status in (408, 409, 429) or error.status >= 500 or error.status == 200:
        wait = None if error.retry_after is None else ceil(error.retry_after)
        if talking:
            return "/retry asks again." if wait is None else f"Wait {wait} s, then /retry asks again."
        return "Ask again." if wait is None else f"Ask again in {wait} s."
    return "/set changes what is sent with the question, /undo what was said." if talking else ""
