from typing import Any

import numpy as np
import pytest

from model_repo_builder.triton_models.shared.answers import Answers, joined
from model_repo_builder.triton_models.shared.utf8_stream import TokenBytes
from tests.support.splits import every_split

BYTES = TokenBytes([bytes([byte]) for byte in range(256)])


def answer(*beams: bytes, length: int | None = None) -> dict[str, Any]:
    ids = np.array([[list(beam) for beam in beams]], dtype=np.int32).reshape(1, len(beams), len(beams[0]))
    lengths = [[len(beam) if length is None else length for beam in beams]]
    return {"output_ids": ids, "sequence_length": np.array(lengths, dtype=np.int32)}


def texts(outputs: Any) -> list[str]:
    return [text.decode() for answer in outputs for text in answer["text_output"][0]]


@pytest.mark.parametrize("text", ["聪 👨‍👩‍👧 ok".encode(), b"a\xe8\x81", b"\xffa"], ids=["whole", "cut", "malformed"])
def test_deltas_over_every_split(text: bytes) -> None:
    for pieces in every_split(text):
        outputs = list(Answers(BYTES, accumulate=False).of(answer(piece) for piece in pieces))
        assert "".join(texts(outputs)) == text.decode("utf-8", "replace")
        ids = [token for output in outputs for token in output["output_ids"][0, 0]]
        assert bytes(ids) == text


def test_cumulative_text_is_the_text_so_far() -> None:
    data = "a聪b".encode()
    outputs = list(Answers(BYTES, accumulate=True).of(answer(data[i : i + 1]) for i in range(len(data))))
    assert texts(outputs) == ["a", "a", "a", "a聪", "a聪b"]


def test_an_unfinished_character_comes_in_an_answer_of_its_own() -> None:
    outputs = list(Answers(BYTES, accumulate=False).of([answer(b"a\xe8")]))
    assert texts(outputs) == ["a", "\ufffd"]
    assert outputs[-1]["output_ids"].shape == (1, 1, 0)
    assert outputs[-1]["sequence_length"].tolist() == [[0]]


def test_beams_have_decoders_of_their_own() -> None:
    one, two = "聪".encode(), "你".encode()
    pieces = [answer(one[i : i + 1], two[i : i + 1]) for i in range(3)]
    outputs = list(Answers(BYTES, accumulate=False).of(pieces))
    assert outputs[-1]["text_output"].tolist() == [["聪".encode(), "你".encode()]]


def test_only_the_ids_within_the_length_count() -> None:
    outputs = Answers.whole(answer(b"abc", length=2), BYTES)
    assert outputs["text_output"].tolist() == [[b"ab"]]


def test_rows_become_a_batch() -> None:
    rows = [Answers.whole(answer(data), BYTES) for data in (b"abc", b"x")]
    batch = joined(rows)
    assert batch["text_output"].tolist() == [[b"abc"], [b"x"]]
    assert batch["output_ids"].tolist() == [[[97, 98, 99]], [[120, 0, 0]]]
    assert batch["sequence_length"].tolist() == [[3], [1]]


@pytest.mark.parametrize(
    ("accumulate", "expected"),
    [
        pytest.param(False, [(0, "a"), (1, ""), (0, "聪"), (1, "é"), (1, "\ufffd")], id="deltas"),
        pytest.param(True, [(0, "a"), (1, ""), (0, "a聪"), (1, "é"), (1, "é\ufffd")], id="cumulative"),
    ],
)
def test_several_sequences_do_not_mix(accumulate: bool, expected: list[tuple[int, str]]) -> None:
    """Their answers come mixed, and a character of one may lie across an answer of another."""
    given = [(0, b"a\xe8"), (1, b"\xc3"), (0, b"\x81\xaa"), (1, b"\xa9\xe8")]
    numbered = [{**answer(ids), "sequence_index": np.array([[index]], dtype=np.int32)} for index, ids in given]
    outputs = list(Answers(BYTES, accumulate=accumulate).of(numbered))
    assert [(int(o["sequence_index"][0, 0]), o["text_output"][0, 0].decode()) for o in outputs] == expected
