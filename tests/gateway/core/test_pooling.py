from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gateway.core.embedding_choices import POOLINGS, Pooling
from gateway.core.pooling import pooled, sized, vectors
from gateway.core.tensors import Tensor

VALUES = st.floats(-8, 8, width=16)


def tensor(values: Any, datatype: str = "FP32") -> Tensor:
    array = np.asarray(values)
    if datatype == "BF16":
        data = (array.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    else:
        data = array.astype({"FP16": "<f2", "FP32": "<f4"}[datatype]).tobytes()
    return Tensor("vectors", datatype, array.shape, data)


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 3), (1, 2, 3)], ids=str)
def test_vectors_of_the_model_s_own(datatype: str, shape: tuple[int, ...]) -> None:
    given = np.array([[0.5, -2, 0], [1, 1.5, 96]])
    found = vectors(tensor(given.reshape(shape), datatype), 2)
    assert (found.dtype, found.tolist()) == (np.float32, given.tolist())


BAD_VECTORS = [
    pytest.param(tensor(np.ones((3, 4))), 2, "3 vectors", id="too-many"),
    pytest.param(tensor(np.ones((2, 5, 4))), 2, "10 vectors", id="one-per-token"),
    pytest.param(tensor(np.ones((2, 0))), 2, "holds no vectors", id="empty"),
    pytest.param(Tensor("v", "FP32", (), b"\0" * 4), 1, "holds no vectors", id="scalar"),
    pytest.param(Tensor("v", "INT32", (1, 1), b"\0" * 4), 1, "holds no vectors", id="whole-numbers"),
    pytest.param(Tensor("v", "FP32", (1, 2), b"\0" * 4), 1, "4 bytes", id="cut-off"),
]


@pytest.mark.parametrize(("given", "count", "message"), BAD_VECTORS)
def test_tensors_without_the_vectors(given: Tensor, count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vectors(given, count)


SEQUENCE = np.array([[[1, 2], [3, 4], [5, 9]], [[7, 8], [0, 0], [0, 0]]])

POOLED: list[Any] = [
    ("last", [3, 1], [[5, 9], [7, 8]]),
    ("last", [2, 1], [[3, 4], [7, 8]]),
    ("mean", [3, 1], [[3, 5], [7, 8]]),
    ("cls", [3, 1], [[1, 2], [7, 8]]),
    ("last", None, [[5, 9], [0, 0]]),
]


@pytest.mark.parametrize(("pooling", "lengths", "expected"), POOLED, ids=[f"{row[0]}-{row[1]}" for row in POOLED])
def test_pooling(pooling: Pooling, lengths: list[int] | None, expected: list[list[float]]) -> None:
    assert pooled(tensor(SEQUENCE), lengths, 2, pooling).tolist() == expected


def test_a_single_sequence_needs_no_batch_dimension() -> None:
    assert pooled(tensor(SEQUENCE[0]), [2], 1, "last").tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("shape", "lengths", "count"),
    [((2, 3, 2), [4, 1], 2), ((2, 3, 2), [1, 1, 1], 3), ((6, 2), [3, 3], 2), ((2, 0, 2), [1, 1], 2), ((3, 2), [1], 2)],
    ids=["longer-than-the-reply", "other-count", "no-batch", "no-tokens", "odd"],
)
def test_sequences_that_do_not_fit(shape: tuple[int, ...], lengths: list[int], count: int) -> None:
    with pytest.raises(ValueError, match="vectors"):
        pooled(tensor(np.ones(shape)), lengths, count, "last")


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "none"])
@given(data=st.data())
def test_padding_changes_nothing(pooling: Pooling, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    width = max(lengths) + data.draw(st.integers(0, 3))
    whole = data.draw(arrays("f4", (len(lengths), width, 3), elements=VALUES))
    together = pooled(tensor(whole), lengths, len(lengths), pooling)
    for row, length in enumerate(lengths):
        alone = pooled(tensor(whole[row : row + 1, :length]), None, 1, pooling)
        assert np.array_equal(together[row], alone[0])


MATRIX = arrays("f4", st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=VALUES)


@given(matrix=MATRIX, data=st.data(), normalize=st.booleans())
def test_sizes_and_lengths(matrix: np.ndarray, data: st.DataObject, normalize: bool) -> None:
    size = data.draw(st.none() | st.integers(1, matrix.shape[1]))
    found = sized(matrix, size, normalize=normalize)
    assert found.shape == (len(matrix), size or matrix.shape[1])
    assert found.dtype == np.float32
    if not normalize and found.shape == matrix.shape:
        assert np.array_equal(found, matrix)
        return
    for kept, vector in zip(matrix[:, :size], found, strict=True):
        length = float(np.linalg.norm(kept.astype("f8")))
        assert np.linalg.norm(vector.astype("f8")) == pytest.approx(1 if length else 0, abs=1e-6)
        assert vector * length == pytest.approx(kept, abs=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_carry(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        sized(np.array([[1, value]], "f4"), None, normalize=False)
