"""Servers that break HTTP/2 or flood: the connection ends with everything on it, and nothing else happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.triton.h2 import frames
from gateway.triton.h2.connection import Connection
from gateway.triton.h2.frames import Code
from gateway.triton.h2.grpc_messages import framed
from gateway.triton.h2.headers import header_block
from gateway.triton.h2.limits import Limits
from gateway.triton.status import Status
from tests.gateway.triton.h2.peer import ANSWER, REQUEST, answer, greeting, kinds, message, opened, sent, trailers
from tests.support.splits import every_split

PING = frames.frame(frames.PING, 0, 0, bytes(8))
HALF = frames.frame(frames.HEADERS, 0, 1, header_block(ANSWER))

BROKEN: dict[str, tuple[bytes, Code]] = {
    "frame-too-large": (frames.frame(frames.DATA, 0, 1, bytes(5000)), Code.FRAME_SIZE_ERROR),
    "stream-nobody-opened": (answer(5), Code.PROTOCOL_ERROR),
    "stream-of-the-server": (answer(2), Code.PROTOCOL_ERROR),
    "data-of-the-connection": (message(0, b"x"), Code.PROTOCOL_ERROR),
    "headers-of-the-connection": (answer(0), Code.PROTOCOL_ERROR),
    "data-of-nobody": (message(7, b"x"), Code.PROTOCOL_ERROR),
    "reset-of-nobody": (frames.rst_stream(7, 0), Code.PROTOCOL_ERROR),
    "reset-of-the-connection": (frames.rst_stream(0, 0), Code.PROTOCOL_ERROR),
    "window-of-nobody": (frames.window_update(7, 1), Code.PROTOCOL_ERROR),
    "window-of-nothing": (frames.window_update(1, 0), Code.PROTOCOL_ERROR),
    "window-too-large": (frames.window_update(0, 2**31 - 1), Code.FLOW_CONTROL_ERROR),
    "stream-window-too-large": (frames.window_update(1, 2**31 - 1), Code.FLOW_CONTROL_ERROR),
    "initial-window-too-large": (frames.settings([(4, 2**31)]), Code.FLOW_CONTROL_ERROR),
    "initial-window-overflows": (
        frames.window_update(1, 10**9) + frames.settings([(4, 2**31 - 1)]),
        Code.FLOW_CONTROL_ERROR,
    ),
    "frame-size-too-small": (frames.settings([(5, 100)]), Code.PROTOCOL_ERROR),
    "frame-size-too-large": (frames.settings([(5, 2**24)]), Code.PROTOCOL_ERROR),
    "settings-of-a-stream": (frames.frame(frames.SETTINGS, 0, 1), Code.PROTOCOL_ERROR),
    "settings-cut": (frames.frame(frames.SETTINGS, 0, 0, b"12345"), Code.FRAME_SIZE_ERROR),
    "settings-in-an-answer": (frames.frame(frames.SETTINGS, frames.ACK, 0, b"123456"), Code.PROTOCOL_ERROR),
    "too-many-settings": (frames.settings([(9, 9)] * 65), Code.ENHANCE_YOUR_CALM),
    "ping-of-a-stream": (frames.frame(frames.PING, 0, 1, bytes(8)), Code.PROTOCOL_ERROR),
    "ping-cut": (frames.frame(frames.PING, 0, 0, bytes(7)), Code.FRAME_SIZE_ERROR),
    "goaway-of-a-stream": (frames.frame(frames.GOAWAY, 0, 1, bytes(8)), Code.PROTOCOL_ERROR),
    "goaway-cut": (frames.frame(frames.GOAWAY, 0, 0, bytes(7)), Code.FRAME_SIZE_ERROR),
    "push": (frames.frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), Code.PROTOCOL_ERROR),
    "continuation-of-nothing": (frames.frame(frames.CONTINUATION, 4, 1), Code.PROTOCOL_ERROR),
    "frame-inside-headers": (HALF + PING, Code.PROTOCOL_ERROR),
    "data-inside-headers": (HALF + message(1, b"x"), Code.PROTOCOL_ERROR),
    "continuation-of-another": (HALF + frames.frame(frames.CONTINUATION, 4, 3), Code.PROTOCOL_ERROR),
    "continuations-without-end": (HALF + frames.frame(frames.CONTINUATION, 0, 1) * 40, Code.ENHANCE_YOUR_CALM),
    "header-block-that-is-none": (frames.frame(frames.HEADERS, 4, 1, b"\xff\xff\xff\xff\xff"), Code.COMPRESSION_ERROR),
    "padding-too-long": (frames.frame(frames.DATA, frames.PADDED, 1, b"\xffabc"), Code.PROTOCOL_ERROR),
    "more-than-the-stream-window": (
        answer(1) + message(1, bytes(900)) + message(1, bytes(900)),
        Code.FLOW_CONTROL_ERROR,
    ),
    "data-after-the-end": (answer(1) + trailers(1) + message(1, b"x"), Code.STREAM_CLOSED),
    "pings": (PING * 90, Code.ENHANCE_YOUR_CALM),
    "settings": (greeting() * 50, Code.ENHANCE_YOUR_CALM),
    "windows": (frames.window_update(0, 1) * 90, Code.ENHANCE_YOUR_CALM),
    "empty-data": (answer(1) + frames.frame(frames.DATA, 0, 1) * 90, Code.ENHANCE_YOUR_CALM),
    "only-padding": (answer(1) + frames.frame(frames.DATA, 8, 1, b"\0") * 90, Code.ENHANCE_YOUR_CALM),
    "priorities": (frames.frame(frames.PRIORITY, 0, 1, bytes(5)) * 90, Code.ENHANCE_YOUR_CALM),
    "unknown-frames": (frames.frame(0xAA, 0, 0) * 90, Code.ENHANCE_YOUR_CALM),
    "headers-after-the-end": (answer(1) + trailers(1) * 90, Code.ENHANCE_YOUR_CALM),
    "resets-after-the-end": (answer(1) + trailers(1) + frames.rst_stream(1, 0) * 90, Code.ENHANCE_YOUR_CALM),
    "informational": (frames.frame(1, 4, 1, header_block([(":status", "103")])) * 90, Code.ENHANCE_YOUR_CALM),
}
LIMITS = Limits(stream_window=1000, frame=4096, chatter=50)


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_connection(name: str) -> None:
    data, code = BROKEN[name]
    for parts in (
        [[data], [data[i : i + 1] for i in range(len(data))]] if len(data) > 500 else every_split(data, cuts=3)
    ):
        connection, streams = opened(2, limits=LIMITS)
        news = [stream for part in parts for stream in connection.receive(part)]
        assert connection.lost is not None
        assert connection.room == 0
        assert all(stream.end is not None for stream in streams)
        assert {stream.id for stream in news if stream.end and stream.end.status is not Status.OK} <= {1, 3}
        assert not connection.streams
        goaway = sent(connection)[-1]
        assert goaway[0] == frames.GOAWAY
        assert frames.read_goaway(goaway[3])[1] == code
        assert connection.receive(answer(1)) == []


def test_more_than_the_connections_window() -> None:
    connection, (stream,) = opened(limits=Limits(stream_window=10**6, connection_window=70_000, frame=10**6))
    connection.receive(answer(1) + message(1, bytes(80_000)))
    assert frames.read_goaway(sent(connection)[-1][3])[1] == Code.FLOW_CONTROL_ERROR
    assert stream.end is not None


FIRST = {
    "http1": b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "ping": PING,
    "ack": frames.frame(frames.SETTINGS, frames.ACK, 0),
    "of-a-stream": frames.frame(frames.SETTINGS, 0, 1),
}


@pytest.mark.parametrize("name", FIRST)
def test_a_server_of_something_else_is_told_apart(name: str) -> None:
    for parts in every_split(FIRST[name], cuts=3):
        connection = Connection()
        stream = connection.open(REQUEST, b"", lambda: None)
        for part in parts:
            connection.receive(part)
        assert connection.lost == "the server does not speak HTTP/2 on this port"
        assert stream.end is not None


def test_late_data_is_taken_up_to_the_window_and_no_further() -> None:
    connection, (stream, _) = opened(2, limits=LIMITS)
    connection.receive(answer(1) + message(1, bytes(195)))
    connection.cancel(stream)
    late = frames.frame(frames.DATA, 0, 1, bytes(400))
    connection.receive(late * 2)
    assert connection.lost is None
    connection.receive(late)
    assert connection.lost is not None


def test_a_talkative_server_that_also_works_is_fine() -> None:
    connection, (stream, _) = opened(2, limits=LIMITS)
    connection.receive(answer(1))
    for _ in range(100):
        connection.receive(PING * 5 + frames.window_update(0, 1) + message(1, b"x"))
        connection.take(stream)
    for _ in range(10):
        connection.receive(PING * 40)
        connection.tick()
    assert connection.lost is None
    assert kinds(sent(connection)).count(frames.PING) == 900


def test_as_many_calls_as_one_likes_may_begin_at_once() -> None:
    connection, streams = opened(1000, limits=LIMITS)
    for ticks in range(2):
        for stream in streams:
            connection.receive(PING + frames.window_update(0, 9) + frames.window_update(stream.id, 9))
        if not ticks:
            connection.receive(b"".join(answer(stream.id) for stream in streams))
        connection.tick()
    assert connection.lost is None
    connection.receive(PING * 9000)
    assert connection.lost is not None


NOISE = st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 8), st.binary(max_size=30))
SPOKEN = st.sampled_from(
    [
        answer(1),
        answer(3),
        message(1, b"abc"),
        frames.frame(frames.DATA, 0, 3, framed(b"abcdef")[:7]),
        frames.window_update(1, 100),
        frames.settings([(frames.INITIAL_WINDOW_SIZE, 3)]),
        trailers(1),
        frames.rst_stream(3, 8),
        PING,
        HALF,
        frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, b""),
    ]
)


@given(st.lists(st.one_of(SPOKEN, NOISE.map(lambda frame: frames.frame(*frame)), st.binary(max_size=20)), max_size=12))
def test_whatever_comes_ends_calls_and_raises_nothing(parts: list[bytes]) -> None:
    data = b"".join(parts)
    outcomes = []
    for split in ([data], [data[i : i + 1] for i in range(len(data))], parts):
        connection, streams = opened(2, body=bytes(50), limits=LIMITS)
        for part in split:
            for stream in connection.receive(part):
                assert stream in streams
        outcomes.append(([stream.end for stream in streams], connection.lost, [stream.messages for stream in streams]))
        if connection.lost is not None and "going away" not in connection.lost:
            assert all(stream.end is not None for stream in streams)
        assert set(connection.streams.values()) == {stream for stream in streams if stream.end is None}
    assert outcomes[0] == outcomes[1] == outcomes[2]
