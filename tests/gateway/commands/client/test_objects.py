"""Errors and lists of models, in every form that servers have for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.commands.client.address import parse_address
from gateway.commands.client.errors import Broken, Refused
from gateway.commands.client.objects import error_text, fetch_models, refusal
from gateway.commands.client.transport import Client
from tests.gateway.commands.servers import Connection, serving

FORMS: list[tuple[Any, tuple[str, str]]] = [
    ({"error": {"message": "Too hot.", "code": "hot"}}, ("Too hot.", "hot")),
    ({"error": {"message": "Too hot.", "code": 400}}, ("Too hot.", "400")),
    ({"error": "Too hot."}, ("Too hot.", "")),
    ({"detail": "Too hot."}, ("Too hot.", "")),
    ({"detail": [{"loc": ["body"], "msg": "hot"}]}, ('[{"loc": ["body"], "msg": "hot"}]', "")),
    ({"message": "Too hot.", "code": "hot"}, ("Too hot.", "hot")),
    ({"error": {"reason": "hot"}}, ('{"reason": "hot"}', "")),
    ("Too hot.", ("Too hot.", "")),
    ({}, ("", "")),
    ([], ("", "")),
    (None, ("", "")),
    (5, ("5", "")),
]


@pytest.mark.parametrize(("body", "said"), FORMS, ids=[json.dumps(body) for body, _ in FORMS])
def test_the_text_of_an_error(body: Any, said: tuple[str, str]) -> None:
    assert error_text(body) == said


WAITS = [("3", 3.0), ("0.5", 0.5), ("-1", None), ("nan", None), ("1e999", None), ("soon", None), ("", None)]


@pytest.mark.parametrize(("header", "seconds"), [*WAITS, ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0)])
def test_how_long_to_wait(header: str, seconds: float | None) -> None:
    with (
        serving(lambda _, connection: connection.reply(b"", status=429, retry_after=header)) as server,
        Client(parse_address(server.url)).send("GET", "/") as reply,
    ):
        assert refusal(reply).retry_after == seconds


def models(body: bytes, status: int = 200) -> list[str] | None:
    def answer(_: Any, connection: Connection) -> None:
        connection.reply(body, status=status)

    with serving(answer) as server:
        return fetch_models(Client(parse_address(server.url)))


def test_models_that_can_chat() -> None:
    cards = [{"id": "a"}, {"id": "b", "capabilities": {"embeddings": True}}, {"id": "c", "capabilities": {}}, {"id": 5}]
    assert models(json.dumps({"data": cards}).encode()) == ["a", "c"]
    assert models(b'{"data": []}') == []


@pytest.mark.parametrize("status", [404, 405, 501])
def test_no_list_at_all(status: int) -> None:
    assert models(b"", status) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": 5}', b'{"data": [5]}', b"[" * 100_000, b"<html>"])
def test_what_is_no_list(body: bytes) -> None:
    with pytest.raises(Broken, match="no list of models"):
        models(body)


def test_a_refusal_is_told() -> None:
    with pytest.raises(Refused, match=r"Who are you\?") as caught:
        models(b'{"error": {"message": "Who are you?", "code": "invalid_api_key"}}', 401)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
