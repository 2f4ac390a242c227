"""The log of a real gateway: one line for each request, as text and as JSON, and what is never in it."""

from __future__ import annotations

import json
import logging
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.core.errors import SettingsError
from gateway.http.account import line
from gateway.logs import Json
from gateway.settings.server import ServerSettings
from loadtest.engine.script import Script, script_text
from loadtest.written import whole_lines
from tests.gateway.asking import ask
from tests.gateway.processes import Start, running
from tests.support.gateway import Gateway
from tests.support.waiting import wait_for


def lines(gateway: Gateway, path: str, count: int = 1) -> list[dict[str, Any]]:
    """What a JSON log says of requests to a path, which may take a moment after the reply."""

    def found() -> list[dict[str, Any]]:
        events = [json.loads(text) for text in whole_lines(gateway.log)]
        return [event for event in events if event.get("path") == path]

    wait_for(lambda: len(found()) >= count, 10, f"{count} lines of {path}")
    return found()


def test_json_has_what_became_of_a_chat(start: Start) -> None:
    gateway = start(log_format='"json"')
    answer = ask(gateway, Script(tag="a", text="one two three", first_delay_ms=50))
    (event,) = lines(gateway, "/v1/chat/completions")
    assert event["generated_tokens"] == answer.usage["completion_tokens"]
    assert event["prompt_tokens"] == answer.usage["prompt_tokens"]
    assert (event["model"], event["outcome"], event["status"]) == ("direct", "stop", 200)
    assert event["endpoint"].startswith("127.0.0.1:")
    assert 50 <= event["ttft_ms"] <= event["total_ms"]
    assert event["queue_ms"] == 0
    assert (event["client"], event["caller"], event["logger"]) == ("127.0.0.1", "", "gateway.access")
    assert "prompt" not in event
    assert "script" not in gateway.log.read_text("utf-8"), "no text of prompts"


def test_a_client_who_leaves(start: Start) -> None:
    gateway = start(log_format='"json"')
    client = running(gateway, Script(tag="left", text="one two three four", hang_after=2))
    client.read_until(b"data:")
    client.leave()
    (event,) = lines(gateway, "/v1/chat/completions")
    assert event["outcome"] == "cancelled"
    assert "generated_tokens" not in event, "nobody knows how many more there were"


def test_prompts_where_the_operator_asks_for_them(start: Start) -> None:
    gateway = start(log_format='"json"', log_prompts="true")
    script = Script(tag="asked", text="聪明的")
    ask(gateway, script)
    (event,) = lines(gateway, "/v1/chat/completions")
    assert script_text(script) in event["prompt"]


@pytest.mark.parametrize(
    ("trusted", "client"),
    [("[]", "127.0.0.1"), ('["127.0.0.0/8"]', "203.0.113.9"), ('["10.0.0.1"]', "127.0.0.1")],
    ids=["nobody", "the-proxy", "another"],
)
def test_whose_word_is_taken_on_where_a_client_is(start: Start, trusted: str, client: str) -> None:
    gateway = start(log_format='"json"', trusted_proxies=trusted)
    httpx.get(f"{gateway.url}/v1/models", headers={"x-forwarded-for": "203.0.113.9"}, timeout=10)
    (event,) = lines(gateway, "/v1/models")
    assert event["client"] == client


def test_text_is_for_people_and_one_line_whatever_is_asked(start: Start) -> None:
    gateway = start()
    ask(gateway, Script(tag="t", text="one two three"))
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(b"GET /v1/a%0Aforged%20line HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        while client.recv(4096):
            pass
    told = ("forged", "/v1/chat/completions")
    wait_for(lambda: all(any(each in text for text in whole_lines(gateway.log)) for each in told), 10, "both lines")
    log = whole_lines(gateway.log)
    assert not [each for each in log if each.startswith("forged")]
    (chat,) = [each for each in log if "/v1/chat/completions" in each]
    assert " direct: stop, " in chat
    assert " tokens first " in chat
    assert " on 127.0.0.1:" in chat


def test_text_says_who_was_kept_out_and_cannot_be_forged() -> None:
    fields = {"request_id": "r", "method": "GET", "path": "/\n", "status": 401, "total_ms": 0.4, "client": "a\nb"}
    assert line(fields) == r"r GET /\n 401 0ms from a\nb"


def test_an_error_is_one_line_of_json() -> None:
    try:
        raise RuntimeError("a bug\nof ours")
    except RuntimeError:
        record = logging.LogRecord("gateway", logging.ERROR, "", 0, "it %s", ("broke\nhere",), sys.exc_info())
    text = Json("worker-1").format(record)
    assert "\n" not in text
    event = json.loads(text)
    assert (event["level"], event["process"], event["message"]) == ("error", "worker-1", "it broke\nhere")
    assert event["traceback"].endswith("of ours")


def test_wrong_settings_say_what_is_right() -> None:
    with pytest.raises(SettingsError, match="text or json"):
        ServerSettings(log_format="xml")
    with pytest.raises(SettingsError, match=r"10\.0\.0\.0/8"):
        ServerSettings(trusted_proxies=("proxy.example",))
