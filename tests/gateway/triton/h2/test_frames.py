"""Frames, cut anywhere, and those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.triton.h2 import frames
from gateway.triton.h2.frames import Code, FrameReader, ProtocolError
from tests.support.splits import every_split

FRAMES = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(max_size=64))


@given(st.lists(FRAMES, max_size=6))
def test_what_is_written_is_read_over_every_split(given: list[frames.Frame]) -> None:
    data = b"".join(frames.frame(*each) for each in given)
    for parts in every_split(data, cuts=5):
        reader = FrameReader()
        assert [frame for part in parts for frame in reader.push(part)] == given


def test_the_reserved_bit_of_a_stream_id_is_ignored() -> None:
    (read,) = FrameReader().push(frames.frame(frames.DATA, 0, 2**31 | 5, b"x"))
    assert read == (frames.DATA, 0, 5, b"x")


def test_frames_before_a_broken_one_are_read() -> None:
    data = frames.frame(1, 2, 3, b"good") + frames.frame(0, 0, 1, bytes(101))
    for parts in every_split(data):
        read: list[frames.Frame] = []
        with pytest.raises(ProtocolError) as caught:
            read_into(read, FrameReader(100), parts)
        assert read == [(1, 2, 3, b"good")]
        assert caught.value.code is Code.FRAME_SIZE_ERROR


def read_into(read: list[frames.Frame], reader: FrameReader, parts: list[bytes]) -> None:
    for part in parts:
        for frame in reader.push(part):
            read.append(frame)  # not extend: what came before an error counts


def test_a_frame_that_is_too_large_is_refused_by_its_head_alone() -> None:
    with pytest.raises(ProtocolError):
        list(FrameReader(100).push(frames.frame(0, 0, 1, bytes(101))[:9]))


CONTENTS = {
    "plain": (0, b"abc", b"abc"),
    "empty": (0, b"", b""),
    "padded": (frames.PADDED, b"\2abc\0\0", b"abc"),
    "padded-with-nothing": (frames.PADDED, b"\0abc", b"abc"),
    "all-padding": (frames.PADDED, b"\3\0\0\0", b""),
    "prioritized": (frames.PRIORITIZED, b"\0\0\0\0\0abc", b"abc"),
    "both": (frames.PADDED | frames.PRIORITIZED, b"\1\0\0\0\0\0abc\0", b"abc"),
    "padding-without-length": (frames.PADDED, b"", Code.FRAME_SIZE_ERROR),
    "more-padding-than-payload": (frames.PADDED, b"\4\0\0\0", Code.PROTOCOL_ERROR),
    "cut-priority": (frames.PRIORITIZED, b"\0\0\0\0", Code.PROTOCOL_ERROR),
    "padding-into-priority": (frames.PADDED | frames.PRIORITIZED, b"\3\0\0\0\0\0ab", Code.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_content(name: str) -> None:
    flags, payload, expected = CONTENTS[name]
    if isinstance(expected, Code):
        with pytest.raises(ProtocolError) as caught:
            frames.content(flags, payload)
        assert caught.value.code is expected
    else:
        assert frames.content(flags, payload) == expected


def test_payloads_of_the_wrong_size_are_refused() -> None:
    for read in (
        lambda: frames.read_word(b"abc", "RST_STREAM"),
        lambda: frames.read_goaway(b"1234567"),
        lambda: list(frames.read_settings(b"12345")),
    ):
        with pytest.raises(ProtocolError):
            read()


def test_what_is_written_for_the_connection_reads_back() -> None:
    ((_, _, _, payload),) = FrameReader().push(frames.settings([(1, 2), (3, 2**32 - 1)]))
    assert list(frames.read_settings(payload)) == [(1, 2), (3, 2**32 - 1)]
    ((_, _, _, payload),) = FrameReader().push(frames.goaway(7, Code.CANCEL, "why"))
    assert frames.read_goaway(payload) == (7, 8, b"why")
    ((kind, _, stream, payload),) = FrameReader().push(frames.window_update(9, 77))
    assert (kind, stream, frames.read_word(payload, "")) == (frames.WINDOW_UPDATE, 9, 77)
    assert frames.code_name(8) == "CANCEL"
    assert frames.code_name(999) == "999"
