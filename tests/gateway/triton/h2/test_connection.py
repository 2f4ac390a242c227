"""A connection that is told bytes: calls answered over every split, windows kept, the end of it."""

from __future__ import annotations

import hpack
import pytest

from gateway.triton.h2 import frames
from gateway.triton.h2.connection import BEFORE_SETTINGS, Connection
from gateway.triton.h2.frames import Code
from gateway.triton.h2.grpc_messages import End, framed
from gateway.triton.h2.limits import Limits
from gateway.triton.status import Status
from tests.gateway.triton.h2.peer import (
    ANSWER,
    REQUEST,
    answer,
    greeting,
    headers,
    kinds,
    message,
    opened,
    sent,
    trailers,
)
from tests.support.splits import every_split

OK = End(Status.OK)


def test_calls_are_answered_over_every_split() -> None:
    table = hpack.Encoder()
    server = greeting() + headers(1, *ANSWER, table=table) + headers(3, *ANSWER, table=table)
    server += message(3, b"c") + message(1, b"aaa") + frames.frame(frames.DATA, 0, 1, framed(b"bb")[:3])
    server += frames.frame(frames.PING, 0, 0, b"12345678") + frames.frame(0x77, 0xFF, 0, b"new")
    server += frames.frame(frames.DATA, frames.PADDED, 1, b"\2" + framed(b"bb")[3:] + b"\0\0")
    server += headers(1, ("grpc-status", "0"), end=True, table=table)
    server += headers(3, ("grpc-status", "5"), ("grpc-message", "no%20such"), end=True, table=table)
    for parts in every_split(server):
        connection = Connection()
        streams = [connection.open(REQUEST, b"body", lambda: None) for _ in range(2)]
        took: list[list[bytes]] = [[], []]
        for part in parts:
            for stream in connection.receive(part):
                took[stream.id // 2] += connection.take(stream)
        assert took == [[b"aaa", b"bb"], [b"c"]]
        assert [stream.end for stream in streams] == [OK, End(Status.NOT_FOUND, "no such")]
        assert not connection.streams
        assert connection.lost is None
        answers = [frame for frame in sent(connection) if frame[0] == frames.PING]
        assert answers == [(frames.PING, frames.ACK, 0, b"12345678")]


def test_all_that_came_at_once_is_there_at_once() -> None:
    connection, (one, other) = opened(2)
    connection.receive(answer(1) + answer(3))
    news = connection.receive(message(1, b"a") + message(3, b"x") + message(1, b"b") + message(1, b"c"))
    assert news == [one, other]
    assert connection.take(one) == [b"a", b"b", b"c"]
    assert connection.take(one) == []


def test_a_request_goes_out_as_the_windows_allow() -> None:
    connection = Connection()
    connection.receive(greeting((frames.INITIAL_WINDOW_SIZE, 10)))
    sent(connection)
    body = bytes(range(30))
    stream = connection.open(REQUEST, body, lambda: None)
    (begin, first) = sent(connection)
    assert begin == (frames.HEADERS, frames.END_HEADERS, 1, REQUEST)
    assert first == (frames.DATA, 0, 1, body[:10])
    connection.receive(frames.window_update(1, 5))
    assert sent(connection) == [(frames.DATA, 0, 1, body[10:15])]
    connection.receive(frames.settings([(frames.INITIAL_WINDOW_SIZE, 0)]))
    connection.receive(frames.window_update(1, 8))
    assert frames.DATA not in kinds(sent(connection))  # the window is below zero first
    connection.receive(frames.settings([(frames.INITIAL_WINDOW_SIZE, 100)]))
    rest = [frame for frame in sent(connection) if frame[0] == frames.DATA]
    assert rest == [(frames.DATA, frames.END_STREAM, 1, body[15:])]
    assert not stream.body


def test_a_request_larger_than_a_frame_and_the_connections_window() -> None:
    connection = Connection()
    connection.receive(greeting((frames.INITIAL_WINDOW_SIZE, 2**30)))
    connection.open(REQUEST, bytes(70_000), lambda: None)
    data = [frame for frame in sent(connection) if frame[0] == frames.DATA]
    assert [len(payload) for *_, payload in data] == [16384, 16384, 16384, 16383]
    connection.receive(frames.window_update(0, 10_000))
    ((_, flags, _, payload),) = sent(connection)
    assert (len(payload), flags) == (4465, frames.END_STREAM)


def test_long_headers_go_on_in_the_next_frame() -> None:
    connection = Connection()
    connection.open(b"\0" * 40_000, b"", lambda: None)
    found = sent(connection)[2:]
    assert kinds(found) == [frames.HEADERS, frames.CONTINUATION, frames.CONTINUATION, frames.DATA]
    assert [flags for _, flags, _, _ in found] == [0, 0, frames.END_HEADERS, frames.END_STREAM]


def test_who_does_not_read_gets_no_more_than_a_window() -> None:
    connection, (slow, quick) = opened(2, limits=Limits(stream_window=1000))
    connection.receive(answer(1) + answer(3))
    connection.receive(b"".join(message(1, bytes(95)) for _ in range(9)))
    assert sent(connection) == []
    for _ in range(9):
        connection.receive(message(3, bytes(95)))
        assert connection.take(quick) == [bytes(95)]
    assert [frame[2] for frame in sent(connection)] == [3]
    assert len(connection.take(slow)) == 9
    assert sent(connection) == [(frames.WINDOW_UPDATE, 0, 1, (900).to_bytes(4, "big"))]


def test_a_message_larger_than_the_window_arrives() -> None:
    connection, (stream,) = opened(limits=Limits(stream_window=1000))
    connection.receive(answer(1))
    data, window = framed(bytes(5000)), 1000
    while data:
        assert window > 0, "the peer is stuck"
        part, data = data[:window], data[window:]
        window -= len(part)
        connection.receive(frames.frame(frames.DATA, 0, 1, part))
        window += sum(int.from_bytes(payload, "big") for _, _, _, payload in sent(connection))
    assert connection.take(stream) == [bytes(5000)]


def test_the_connections_window_is_opened_in_batches() -> None:
    limits = Limits(connection_window=100_000, stream_window=2**20)
    connection, (stream,) = opened(limits=limits)
    connection.receive(answer(1))
    for _ in range(20):
        connection.receive(message(1, bytes(9_995)))
        connection.take(stream)
    updates = [frame for frame in sent(connection) if frame[2] == 0]
    assert [int.from_bytes(payload, "big") for *_, payload in updates] == [50_000] * 4


def test_cancel() -> None:
    connection, (one, other) = opened(2)
    connection.receive(answer(1) + message(1, b"a"))
    connection.cancel(one)
    assert sent(connection) == [frames_reset(1, Code.CANCEL)]
    connection.cancel(one)
    assert sent(connection) == []
    # The peer does not know yet.
    assert connection.receive(message(1, b"late") + trailers(1) + message_ok(3)) == [other]
    assert other.end == OK
    assert connection.lost is None


def message_ok(id: int) -> bytes:
    return answer(id) + trailers(id)


def frames_reset(id: int, code: Code) -> frames.Frame:
    return frames.RST_STREAM, 0, id, int(code).to_bytes(4, "big")


def test_a_reset_ends_one_call() -> None:
    connection, (one, other) = opened(2)
    assert connection.receive(frames.rst_stream(1, Code.REFUSED_STREAM)) == [one]
    assert one.end is not None
    assert not one.end.processed
    assert other.end is None


def test_goaway_ends_what_it_does_not_cover() -> None:
    connection, (one, other) = opened(2)
    assert connection.room > 0
    assert connection.receive(frames.goaway(1, 0, "bye")) == [other]
    assert other.end == End(Status.UNAVAILABLE, "the server is going away (NO_ERROR)", processed=False)
    assert connection.room == 0
    assert connection.receive(answer(1) + trailers(1)) == [one]
    assert one.end == OK


def test_the_bytes_end() -> None:
    connection, (stream,) = opened()
    assert connection.disconnected("reset by peer") == [stream]
    assert stream.end == End(Status.UNAVAILABLE, "reset by peer")
    assert connection.lost == "reset by peer"
    assert connection.room == 0
    assert connection.receive(b"more") == []


def test_close() -> None:
    connection, (stream,) = opened()
    connection.close()
    assert kinds(sent(connection)) == [frames.RST_STREAM, frames.GOAWAY]
    assert stream.end is not None
    connection.close()
    assert sent(connection) == []


def test_room() -> None:
    connection = Connection()
    assert connection.room == BEFORE_SETTINGS
    connection.receive(greeting())
    assert connection.room > 10**6
    connection.receive(frames.settings([(frames.MAX_CONCURRENT_STREAMS, 2)]))
    connection.open(REQUEST, b"", lambda: None)
    assert connection.room == 1
    connection.receive(frames.settings([(frames.MAX_CONCURRENT_STREAMS, 0)]))
    assert connection.room == 0


def test_pings_of_ours_are_counted() -> None:
    connection, _ = opened(0)
    connection.ping()
    ((kind, flags, stream, payload),) = sent(connection)
    assert (kind, flags, stream) == (frames.PING, 0, 0)
    connection.receive(frames.frame(frames.PING, frames.ACK, 0, payload))
    assert connection.pings_answered == 1


ANSWERS: dict[str, tuple[bytes, Status, bool]] = {
    # name: what the server says on stream 1, how the call ends, whether we reset the stream
    "trailers-only": (headers(1, *ANSWER, ("grpc-status", "9"), end=True), Status.FAILED_PRECONDITION, False),
    "http-error": (headers(1, (":status", "503"), ("content-type", "text/html")), Status.UNAVAILABLE, True),
    "http-error-alone": (headers(1, (":status", "404"), end=True), Status.UNIMPLEMENTED, False),
    "informational": (headers(1, (":status", "100")) + answer(1) + trailers(1), Status.OK, False),
    "no-status": (answer(1) + headers(1, ("x", "y"), end=True), Status.UNKNOWN, False),
    "no-trailers": (answer(1) + message(1, b"x", end=True), Status.INTERNAL, False),
    "inside-a-message": (
        answer(1) + frames.frame(frames.DATA, 0, 1, framed(b"abc")[:6]) + trailers(1),
        Status.INTERNAL,
        False,
    ),
    "error-inside-a-message": (
        answer(1) + frames.frame(frames.DATA, 0, 1, framed(b"abc")[:6]) + trailers(1, 14),
        Status.UNAVAILABLE,
        False,
    ),
    "headers-twice": (answer(1) + answer(1), Status.INTERNAL, True),
    "data-first": (message(1, b"x"), Status.INTERNAL, True),
    "compressed": (answer(1) + frames.frame(frames.DATA, 0, 1, b"\1\0\0\0\1x"), Status.INTERNAL, True),
    "too-large": (answer(1) + frames.frame(frames.DATA, 0, 1, b"\0\xff\0\0\1"), Status.RESOURCE_EXHAUSTED, True),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_how_a_call_ends_while_the_next_goes_on(name: str) -> None:
    data, status, reset = ANSWERS[name]
    for parts in every_split(data, cuts=5):
        connection, (stream, other) = opened(2)
        for part in parts:
            connection.receive(part)
        assert stream.end is not None
        assert stream.end.status is status
        assert (frames.RST_STREAM in kinds(sent(connection))) is reset
        assert connection.receive(answer(3) + trailers(3)) == [other]
        assert other.end == OK


def test_an_answer_before_the_request_is_sent_resets_the_rest() -> None:
    connection, (stream,) = opened(body=bytes(100_000))
    assert stream.body
    connection.receive(answer(1) + trailers(1, 3, "too long"))
    assert stream.end == End(Status.INVALID_ARGUMENT, "too long")
    assert sent(connection) == [frames_reset(1, Code.CANCEL)]
    connection.receive(frames.window_update(0, 10**6))
    assert sent(connection) == []
