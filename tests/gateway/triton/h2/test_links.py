"""Connections of our HTTP/2 on real sockets: shared, full, going away, and calls that they did not take up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.triton.h2 import frames
from gateway.triton.transport import Call
from tests.gateway.triton.h2.peer import answer, message, trailers
from tests.gateway.triton.h2.transport import LAST, ONE, h2
from tests.gateway.triton.h2.wire import Peer, wire
from tests.gateway.triton.reading import responses_of
from tests.gateway.triton.server import serving
from tests.gateway.triton.test_transports import call, numbers, read

MAX_STREAMS = (("grpc.max_concurrent_streams", 2),)


async def test_many_calls_share_one_connection() -> None:
    async with serving() as server, h2(server.address) as transport:
        await asyncio.gather(*(read(transport, call("count-3", str(number))) for number in range(50)))
        assert len(server.triton.peers) == 1


async def test_a_full_connection_gets_a_second_one() -> None:
    async with serving(options=MAX_STREAMS) as server, h2(server.address) as transport:
        await transport.live()
        streams = [responses_of(transport, call("hang-1", str(number))) for number in range(5)]
        for stream in streams:
            assert numbers([await anext(stream)]) == [0]
        assert len(server.triton.peers) == 3
        for stream in streams:
            await stream.aclose()


async def test_many_that_begin_at_once_do_not_overfill_a_connection() -> None:
    taken: list[int] = []  # by each connection, before anything is answered
    full = asyncio.Event()
    replying: list[asyncio.Task[None]] = []

    async def behave(peer: Peer, number: int) -> None:
        taken.append(0)
        asked: list[int] = []

        async def reply_to_those() -> None:
            await full.wait()
            for id in asked:
                peer.say(answer(id), message(id, LAST), trailers(id))

        replying.append(asyncio.ensure_future(reply_to_those()))
        while True:
            id = await peer.request()
            if full.is_set():
                peer.say(answer(id), message(id, LAST), trailers(id))
                continue
            asked.append(id)
            taken[number] += 1
            if sum(taken) == 24:
                full.set()

    async with wire(behave, settings=[(frames.MAX_CONCURRENT_STREAMS, 3)]) as server, h2(server.address) as transport:
        answers = await asyncio.gather(*(read(transport, Call("m", str(number), ())) for number in range(48)))
    assert [numbers(each) for each in answers] == [[3]] * 48
    assert taken == [3] * 8


async def test_where_all_are_full_a_call_waits_for_room() -> None:
    async with serving(options=MAX_STREAMS) as server, h2(server.address, most_connections=1) as transport:
        await transport.live()
        streams = [responses_of(transport, call("hang-1", str(number))) for number in range(2)]
        for stream in streams:
            await anext(stream)
        waiting = asyncio.ensure_future(read(transport, call("count-2", "patient")))
        await asyncio.sleep(0)
        await streams[0].aclose()
        assert numbers(await waiting) == [0, 1]
        assert server.triton.happened.cancelled == ["0"]
        await streams[1].aclose()


async def test_but_not_for_ever() -> None:
    async with (
        serving(options=MAX_STREAMS) as server,
        h2(server.address, most_connections=1, connect_timeout=0.3) as transport,
    ):
        await transport.live()
        streams = [responses_of(transport, call("hang-1", str(number))) for number in range(2)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(UpstreamUnavailable):
            await read(transport, call("count-2", "late"))
        for stream in streams:
            await stream.aclose()


async def test_a_server_that_goes_away_finishes_what_it_has() -> None:
    async with serving() as server, h2(server.address) as transport:
        stream = responses_of(transport, call("hang-1"))
        await anext(stream)
        stopping = asyncio.ensure_future(server.server.stop(10))
        while await transport.ready("m"):
            pass  # until it takes no more
        server.triton.stopped["a"].set()
        assert [each.final async for each in stream] == [True]
        await stopping


REFUSED: dict[str, Callable[[int], bytes]] = {
    "goaway": lambda id: frames.goaway(0, 0),
    "reset": lambda id: frames.rst_stream(id, frames.Code.REFUSED_STREAM),
}


@pytest.mark.parametrize("how", REFUSED)
async def test_a_call_that_was_not_taken_up_is_begun_again(how: str) -> None:
    requests: list[int] = []

    async def behave(peer: Peer, number: int) -> None:
        while True:
            id = await peer.request()
            requests.append(id)
            peer.say(REFUSED[how](id) if len(requests) == 1 else answer(id) + message(id, LAST) + trailers(id))

    async with wire(behave) as server, h2(server.address) as transport:
        assert numbers(await read(transport, Call("m", "a", ()))) == [3]
    assert len(requests) == 2


@pytest.mark.parametrize("how", REFUSED)
@pytest.mark.parametrize(("begun", "expected"), [(False, 2), (True, 1)])
async def test_once_and_not_after_it_has_begun(how: str, begun: bool, expected: int) -> None:
    requests: list[int] = []

    async def behave(peer: Peer, number: int) -> None:
        while True:
            id = await peer.request()
            requests.append(id)
            peer.say(answer(id) + message(id, ONE) + REFUSED[how](id) if begun else REFUSED[how](id))

    async with wire(behave) as server, h2(server.address) as transport:
        with pytest.raises(UpstreamUnavailable):
            await read(transport, Call("m", "a", ()))
    assert len(requests) == expected
