"""Header blocks as servers pack them, and as attackers do."""

from __future__ import annotations

import contextlib

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.triton.h2.frames import Code, ProtocolError
from gateway.triton.h2.headers import HeaderReader, header_block

NAMES = st.sampled_from([":status", "grpc-status", "content-type", "x-long", "x"])
LISTS = st.lists(st.tuples(NAMES, st.text(st.characters(codec="ascii"), max_size=300)), max_size=5)


@given(st.lists(LISTS, max_size=4))
def test_blocks_build_on_each_other(lists: list[list[tuple[str, str]]]) -> None:
    table, reader = hpack.Encoder(), HeaderReader(10_000, 4)
    for pairs in lists:
        expected = [(name.encode(), value.encode()) for name, value in pairs]
        assert reader.push(1, bytes(table.encode(pairs)), True) == expected


@given(LISTS)
def test_ours_are_what_hpack_reads(pairs: list[tuple[str, str]]) -> None:
    assert [(str(name), str(value)) for name, value in hpack.Decoder().decode(header_block(pairs))] == pairs


def test_a_block_in_parts() -> None:
    block, reader = header_block([("a", "b"), ("c", "d")]), HeaderReader(1000, 3)
    assert reader.push(5, block[:4], False) is None
    assert reader.stream == 5
    assert reader.push(5, b"", False) is None
    assert reader.push(5, block[4:], True) == [(b"a", b"b"), (b"c", b"d")]
    assert reader.stream is None


@pytest.mark.parametrize("size", [0, 10])
def test_parts_without_end(size: int) -> None:
    reader = HeaderReader(25, 4)
    for _ in range(4 if size == 0 else 2):
        reader.push(5, bytes(size), False)
    with pytest.raises(ProtocolError) as caught:
        reader.push(5, bytes(size), False)
    assert caught.value.code is Code.ENHANCE_YOUR_CALM


def test_a_small_block_that_unpacks_into_a_large_list() -> None:
    table = hpack.Encoder()
    table.encode([("x", "y" * 3000)])
    bomb = header_block([("a", "b")]) + bytes(table.encode([("x", "y" * 3000)])) * 100
    reader = HeaderReader(65536, 4)
    reader.push(1, bytes(hpack.Encoder().encode([("x", "y" * 3000)])), True)
    with pytest.raises(ProtocolError) as caught:
        reader.push(3, bomb, True)
    assert caught.value.code is Code.ENHANCE_YOUR_CALM


@given(st.binary(max_size=60))
def test_bytes_that_are_no_block_break_the_connection_and_nothing_else(block: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        HeaderReader(1000, 4).push(1, block, True)
