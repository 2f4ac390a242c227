"""What the worker emits, read by our own client and parsers."""

from __future__ import annotations

import itertools
import json

import pytest

from loadtest.client import TEXT
from loadtest.peers.worker import chat_frames, triton_frames, words


def parsed(frame: bytes) -> dict[str, object]:
    assert frame.startswith(b"data: ")
    assert frame.endswith(b"\n\n")
    document: dict[str, object] = json.loads(frame[6:])
    return document


@pytest.mark.parametrize("tokens", [1, 3, 400])
def test_one_frame_for_each_token(tokens: int) -> None:
    *text, last, done = chat_frames(tokens)
    assert len(text) == len(triton_frames(tokens)) == tokens
    assert all(TEXT in frame for frame in text)  # as the client counts them
    assert TEXT not in last
    assert parsed(last)["choices"][0]["finish_reason"] == "length"  # type: ignore[index]
    assert done == b"data: [DONE]\n\n"
    assert [parsed(frame)["text_output"] for frame in triton_frames(tokens)] == words(tokens)
    assert [parsed(frame)["choices"][0]["delta"]["content"] for frame in text] == words(tokens)  # type: ignore[index]


def test_no_word_comes_twice_in_a_row() -> None:
    told = words(400)
    assert all(before != after for before, after in itertools.pairwise(told))
