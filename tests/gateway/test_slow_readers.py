"""Clients that do not read: the engine is read on, deltas are merged and bounded, and nobody else notices."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import ask, messages
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.sse import DONE, read_events
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton
from tests.support.waiting import until

PATIENCE = 20.0  # seconds for anything that is expected to happen
TOKENS = 1500


@contextmanager
def gateway_with(folder: Path, triton: ScriptedTriton, tokenizer: TokenizerFolder, **edge: Any) -> Iterator[Gateway]:
    """A gateway with keys of [edge]."""
    config = gateway_toml(folder / "gateway.toml", triton.grpc, tokenizer.path, max_model_len=2048, routes=["direct"])
    keys = "".join(f"{name} = {value}\n" for name, value in edge.items())
    config.write_text(f"{config.read_text()}\n[edge]\n{keys}")
    with gateway_serving(folder / "log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def patient(
    tmp_path_factory: pytest.TempPathFactory, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[Gateway]:
    """Waits longer than any test takes, with room for every answer."""
    folder = tmp_path_factory.mktemp("patient")
    with gateway_with(folder, scripted_triton, tokenizer, backlog_bytes=2**24, stall_seconds=600) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[Gateway]:
    """Has hardly any room, and waits for a second."""
    folder = tmp_path_factory.mktemp("strict")
    with gateway_with(folder, scripted_triton, tokenizer, backlog_bytes=1024, stall_seconds=1) as gateway:
        yield gateway


class SlowClient:
    """Asks for a long answer, and reads when it is told to. Its receive buffer is as small as the system lets it be."""

    def __init__(self, gateway: Gateway, script: Script) -> None:
        address = urlsplit(gateway.url)
        assert address.hostname is not None
        assert address.port is not None
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.settimeout(PATIENCE)
        self._socket.connect((address.hostname, address.port))
        body = {
            "model": "direct",
            "messages": messages(script),
            "stream": True,
            "max_tokens": TOKENS,
            "logprobs": True,  # long chunks
            "stream_options": {"include_usage": True},
        }
        payload = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(payload)}\r\n\r\n"
        self._socket.sendall(head.encode() + payload)

    def __enter__(self) -> SlowClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def rest(self) -> tuple[bytes, bool]:
        """All that comes, and whether it came to a good end: not a reset, nor an end inside of a chunk."""
        # Through so small a window the kernel sends a few bytes for each of its probes, which grow rare: half a minute.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        data = b""
        try:
            while more := self._socket.recv(65536):
                data += more
                if data.endswith(b"\r\n0\r\n\r\n"):
                    return data, True
        except ConnectionResetError:
            pass
        return data, False


def outcomes(gateway: Gateway, outcome: str) -> float:
    """Requests that ended so."""
    return gateway.metric("gateway_requests_total", model="direct", outcome=outcome)


def body_of(reply: bytes) -> bytes:
    """The body of a chunked reply."""
    _, _, rest = reply.partition(b"\r\n\r\n")
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return body
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]


def test_the_engine_is_read_on_and_the_client_catches_up(patient: Gateway) -> None:
    script = Script(tag="slow-catches-up", text="one two three four five six seven ", repeat=True)
    quick = ask(patient, script, stream=False, max_tokens=TOKENS)
    before = outcomes(patient, "length")
    with SlowClient(patient, script) as client:
        until(lambda: outcomes(patient, "length") == before + 1, PATIENCE)
        reply, whole = client.rest()
    assert whole
    events = [event.data for event in read_events(body_of(reply))]
    assert events.pop() == DONE
    assert events.pop()["usage"] == quick.usage
    choices = [event["choices"][0] for event in events]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == quick.text
    assert choices[-1]["finish_reason"] == "length"
    logprobs = [token for choice in choices for token in (choice["logprobs"] or {"content": []})["content"]]
    assert "".join(token["token"] for token in logprobs) == quick.text
    assert len(choices) < len(logprobs), "nothing was merged: the client was not slow"


def test_an_error_comes_after_all_that_waited(patient: Gateway) -> None:
    before = outcomes(patient, "upstream_error")
    script = Script(tag="slow-error", text="one two three ", repeat=True, error_after=1200)
    with SlowClient(patient, script) as client:
        until(lambda: outcomes(patient, "upstream_error") == before + 1, PATIENCE)
        reply, whole = client.rest()
    assert whole
    events = [event.data for event in read_events(body_of(reply))]
    assert events.pop() == DONE
    assert events.pop()["error"]["code"] == "upstream_error"
    logprobs = [event["choices"][0]["logprobs"] or {"content": []} for event in events]
    assert sum(len(each["content"]) for each in logprobs) == 1200


def test_nobody_else_notices(patient: Gateway, scripted_triton: ScriptedTriton) -> None:
    before = outcomes(patient, "length")
    with ExitStack() as stack:
        scripts = [Script(tag=f"slow-{n}", text="one two three ", repeat=True, delay_ms=1) for n in range(8)]
        for script in scripts:
            stack.enter_context(SlowClient(patient, script))
        for script in scripts:
            scripted_triton.journal.wait_for(script.tag, "first")
        answer = ask(patient, Script(text="the answer of somebody quick"), max_tokens=50)
        assert answer.text == "the answer of somebody quick"
        until(lambda: outcomes(patient, "length") == before + 8, PATIENCE)


def test_too_much_that_waits_is_a_cancel(strict: Gateway, scripted_triton: ScriptedTriton) -> None:
    tag = "slow-overflow"
    before = outcomes(strict, "cancelled")
    with SlowClient(strict, Script(tag=tag, text="one two three ", repeat=True, delay_ms=1)) as client:
        scripted_triton.journal.wait_for(tag, "cancel")
        until(lambda: outcomes(strict, "cancelled") == before + 1, PATIENCE)
        reply, whole = client.rest()
    assert not whole
    assert b"[DONE]" not in reply
    assert "reads too slowly" in strict.log.read_text()


def test_a_client_that_stands_still_is_dropped(strict: Gateway, scripted_triton: ScriptedTriton) -> None:
    tag = "slow-stall"
    before = outcomes(strict, "cancelled")
    with SlowClient(strict, Script(tag=tag, text="one two three ", chunk=800, hang_after=800, repeat=True)) as client:
        scripted_triton.journal.wait_for(tag, "cancel")
        until(lambda: outcomes(strict, "cancelled") == before + 1, PATIENCE)
        assert not client.rest()[1]
    assert "read nothing for 1 s" in strict.log.read_text()


def test_an_answer_that_is_whole_does_not_wait_for_ever_either(strict: Gateway) -> None:
    before, dropped = outcomes(strict, "length"), strict.log.read_text().count("read nothing")
    with SlowClient(strict, Script(tag="slow-whole", text="one two three ", chunk=TOKENS, repeat=True)) as client:
        until(lambda: outcomes(strict, "length") == before + 1, PATIENCE)
        until(lambda: strict.log.read_text().count("read nothing") > dropped, PATIENCE)
        assert not client.rest()[1]


def test_nothing_went_wrong_meanwhile(strict: Gateway, patient: Gateway) -> None:
    for gateway in (strict, patient):
        assert gateway.metric("gateway_requests_in_flight", model="direct") == 0
        assert "Traceback" not in gateway.log.read_text()
        assert "ERROR" not in gateway.log.read_text()
