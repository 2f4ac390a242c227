from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gateway.core.reply.embeddings import embedding_list

AWKWARD = [[0.0, -0.0, 1.0], [1e-45, -3.4028235e38, 1 / 3], [1e-7, 16777217.0, 123456.79]]
NINE_DIGITS = [[-1045605.0625, 1.0349149415768051e-26, -1061754234732544.0]]  # eight would be another float32


def test_the_object() -> None:
    body = json.loads(embedding_list(np.array([[0.5, -1.5], [2.25, 3]], "f4"), model='聪"', tokens=7, base64=False))
    assert body == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.5]},
            {"object": "embedding", "index": 1, "embedding": [2.25, 3.0]},
        ],
        "model": '聪"',
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def test_tokens_that_nobody_counted_are_absent() -> None:
    assert "usage" not in json.loads(embedding_list(np.ones((1, 1), "f4"), model="m", tokens=None, base64=True))


@pytest.mark.parametrize("as_base64", [True, False], ids=["base64", "float"])
@given(
    vectors=st.sampled_from([np.array(AWKWARD, "f4"), np.array(NINE_DIGITS, "f4")])
    | arrays(
        "f4", array_shapes(min_dims=2, max_dims=2), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)
    )
)
def test_every_float32_arrives_as_it_was(vectors: np.ndarray, as_base64: bool) -> None:
    data = json.loads(embedding_list(vectors, model="m", tokens=1, base64=as_base64))["data"]
    values = [item["embedding"] for item in data]
    read = [np.frombuffer(base64.b64decode(v), "<f4") if as_base64 else np.array(v, "f4") for v in values]
    assert np.array_equal(np.stack(read), vectors)
