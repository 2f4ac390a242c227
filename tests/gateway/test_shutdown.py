"""SIGTERM: readiness goes first, requests in flight end well or with an error that says so, and the exit code is 0."""

from __future__ import annotations

import signal
import socket
from urllib.parse import urlsplit

import httpx

from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.gateway.processes import PATIENCE, Start, ready, running
from tests.support.triton import ScriptedTriton
from tests.support.waiting import until


def test_a_stream_finishes_within_the_grace_time(start: Start, scripted_triton: ScriptedTriton) -> None:
    gateway = start()
    tag = "shutdown-finish"
    client = running(gateway, Script(tag=tag, text="one two three four five six", delay_ms=150))
    seen = client.read_until(b'"content":')
    gateway.process.send_signal(signal.SIGTERM)
    whole = seen + client.read_to_end()
    assert b"data: [DONE]" in whole
    assert b'"error"' not in whole
    assert gateway.process.wait(PATIENCE) == 0
    assert scripted_triton.journal.wait_for(tag, "end")["reason"] != "cancel"


def test_what_outlasts_the_grace_time_is_told(start: Start, scripted_triton: ScriptedTriton) -> None:
    gateway = start(grace_seconds=0.5)
    journal = scripted_triton.journal
    streaming = running(gateway, Script(tag="shutdown-stream", text="one two ", hang_after=2))
    waiting = running(gateway, Script(tag="shutdown-first", text="x", hang_after=0))
    collected = running(gateway, Script(tag="shutdown-whole", text="x", hang_after=1), stream=False)
    for tag in ("shutdown-stream", "shutdown-first", "shutdown-whole"):
        journal.wait_for(tag, "hang")
    seen = streaming.read_until(b'"content":')
    gateway.process.send_signal(signal.SIGTERM)
    last = (seen + streaming.read_to_end()).partition(b'"error":')[2]
    assert b'"code":"shutting_down"' in last
    assert b"data: [DONE]" in last
    for client in (waiting, collected):
        said = client.read_to_end()
        assert said.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in said
        assert b"connection: close" in said
        assert b'"shutting_down"' in said
    assert gateway.process.wait(PATIENCE) == 0
    for tag in ("shutdown-stream", "shutdown-first", "shutdown-whole"):
        assert journal.wait_for(tag, "end")["reason"] == "cancel"


def test_readiness_goes_first_and_whoever_still_comes_is_served(start: Start) -> None:
    gateway = start(drain_seconds=3)
    until(lambda: ready(gateway) == 200)
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: ready(gateway) == 503)
    assert httpx.get(f"{gateway.url}/healthz", timeout=10).status_code == 200
    reply = httpx.post(
        f"{gateway.api}/chat/completions", json={"model": "direct", "messages": messages(Script(text="hi"))}, timeout=30
    )
    assert reply.status_code == 200
    assert reply.headers["connection"] == "close"
    assert gateway.process.wait(PATIENCE) == 0


def test_the_port_closes_before_anybody_is_refused(start: Start, scripted_triton: ScriptedTriton) -> None:
    """Whoever connects anew is served or not let in, so that every proxy may try another gateway."""
    gateway = start(grace_seconds=300)
    client = running(gateway, Script(tag="shutdown-port", text="x ", hang_after=1))
    client.read_until(b'"content":')
    gateway.process.send_signal(signal.SIGTERM)
    statuses: set[int] = set()

    def closed() -> bool:
        body = {"model": "direct", "messages": messages(Script(text="hi"))}
        try:
            statuses.add(httpx.post(f"{gateway.api}/chat/completions", json=body, timeout=30).status_code)
        except httpx.TransportError:
            return True
        return False

    until(closed)
    assert statuses <= {200}
    gateway.process.send_signal(signal.SIGTERM)
    client.read_to_end()
    assert gateway.process.wait(PATIENCE) == 0


def test_a_second_signal_waits_for_nothing(start: Start, scripted_triton: ScriptedTriton) -> None:
    gateway = start(drain_seconds=300, grace_seconds=300)
    client = running(gateway, Script(tag="shutdown-twice", text="x ", hang_after=1))
    client.read_until(b'"content":')
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: ready(gateway) == 503)
    gateway.process.send_signal(signal.SIGINT)
    assert b"shutting_down" in client.read_to_end()
    assert gateway.process.wait(PATIENCE) == 0
    assert scripted_triton.journal.wait_for("shutdown-twice", "end")["reason"] == "cancel"


def test_a_client_that_reads_nothing_does_not_hold_the_end_up(start: Start) -> None:
    gateway = start(grace_seconds=0.5)
    address = urlsplit(gateway.url)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((address.hostname, address.port))
        body = httpx.Request(
            "POST", gateway.url, json={"model": "direct", "messages": messages(Script(text="many words ", repeat=True)),
            "stream": True, "max_tokens": 1500},
        ).content  # fmt: skip
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        deaf.sendall(head.encode() + body)
        assert deaf.recv(64).startswith(b"HTTP/1.1 200")
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(PATIENCE) == 0
