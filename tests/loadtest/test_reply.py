"""Replies as servers send them, cut in every way that matters."""

from __future__ import annotations

import pytest

from loadtest.reply import BrokenReply, Reply
from tests.support.splits import every_split

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(*payloads: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (*payloads, b""))


STREAMS = {
    "one-frame-per-chunk": (chunked(b"data: {1}\n\n", b"data: [DONE]\n\n"), [b"data: {1}", b"data: [DONE]"], b""),
    "many-in-a-chunk": (chunked(b"data: {1}\n\ndata: {2}\n\n"), [b"data: {1}", b"data: {2}"], b""),
    "a-frame-over-chunks": (chunked(b"data: {", b"1}\n", b"\ndata: {2}\n\n"), [b"data: {1}", b"data: {2}"], b""),
    "comments": (chunked(b": ping\n\n", b"data: {1}\n\n"), [b"data: {1}"], b""),
    "error": (chunked(b'data: {"error": 1}\n\n'), [b'data: {"error": 1}'], b'data: {"error": 1}'),
}


@pytest.mark.parametrize(("body", "frames", "error"), STREAMS.values(), ids=STREAMS)
def test_streams(body: bytes, frames: list[bytes], error: bytes) -> None:
    for parts in every_split(EVENTS + body):
        reply = Reply()
        assert [frame for part in parts for frame in reply.push(part)] == frames
        assert (reply.status, reply.complete, reply.error) == (200, True, error)
        assert reply.done == (b"data: [DONE]" in frames)


@pytest.mark.parametrize(("status", "error"), [(200, b""), (429, b'{"error": 1}')])
def test_a_counted_body(status: int, error: bytes) -> None:
    whole = b'HTTP/1.1 %d X\r\nretry-after: 3\r\ncontent-length: 12\r\n\r\n{"error": 1}' % status
    for parts in every_split(whole):
        reply = Reply()
        for part in parts:
            assert reply.push(part) == []
        assert (reply.status, reply.complete, bytes(reply.body), reply.error) == (status, True, b'{"error": 1}', error)
        assert reply.headers["retry-after"] == "3"


def test_a_body_that_ends_with_its_connection() -> None:
    reply = Reply()
    reply.push(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert not reply.complete
    reply.closed()
    assert (reply.complete, bytes(reply.body)) == (True, b"abc")


def test_a_stream_that_is_cut() -> None:
    reply = Reply()
    reply.push(EVENTS + b"b\r\ndata: {1}\n\n\r\n")
    reply.closed()
    assert not reply.complete


@pytest.mark.parametrize("wrong", [b"SSH-2.0-x\r\n\r\n", EVENTS + b"zz\r\n"], ids=["no-http", "no-size"])
def test_what_is_no_reply(wrong: bytes) -> None:
    with pytest.raises(BrokenReply):
        Reply().push(wrong)
