"""The stand-in's own HTTP/2 against hyper's table of headers and every split of bytes."""

from __future__ import annotations

import hpack

from loadtest.bench import http2
from tests.support.splits import every_split


def test_frames_over_every_split() -> None:
    frames = [
        (http2.SETTINGS, 0, 0, http2.settings({http2.INITIAL_WINDOW_SIZE: 7})[9:]),
        (http2.DATA, http2.END_STREAM, 2**31 - 1, b"x" * 300),
        (http2.PING, http2.ACK, 0, b"12345678"),
        (http2.DATA, 0, 3, b""),
    ]
    whole = http2.PREFACE + b"".join(http2.frame(*each) for each in frames)
    for parts in every_split(whole):
        reader = http2.Reader()
        assert [frame for part in parts for frame in reader.push(part)] == frames


def test_a_large_frame() -> None:
    payload = bytes(70_000)
    assert list(http2.Reader().push(http2.PREFACE + http2.frame(http2.DATA, 0, 1, payload))) == [(0, 0, 1, payload)]


def test_settings() -> None:
    payload = http2.settings({http2.MAX_FRAME_SIZE: 16384, http2.INITIAL_WINDOW_SIZE: 2**31 - 1})[9:]
    assert http2.read_settings(payload) == {http2.MAX_FRAME_SIZE: 16384, http2.INITIAL_WINDOW_SIZE: 2**31 - 1}


def test_a_header_block_may_be_sent_again() -> None:
    block, decoder = http2.header_block({":status": "200", "grpc-status": "0"}), hpack.Decoder()
    for _ in range(3):
        assert [tuple(each) for each in decoder.decode(block)] == [(":status", "200"), ("grpc-status", "0")]
    assert decoder.header_table.maxsize == 4096
    assert len(decoder.header_table.dynamic_entries) == 0
