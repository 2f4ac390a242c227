from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.embedding import EmbedInput
from gateway.core.embedding_route import MOST_REPLY_BYTES, BoundEmbedding, EmbeddingRoute, bind
from gateway.core.errors import UnsupportedField, UpstreamError
from gateway.core.routes import BindError
from gateway.core.tensors import ModelSignature, Tensor, TensorSpec
from tests.gateway.core.letters import Letters


def spec(name: str, datatype: str, *dims: int, optional: bool = False) -> TensorSpec:
    return TensorSpec(name, datatype, dims, optional)


TEXT = spec("text", "BYTES", 1)
IDS = spec("input_ids", "INT64", -1)
MASK = spec("attention_mask", "INT64", -1)
VECTOR = spec("embedding", "FP32", 4)
TOKENS = spec("last_hidden_state", "FP16", -1, 4)


def signature(*specs: TensorSpec, batch: int = 4) -> ModelSignature:
    """Outputs are those of floats."""
    floats = tuple(item for item in specs if item.datatype.startswith(("FP", "BF")))
    return ModelSignature("m", tuple(s for s in specs if s not in floats), floats, max_batch_size=batch)


def bound(*specs: TensorSpec, batch: int = 4, **route: Any) -> BoundEmbedding:
    return bind(EmbeddingRoute("m", **route), signature(*specs, batch=batch))


def texts(*values: str) -> list[EmbedInput]:
    return [EmbedInput(value, tuple(Letters().encode(value))) for value in values]


def ids(*lengths: int) -> list[EmbedInput]:
    return [EmbedInput(None, tuple(range(1, length + 1))) for length in lengths]


def test_what_is_found_by_its_type() -> None:
    text = bound(TEXT, VECTOR)
    assert (text.takes_text, text.input, text.output, text.size, text.beside) == (True, TEXT, VECTOR, 4, ())
    tokens = bound(IDS, MASK, spec("token_type_ids", "INT64", -1), TOKENS, pooling="last")
    assert (tokens.takes_text, tokens.input, tokens.output) == (False, IDS, TOKENS)
    assert [item.name for item in tokens.beside] == ["attention_mask", "token_type_ids"]
    assert bound(TEXT, spec("v", "FP32", -1)).size is None


def test_what_is_named() -> None:
    other = spec("other", "FP32", 8)
    both = (spec("text", "BYTES", 1, optional=True), spec("input_ids", "INT32", -1, optional=True), VECTOR, other)
    chosen = bound(*both, input="input_ids", output="other")
    assert (chosen.takes_text, chosen.output) == (False, other)
    assert bound(*both, input="text", output="embedding").takes_text


WRONG: list[Any] = [
    pytest.param((VECTOR,), {}, r"Set input to one of: \(none\)", id="no-input"),
    pytest.param((TEXT, IDS, VECTOR), {}, "Set input to one of: text", id="two-inputs"),
    pytest.param((TEXT, VECTOR), {"input": "texts"}, r"no input 'texts'.*text \(BYTES \[1\]\)", id="misspelt-input"),
    pytest.param((TEXT, spec("x", "UINT8", -1), VECTOR), {"input": "x"}, "no input 'x' of text", id="input-of-bytes"),
    pytest.param((TEXT, spec("task", "BYTES", 1), VECTOR), {"input": "text"}, "demands the input task", id="demands"),
    pytest.param((IDS, spec("attention_mask", "BOOL", -1), VECTOR), {}, "demands the input attention_mask", id="mask"),
    pytest.param((TEXT,), {}, "Set output to one of", id="no-output"),
    pytest.param((TEXT, VECTOR, TOKENS), {}, "Set output to one of: embedding", id="two-outputs"),
    pytest.param((TEXT, VECTOR), {"output": "e"}, "no output 'e' of floats", id="misspelt-output"),
    pytest.param((spec("input_ids", "INT32", 512), VECTOR), {}, r"Declare \[-1\]", id="fixed-length"),
    pytest.param((spec("input_ids", "INT32", 1), VECTOR), {}, r"Declare \[-1\]", id="one-token"),
    pytest.param((spec("text", "BYTES", 2), VECTOR), {}, r"Declare \[-1\]", id="two-texts"),
    pytest.param((IDS, TOKENS), {}, "Set pooling to last", id="sequence-not-pooled"),
    pytest.param((IDS, VECTOR), {"pooling": "mean"}, "Set pooling to none instead of mean", id="nothing-to-pool"),
    pytest.param(
        (IDS, TOKENS), {"pooling": "last", "max_model_len": 10**8}, "max_model_len to at most 6291456", id="too-much"
    ),
]


@pytest.mark.parametrize(("specs", "route", "message"), WRONG)
def test_a_model_that_does_not_fit_says_what_to_set(
    specs: tuple[TensorSpec, ...], route: dict[str, Any], message: str
) -> None:
    with pytest.raises(BindError, match=message):
        bound(*specs, **route)


def sent(given: BoundEmbedding, inputs: list[EmbedInput]) -> dict[str, Any]:
    tensors = given.encode(inputs, Letters())
    return {t.name: (t.datatype, t.shape, t.strings() if t.datatype == "BYTES" else t.numbers()) for t in tensors}


def test_texts_as_tensors() -> None:
    assert sent(bound(TEXT, VECTOR), texts("ab", "聪")) == {"text": ("BYTES", (2, 1), (b"ab", "聪".encode()))}
    alone = bound(spec("text", "BYTES", -1), VECTOR, batch=0)
    assert sent(alone, texts("ab")) == {"text": ("BYTES", (1,), (b"ab",))}


def test_ids_as_tensors() -> None:
    beside = (
        MASK,
        spec("token_type_ids", "INT64", -1),
        spec("position_ids", "INT32", -1),
        spec("input_lengths", "INT32", 1),
    )
    assert sent(bound(spec("input_ids", "INT32", -1), *beside, VECTOR), ids(1, 3)) == {
        "input_ids": ("INT32", (2, 3), (1, 0, 0, 1, 2, 3)),
        "attention_mask": ("INT64", (2, 3), (1, 0, 0, 1, 1, 1)),
        "token_type_ids": ("INT64", (2, 3), (0,) * 6),
        "position_ids": ("INT32", (2, 3), (0, 1, 2, 0, 1, 2)),
        "input_lengths": ("INT32", (2, 1), (1, 3)),
    }
    alone = bound(spec("input_ids", "INT64", -1, -1), spec("attention_mask", "INT64", 1, -1), VECTOR, batch=0)
    assert sent(alone, ids(2)) == {
        "input_ids": ("INT64", (1, 2), (1, 2)),
        "attention_mask": ("INT64", (1, 2), (1, 1)),
    }


def test_ids_for_a_model_of_texts_are_sent_as_the_text_that_gives_them() -> None:
    assert sent(bound(TEXT, VECTOR), [EmbedInput(None, (1, 2))])["text"][2] == (b"ab",)
    for inputs, tokenizer in [([EmbedInput(None, (1, 0, 2))], Letters()), ([EmbedInput(None, (1,))], None)]:
        with pytest.raises(UnsupportedField, match="takes text") as caught:
            bound(TEXT, VECTOR).encode(inputs, tokenizer)
        assert caught.value.param == "input"


def test_a_text_for_a_model_of_ids_needs_a_tokenizer() -> None:
    with pytest.raises(UnsupportedField, match="set 'tokenizer'") as caught:
        bound(IDS, VECTOR).encode([EmbedInput("a", None)], None)
    assert caught.value.param == "input"


BATCHES: list[Any] = [
    pytest.param(bound(TEXT, VECTOR), texts(*"abcdef"), [(0, 1, 2, 3), (4, 5)], id="texts"),
    pytest.param(bound(TEXT, VECTOR, batch=0), texts(*"abc"), [(0,), (1,), (2,)], id="texts-one-by-one"),
    pytest.param(bound(TEXT, TOKENS, pooling="mean"), texts(*"ab"), [(0,), (1,)], id="texts-to-pool"),
    pytest.param(bound(IDS, MASK, VECTOR), ids(5, 1, 3, 2, 9), [(1, 3, 2, 0), (4,)], id="like-lengths-together"),
    pytest.param(bound(IDS, VECTOR), ids(2, 1, 2, 1, 3), [(1, 3), (0, 2), (4,)], id="nothing-to-pad-with"),
    pytest.param(bound(IDS, MASK, VECTOR, batch=0), ids(2, 1), [(1,), (0,)], id="ids-one-by-one"),
    pytest.param(
        bound(IDS, MASK, spec("h", "FP32", -1, MOST_REPLY_BYTES // 40), pooling="last"),
        ids(3, 3, 3, 4),
        [(0, 1, 2), (3,)],
        id="no-more-than-a-reply-holds",
    ),
]


@pytest.mark.parametrize(("given", "inputs", "expected"), BATCHES)
def test_batches(given: BoundEmbedding, inputs: list[EmbedInput], expected: list[tuple[int, ...]]) -> None:
    assert given.batches(inputs) == expected


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=20), masked=st.booleans(), batch=st.integers(0, 5))
def test_every_input_finds_its_vector(lengths: list[int], masked: bool, batch: int) -> None:
    """Any batching of inputs, through a model that says back the last id and the count of each input."""
    model = bound(
        IDS, *([MASK] if masked else []), spec("h", "FP32", -1, 2), batch=batch, pooling="last", normalize=False
    )
    inputs = [EmbedInput(None, (*range(length - 1), 7 * at)) for at, length in enumerate(lengths)]
    batches = model.batches(inputs)
    assert sorted(index for indexes in batches for index in indexes) == list(range(len(inputs)))
    parts = []
    for indexes in batches:
        chosen = [inputs[index] for index in indexes]
        tensor = model.encode(chosen, None)[0]
        rows = np.array(tensor.numbers()).reshape(len(chosen), -1)
        assert masked or (rows.shape[1] == len(chosen[0].ids or ()))
        hidden = np.stack([rows, np.tile(np.arange(1, rows.shape[1] + 1), (len(chosen), 1))], axis=2).astype("<f4")
        shape = hidden.shape if batch else hidden.shape[1:]
        parts.append(model.decode({"h": Tensor("h", "FP32", shape, hidden.tobytes())}, chosen))
    assert model.assemble(parts, batches, None).tolist() == [[7 * at, length] for at, length in enumerate(lengths)]


SIZES: list[Any] = [
    pytest.param((), None, None, id="not-asked"),
    pytest.param((), 4, None, id="its-own"),
    pytest.param((), 3, "cannot be 3: the sizes of this model's vectors are 4", id="fixed"),
    pytest.param(range(2, 5), 2, None, id="in-the-range"),
    pytest.param(range(2, 5), 1, "are 2 to 4 and 4", id="below-the-range"),
    pytest.param(range(2, 9), 8, "more than 4", id="more-than-it-has"),
    pytest.param((2, 3), 3, None, id="in-the-list"),
    pytest.param((1, 3), 2, "are 1, 3 and 4", id="not-in-the-list"),
]


@pytest.mark.parametrize(("sizes", "asked", "message"), SIZES)
def test_dimensions(sizes: Any, asked: int | None, message: str | None) -> None:
    model = bound(TEXT, VECTOR, sizes=sizes)
    if message is None:
        model.check(asked)
        return
    with pytest.raises(UnsupportedField, match=message) as caught:
        model.check(asked)
    assert caught.value.param == "dimensions"


def test_dimensions_of_a_model_that_does_not_declare_its_own() -> None:
    model = bound(TEXT, spec("v", "FP32", -1), sizes=range(1, 9))
    model.check(5)
    with pytest.raises(UnsupportedField, match="more than 4"):
        model.assemble([np.ones((1, 4), "f4")], [(0,)], 5)
    with pytest.raises(UnsupportedField, match="are its own"):
        bound(TEXT, spec("v", "FP32", -1)).check(5)


def test_cut_vectors_have_unit_length() -> None:
    given = [np.array([[3, 4, 12, 0]], "f4")]
    assert bound(TEXT, VECTOR, normalize=False).assemble(given, [(0,)], None).tolist() == [[3, 4, 12, 0]]
    assert bound(TEXT, VECTOR, sizes=(2,)).assemble(given, [(0,)], 2).tolist() == [[np.float32(0.6), np.float32(0.8)]]


def test_replies_without_vectors_are_an_upstream_error() -> None:
    model = bound(TEXT, VECTOR)
    for outputs in ({}, {"embedding": Tensor("embedding", "FP32", (3, 4), b"\0" * 48)}):
        with pytest.raises(UpstreamError, match=r"answered without|gave no vectors"):
            model.decode(outputs, texts("a", "b"))
    with pytest.raises(UpstreamError, match="different sizes"):
        model.assemble([np.ones((1, 4), "f4"), np.ones((1, 3), "f4")], [(0,), (1,)], None)
    with pytest.raises(UpstreamError, match="no finite number"):
        model.assemble([np.array([[np.nan] * 4], "f4")], [(0,)], None)
