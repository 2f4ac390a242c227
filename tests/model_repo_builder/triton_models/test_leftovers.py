import pytest

from model_repo_builder.triton_models.shared.leftovers import Leftovers
from tests.support.splits import every_split

TEXT = "聪a👨‍👩‍👧é"
KEY = ("request", 0, 0)


def test_a_stream_over_every_split() -> None:
    for pieces in every_split(TEXT.encode()):
        leftovers = Leftovers()
        assert "".join(leftovers.push(KEY, piece, now=0) for piece in pieces) == TEXT
        assert len(leftovers) == 0


def test_streams_do_not_meet() -> None:
    leftovers, texts = Leftovers(), {"a": "聪明", "b": "你好"}
    got = dict.fromkeys(texts, "")
    for place in range(6):
        for name, text in texts.items():
            got[name] += leftovers.push((name, 0, 0), text.encode()[place : place + 1], now=place / 10)
    assert got == texts


def test_the_end_shows_what_was_never_finished() -> None:
    leftovers = Leftovers()
    assert leftovers.push(KEY, b"a\xe8\x81", now=0) == "a"
    assert leftovers.flush(KEY) == "\ufffd"
    assert (leftovers.flush(KEY), len(leftovers)) == ("", 0)


@pytest.mark.parametrize(
    ("later", "piece", "text"),
    [
        pytest.param(0.1, b"x", "\ufffdx", id="malformed within a stream"),
        pytest.param(5, b"x", "x", id="the id begins another answer"),
        pytest.param(5, b"\xaa", "聪", id="a slow stream goes on"),
    ],
)
def test_an_id_that_is_used_again(later: float, piece: bytes, text: str) -> None:
    leftovers = Leftovers()
    leftovers.push(KEY, "聪".encode()[:2], now=100)
    assert leftovers.push(KEY, piece, now=100 + later) == text


def test_a_dropped_request_leaves_nothing() -> None:
    leftovers = Leftovers()
    for row in range(3):
        leftovers.push(("gone", row, 0), b"\xe8", now=0)
    leftovers.push(("other", 0, 0), b"\xe8", now=0)
    leftovers.drop("gone")
    assert len(leftovers) == 1


def test_it_is_bounded_in_number_and_in_time() -> None:
    leftovers = Leftovers(most=10)
    for number in range(100):
        leftovers.push((str(number), 0, 0), b"\xe8", now=0)
    assert len(leftovers) == 10
    leftovers.push(("later", 0, 0), b"\xe8", now=61)
    assert len(leftovers) == 1
