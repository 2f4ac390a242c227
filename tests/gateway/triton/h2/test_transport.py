"""Our HTTP/2 on real sockets: what arrives, what is refused or lost, and what servers worse than those of grpcio do."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import uvloop

from gateway.core.errors import UpstreamError, UpstreamUnavailable
from gateway.core.tensors import Response
from gateway.core.tls import ClientTls
from gateway.triton.h2 import frames
from gateway.triton.h2.transport import H2Transport
from gateway.triton.transport import Call
from tests.gateway.triton.h2.peer import answer, message, trailers
from tests.gateway.triton.h2.transport import LAST, ONE, TWO, h2
from tests.gateway.triton.h2.wire import Peer, wire
from tests.gateway.triton.reading import batches_of, responses_of
from tests.gateway.triton.server import WAIT_SECONDS
from tests.gateway.triton.test_transports import numbers, read
from tests.support.certificates import Authority


async def test_what_arrived_at_once_is_handed_over_at_once() -> None:
    async def behave(peer: Peer, number: int) -> None:
        id = await peer.request()
        peer.say(answer(id), message(id, ONE), message(id, TWO))
        await told.wait()
        peer.say(message(id, LAST), trailers(id))

    told = asyncio.Event()
    async with wire(behave) as server, h2(server.address) as transport:
        batches: list[list[Response]] = []
        async for batch in batches_of(transport, Call("m", "a", ())):
            batches.append(batch)
            told.set()
    assert [numbers(batch) for batch in batches] == [[1, 2], [3]]


async def test_an_error_in_a_batch_comes_after_what_was_before_it() -> None:
    async def behave(peer: Peer, number: int) -> None:
        id = await peer.request()
        peer.say(answer(id), message(id, ONE), message(id, b"\x0a\x02no"), trailers(id))

    async with wire(behave) as server, h2(server.address) as transport:
        batches = batches_of(transport, Call("m", "a", ()))
        assert numbers(await anext(batches)) == [1]
        with pytest.raises(UpstreamError, match="The engine failed the request: no"):
            await anext(batches)


WRONG = {
    "http1": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "silence": b"",
    "other-frame": frames.frame(frames.PING, 0, 0, bytes(8)),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_server_of_something_else(what: str, caplog: pytest.LogCaptureFixture) -> None:
    async def behave(peer: Peer, number: int) -> None:
        peer.say(WRONG[what])

    async with wire(behave, greet=False) as server, h2(server.address, connect_timeout=0.2) as transport:
        with caplog.at_level(logging.WARNING), pytest.raises(UpstreamUnavailable):
            await read(transport, Call("m", "a", ()))
        await transport.close()
    if what != "silence":
        assert f"cannot reach Triton at {server.address}: the server does not speak HTTP/2" in caplog.text
        assert "Is this its gRPC port?" in caplog.text


async def test_a_server_that_stays_away_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    transport = H2Transport("127.0.0.1:1")  # nobody listens there
    try:
        for _ in range(3):
            assert not await transport.ready("m")
    finally:
        await transport.close()
    assert caplog.text.count("cannot reach Triton at 127.0.0.1:1") == 1


async def test_a_server_that_breaks_the_protocol_takes_its_calls_with_it() -> None:
    async def behave(peer: Peer, number: int) -> None:
        first, second = await peer.request(), await peer.request()
        peer.say(answer(first), message(first, ONE), frames.window_update(second, 0))

    async with wire(behave) as server, h2(server.address) as transport:
        one, other = (asyncio.ensure_future(read(transport, Call("m", id, ()))) for id in "ab")
        for task in (one, other):
            with pytest.raises(UpstreamUnavailable):
                await task


async def test_a_server_that_answers_no_ping_is_left() -> None:
    async def behave(peer: Peer, number: int) -> None:
        await peer.frame(frames.PING)

    async with wire(behave) as server, h2(server.address, tick_seconds=0.01) as transport:
        with pytest.raises(UpstreamUnavailable) as caught:
            await read(transport, Call("m", "a", ()))
    assert caught.value.__cause__ is not None
    assert str(caught.value.__cause__) == "the server does not answer pings"


async def test_a_silent_server_that_answers_pings_is_kept() -> None:
    async def behave(peer: Peer, number: int) -> None:
        id = await peer.request()
        for _ in range(2):
            _, _, _, payload = await peer.frame(frames.PING)
            peer.say(frames.frame(frames.PING, frames.ACK, 0, payload))
        peer.say(answer(id), message(id, LAST), trailers(id))

    async with wire(behave) as server, h2(server.address, tick_seconds=0.005) as transport:
        assert numbers(await read(transport, Call("m", "a", ()))) == [3]


async def test_leaving_while_the_connection_is_being_made() -> None:
    async def behave(peer: Peer, number: int) -> None:
        accepted.set()

    accepted = asyncio.Event()
    async with wire(behave, greet=False) as server, h2(server.address) as transport:
        task = asyncio.ensure_future(read(transport, Call("m", "a", ())))
        await asyncio.wait_for(accepted.wait(), WAIT_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


ANSWERS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "none": (lambda id: b"", "0 answers"),
    "two": (lambda id: message(id, b"") * 2, "2 answers"),
    "noise": (lambda id: message(id, b"\xff\xff"), "cannot be read"),
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_answers_that_are_none(what: str) -> None:
    async def behave(peer: Peer, number: int) -> None:
        id = await peer.request()
        peer.say(answer(id), ANSWERS[what][0](id), trailers(id))

    async with wire(behave) as server, h2(server.address) as transport:
        with pytest.raises(UpstreamError, match=ANSWERS[what][1]):
            await transport.version()


async def test_tls_without_http2_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def behave(peer: Peer, number: int) -> None: ...

    authority = Authority(tmp_path, "ours")
    pair = authority.signed("server", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    async with wire(behave, tls=context) as server, h2(server.address, tls=ClientTls(ca=authority.ca)) as transport:
        with pytest.raises(UpstreamUnavailable):
            await transport.live()
    assert "does not offer HTTP/2 (ALPN h2)" in caplog.text


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_it_runs_on_uvloop(tmp_path: Path, secured: bool) -> None:
    async def behave(peer: Peer, number: int) -> None:
        id = await peer.request()
        peer.say(answer(id), message(id, ONE), message(id, LAST), trailers(id))

    context = tls = None
    if secured:
        authority = Authority(tmp_path, "ours")
        pair = authority.signed("server", "IP:127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        context.set_alpn_protocols(["h2"])
        tls = ClientTls(ca=authority.ca)

    async def main() -> list[int]:
        async with (
            wire(behave, tls=context) as server,
            h2(server.address, tls=tls) as transport,
            aclosing(responses_of(transport, Call("m", "a", ()))) as responses,
        ):
            return numbers([each async for each in responses])

    assert uvloop.run(main()) == [1, 3]
