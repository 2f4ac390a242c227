"""Servers that are wrong in one way, and how the checks judge them. ``Edit``s change a right reply in place.

It knows the conforming server and how to run the checks. It must not know which check notices what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.commands.check.command import CHECKS, judge
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import State, Verdict
from gateway.commands.client.address import parse_address
from gateway.commands.client.transport import Client
from tests.gateway.commands.check.conforming import KEY, MODEL, Change, Said, answering
from tests.gateway.commands.servers import Request, serving

Edit = Callable[[Request, Said], Any]


def judged(change: Change, *, seconds: float = 10.0) -> list[Verdict]:
    """All verdicts on a server that does as ``change`` says. It waits for nobody who is busy."""
    with serving(answering(change)) as server:
        client = Client(parse_address(server.url), key=KEY, silence_seconds=seconds, total_seconds=seconds)
        target = Target(client, MODEL, embedding_models=(MODEL,), sleep=lambda _: None)
        return judge(target, CHECKS, progress=False)


def noticed(edit: Edit) -> set[str]:
    """The checks that such a server misses."""

    def change(request: Request, said: Said) -> Said:
        edit(request, said)
        return said

    return {verdict.check.name for verdict in judged(change) if verdict.state is State.MISSED}


def names(*topics: str) -> set[str]:
    """All checks of these topics."""
    return {check.name for check in CHECKS if check.topic in topics}


def wrong(id: str, edit: Edit, *checks: str) -> Any:
    """A row: what is wrong, and the checks that notice."""
    return pytest.param(edit, set(checks), id=id)


def chats(edit: Callable[[Said], Any]) -> Edit:
    """Chats that are not streamed."""
    return lambda _, said: edit(said) if said.chat else None


def streams(edit: Callable[[Said], Any]) -> Edit:
    """Streams of chats."""
    return lambda request, said: edit(said) if said.events and "/chat" in request.target else None


def both(edit: Callable[[dict[str, Any]], Any]) -> Edit:
    """Messages and deltas."""
    return lambda _, said: [edit(message) for message in said.messages]


def chunks(edit: Callable[[dict[str, Any]], Any]) -> Edit:
    """Every chunk of a chat."""
    return streams(lambda said: [edit(chunk) for chunk in said.chunks])


def at(path: str, edit: Callable[[Said], Any]) -> Edit:
    """Replies of one path that are not streamed."""
    return lambda request, said: (
        edit(said) if request.target == f"/v1{path}" and said.body and said.status == 200 else None
    )


def asked(edit: Callable[[Said], Any], **fields: Any) -> Edit:
    """Chats, streamed or not, whose request has these fields. ANY: whatever they are."""

    def change(request: Request, said: Said) -> None:
        if said.status == 200 and "/chat" in request.target:
            body = request.json
            if all(name in body and value in (ANY, body[name]) for name, value in fields.items()):
                edit(said)

    return change


ANY = object()


def put(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.update(values)


def refused(status: int) -> Callable[[Said], None]:
    return lambda said: said.refuse(status)
