"""Messages cut anywhere, and what headers and trailers say about a call."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.triton.h2.grpc_messages import (
    End,
    MessageError,
    MessageReader,
    end_of,
    end_of_reset,
    framed,
    refusal,
    request_headers,
)
from gateway.triton.status import Status
from tests.support.splits import every_split


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_messages_are_read_over_every_split(given: list[bytes]) -> None:
    data = b"".join(framed(each) for each in given)
    for parts in every_split(data, cuts=5):
        reader = MessageReader(100)
        assert [message for part in parts for message in reader.push(part)] == given
        assert not reader.rest


def test_a_message_that_has_begun_is_known() -> None:
    reader = MessageReader(100)
    assert reader.push(framed(b"ab")[:-1]) == []
    assert reader.rest


BAD = {"compressed": (b"\1\0\0\0\1x", Status.INTERNAL), "large": (b"\0\0\0\0\x65", Status.RESOURCE_EXHAUSTED)}


@pytest.mark.parametrize("name", BAD)
def test_messages_that_are_not_taken(name: str) -> None:
    data, status = BAD[name]
    with pytest.raises(MessageError) as caught:
        MessageReader(100).push(data)
    assert caught.value.end.status is status


ENDS = {
    "ok": ([(b"grpc-status", b"0")], Status.OK, ""),
    "text": ([(b"grpc-status", b"14"), (b"grpc-message", b"try again")], Status.UNAVAILABLE, "try again"),
    "escaped": ([(b"grpc-status", b"3"), (b"grpc-message", b"%E4%BD%A0%20%25")], Status.INVALID_ARGUMENT, "你 %"),
    "escaped-badly": ([(b"grpc-status", b"3"), (b"grpc-message", b"%zz%E4%")], Status.INVALID_ARGUMENT, "%zz\ufffd%"),
    "none": ([(b"x", b"y")], Status.UNKNOWN, "the server's answer ended without a status"),
    "no-number": ([(b"grpc-status", b"fine")], Status.UNKNOWN, ""),
    "unknown-number": ([(b"grpc-status", b"17")], Status.UNKNOWN, ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_trailers(name: str) -> None:
    trailers, status, details = ENDS[name]
    assert end_of(trailers) == End(status, details)


REFUSALS = {
    "grpc": (b"200", b"application/grpc+proto", None),
    "html": (b"200", b"text/html", Status.UNKNOWN),
    "gone": (b"404", b"text/html", Status.UNIMPLEMENTED),
    "proxy": (b"503", b"text/html", Status.UNAVAILABLE),
    "denied": (b"403", b"text/html", Status.PERMISSION_DENIED),
    "teapot": (b"418", b"application/grpc", Status.UNKNOWN),
    "bytes": (b"\xff", b"application/grpc", Status.UNKNOWN),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_answers_that_are_not_grpc(name: str) -> None:
    status, content_type, expected = REFUSALS[name]
    end = refusal([(b":status", status), (b"content-type", content_type)])
    assert (None if end is None else end.status) == expected


def test_resets() -> None:
    assert end_of_reset(7) == End(Status.UNAVAILABLE, "the server reset the stream (REFUSED_STREAM)", processed=False)
    assert end_of_reset(8).status is Status.CANCELLED
    assert end_of_reset(2).status is Status.INTERNAL
    assert end_of_reset(12345) == End(Status.INTERNAL, "the server reset the stream (12345)")


TIMEOUTS = {0.0001: "1m", 1.5: "1500m", 99_999.0: "99999000m", 200_000.0: "200000S", 1e12: "99999999S"}


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_a_request_says_how_long_it_waits(seconds: float) -> None:
    path = "/" + "p" * 300
    block = request_headers(path, "host:1", tls=True, timeout=seconds)
    read = dict(hpack.Decoder().decode(block))
    assert read["grpc-timeout"] == TIMEOUTS[seconds]
    assert (read[":path"], read[":authority"], read[":scheme"]) == (path, "host:1", "https")
    assert "grpc-timeout" not in dict(hpack.Decoder().decode(request_headers(path, "host:1")))
