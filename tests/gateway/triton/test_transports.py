"""What a transport does, on each of them, against a server of grpcio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio

from gateway.core.errors import UpstreamError, UpstreamUnavailable
from gateway.core.tensors import ModelSignature, Response, Tensor, TensorSpec
from gateway.triton import ending
from gateway.triton.transport import Call, Transport
from tests.gateway.triton.conftest import Connect
from tests.gateway.triton.reading import responses_of
from tests.gateway.triton.server import WAIT_SECONDS, Serving, serving

STOP = ("stop", (Tensor.of("stop", "BOOL", (1, 1), [True]),))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Serving]:
    async with serving() as started:
        yield started


def call(model: str, id: str = "a", *, stop: bool = False, data: bytes = b"") -> Call:
    return Call(model, id, (Tensor("x", "UINT8", (len(data),), data),), ("number",), STOP if stop else None)


async def read(transport: Transport, what: Call) -> list[Response]:
    async with aclosing(responses_of(transport, what)) as responses:
        return [response async for response in responses]


def numbers(responses: list[Response]) -> list[int]:
    return [int(response.outputs["number"].numbers()[0]) for response in responses]


async def test_responses_come_in_their_order(connect: Connect, server: Serving) -> None:
    responses = await read(connect(server.address), call("count-20"))
    assert numbers(responses) == list(range(20))
    assert [response.final for response in responses] == [False] * 19 + [True]
    assert responses[3].outputs == {"number": Tensor("number", "INT32", (1, 1), b"\3\0\0\0")}
    assert responses[3].described is responses[2].described, "the same outputs, told by another object"
    (request,) = server.triton.happened.requests
    assert (request.model_name, request.id) == ("count-20", "a")
    assert request.parameters["triton_enable_empty_final_response"].bool_param
    assert [output.name for output in request.outputs] == ["number"]


async def test_hundreds_of_streams_at_once(connect: Connect, server: Serving) -> None:
    transport = connect(server.address)
    answers = await asyncio.gather(*(read(transport, call("count-10", str(number))) for number in range(300)))
    assert all(numbers(answer) == list(range(10)) for answer in answers)


@pytest.mark.parametrize("size", [65_536, 5_000_000])
async def test_responses_larger_than_windows_and_frames(connect: Connect, server: Serving, size: int) -> None:
    transport = connect(server.address)
    answers = await asyncio.gather(*(read(transport, call(f"large-{size}", str(number))) for number in range(3)))
    for (response,) in answers:
        assert response.outputs["number"].data == b"\7\0\0\0" * (size // 4)


@pytest.mark.parametrize("size", [0, 65_535, 3_000_000])
async def test_requests_larger_than_windows_and_frames(connect: Connect, server: Serving, size: int) -> None:
    transport = connect(server.address)
    answers = await asyncio.gather(
        *(read(transport, call("size", str(number), data=bytes(size))) for number in range(3))
    )
    assert [numbers(answer) for answer in answers] == [[size]] * 3


@pytest.mark.parametrize("before", [0, 3])
async def test_an_engine_that_fails(connect: Connect, server: Serving, before: int) -> None:
    responses: list[Response] = []
    stream = responses_of(connect(server.address), call(f"fail-{before}", stop=True))
    for _ in range(before):
        responses.append(await anext(stream))
    with pytest.raises(UpstreamError) as caught:
        await anext(stream)
    assert caught.value.message == "The engine failed the request: engine says 不"
    assert caught.value.status == 502
    assert numbers(responses) == list(range(before))
    await server.triton.until(lambda: server.triton.happened.ended)
    assert len(server.triton.happened.requests) == 1  # it has ended already: nobody asks it to stop


STATUSES = {
    "UNAVAILABLE": UpstreamUnavailable,
    "NOT_FOUND": UpstreamUnavailable,
    "RESOURCE_EXHAUSTED": UpstreamUnavailable,
    "DEADLINE_EXCEEDED": UpstreamUnavailable,
    "INVALID_ARGUMENT": UpstreamError,
    "INTERNAL": UpstreamError,
    "UNKNOWN": UpstreamError,
    "CANCELLED": UpstreamError,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("when", ["refuse", "abort"])
async def test_statuses(connect: Connect, server: Serving, status: str, when: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await read(connect(server.address), call(f"{when}-{status}"))
    assert type(caught.value) is STATUSES[status]
    assert f"'{when}-{status}'" in caught.value.message
    assert "127.0.0.1" not in caught.value.message
    if STATUSES[status] is UpstreamError and status != "CANCELLED":
        assert caught.value.message.endswith(f"({status}): because 你 100%")


async def test_contents_that_are_not_raw(connect: Connect, server: Serving) -> None:
    with pytest.raises(UpstreamError, match="not in raw form"):
        await read(connect(server.address), call("flat"))
    await server.triton.until(lambda: server.triton.happened.cancelled)


async def test_a_stream_that_ends_without_a_final_flag(connect: Connect, server: Serving) -> None:
    assert numbers(await read(connect(server.address), call("short"))) == [0]


async def first(transport: Transport, what: Call) -> None:
    """Reads one response and leaves."""
    async with aclosing(responses_of(transport, what)) as responses:
        await anext(responses)


async def test_leaving_cancels(connect: Connect, server: Serving) -> None:
    await first(connect(server.address), call("hang-2"))
    await server.triton.until(lambda: server.triton.happened.cancelled == ["a"])


@pytest.mark.parametrize("stop", [False, True], ids=["no-stop", "stop"])
async def test_what_ends_by_itself_is_left_to_it(connect: Connect, server: Serving, stop: bool) -> None:
    await first(connect(server.address), replace(call("count-20", stop=stop), ends_itself=lambda: True))
    await server.triton.until(lambda: server.triton.happened.ended == ["a"])
    assert server.triton.happened.cancelled == []
    assert [request.id for request in server.triton.happened.requests] == ["a"]  # nobody asked it to stop


async def test_what_should_end_by_itself_and_does_not_is_cancelled(
    connect: Connect, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "END_SECONDS", 0.1)
    await first(connect(server.address), replace(call("hang-2"), ends_itself=lambda: True))
    await server.triton.until(lambda: server.triton.happened.cancelled == ["a"])


async def test_what_ends_for_its_reader_may_end_by_itself_where_nobody_can_stop_it(
    connect: Connect, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "SETTLE_SECONDS", WAIT_SECONDS)
    await connect(server.address).feed(call("count-200"), lambda _: True)
    await server.triton.until(lambda: server.triton.happened.ended == ["a"])
    assert server.triton.happened.cancelled == []


async def test_what_ends_for_its_reader_alone_is_cancelled(
    connect: Connect, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "SETTLE_SECONDS", 0.1)
    await connect(server.address).feed(call("hang-2"), lambda _: True)
    await server.triton.until(lambda: server.triton.happened.cancelled == ["a"])


async def test_leaving_before_the_first_response_cancels(connect: Connect, server: Serving) -> None:
    task = asyncio.ensure_future(read(connect(server.address), call("hang-0")))
    await asyncio.wait_for(server.triton.arrived.acquire(), WAIT_SECONDS)
    task.cancel()
    await server.triton.until(lambda: server.triton.happened.cancelled == ["a"])
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leaving_asks_the_engine_to_stop_where_it_can(connect: Connect, server: Serving) -> None:
    transport = connect(server.address)
    for what in ("hang-2", "endless"):
        await first(transport, call(what, what, stop=True))
        await server.triton.until(lambda what=what: what in server.triton.happened.ended)
    assert [(each.model_name, each.id) for each in server.triton.happened.requests if each.model_name == "stop"] == [
        ("stop", "hang-2"),
        ("stop", "endless"),
    ]
    assert not server.triton.happened.cancelled


async def test_an_engine_that_does_not_stop_is_cancelled(
    connect: Connect, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "END_SECONDS", 0.1)
    await first(connect(server.address), call("deaf", stop=True))
    await server.triton.until(lambda: server.triton.happened.cancelled == ["a"])


async def test_after_the_last_response_nothing_is_cancelled(connect: Connect, server: Serving) -> None:
    transport = connect(server.address)
    await first(transport, call("lingering", stop=True))
    server.triton.gate.set()
    await transport.close()
    assert server.triton.happened.ended == ["a"]
    assert len(server.triton.happened.requests) == 1


async def test_closing_waits_for_what_is_ending(connect: Connect, server: Serving) -> None:
    transport = connect(server.address)
    await first(transport, call("hang-1", stop=True))
    await transport.close()
    assert server.triton.happened.ended == ["a"]


async def test_a_triton_that_goes_and_comes_back(connect: Connect) -> None:
    async with serving() as started:
        transport = connect(started.address)
        assert await transport.ready("m")
        stream = responses_of(transport, call("hang-1"))
        await anext(stream)
        await started.server.stop(0)
        with pytest.raises(UpstreamUnavailable):
            await anext(stream)
    assert not await transport.ready("m")
    with pytest.raises(UpstreamUnavailable) as caught:
        await read(transport, call("count-3"))
    assert caught.value.message == (
        "The model server behind 'count-3' is not available right now (unavailable). Try again shortly."
    )
    with pytest.raises(UpstreamUnavailable):
        await transport.live()
    async with serving(started.address):
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not await transport.ready("m"):
            assert asyncio.get_running_loop().time() < deadline
        assert numbers(await read(transport, call("count-3"))) == [0, 1, 2]
        await transport.close()


async def test_what_is_there(connect: Connect, server: Serving) -> None:
    transport = connect(server.address, control_timeout=0.2)
    assert await transport.signature("m") == ModelSignature(
        "m",
        (TensorSpec("a", "BYTES", (-1,), True),),
        (TensorSpec("b", "INT32", (2, -1)),),
        True,
        8,
        (("k", "v"),),
    )
    assert await transport.signature("none") is None
    assert await transport.ready("m")
    assert not await transport.ready("other")
    await transport.live()
    assert await transport.version() == "2.51.0"
    with pytest.raises(UpstreamUnavailable):
        await transport.signature("away")
    with pytest.raises(UpstreamUnavailable, match="deadline exceeded"):
        await transport.signature("silent")
    assert not await transport.ready("silent")
