from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.core.embedding import PIECE, Embed, EmbedInput, build
from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.schema.embeddings import EmbeddingRequest
from tests.gateway.core.letters import Letters


def built(given: str | Sequence[object], *, counted: bool = True, limit: int | None = 6) -> Embed:
    request = EmbeddingRequest.model_validate({"model": "m", "input": given, "dimensions": 2})
    return build(request, Letters() if counted else None, id="id", max_model_len=limit)


def test_texts_are_tokenized_and_counted() -> None:
    embed = built(["ab", "c"])
    assert embed == Embed("id", "m", (EmbedInput("ab", (1, 2, 0)), EmbedInput("c", (3, 0))), 5, 2)


def test_ids_stay_as_they_were_sent() -> None:
    embed = built([[1, 2], [3]])
    assert embed.inputs == (EmbedInput(None, (1, 2)), EmbedInput(None, (3,)))
    assert embed.tokens == 3


def test_without_a_tokenizer_texts_are_not_counted() -> None:
    assert built("abcdefghijk", counted=False) == Embed("id", "m", (EmbedInput("abcdefghijk", None),), None, 2)
    assert built([1, 2, 99], counted=False).tokens == 3


@pytest.mark.parametrize(
    ("given", "counted", "number"),
    [("abcdef", True, 7), (["a", "abcdef"], True, 7), ([1] * 7, True, 7), ([1] * 7, False, 7)],
    ids=["text", "second-text", "ids", "ids-without-a-tokenizer"],
)
def test_an_input_that_is_too_long(given: str | list[object], counted: bool, number: int) -> None:
    with pytest.raises(ContextLengthExceeded, match=f"has {number} tokens.* at most 6") as caught:
        built(given, counted=counted)
    assert (caught.value.param, caught.value.code) == ("input", "context_length_exceeded")
    assert built(given, counted=counted, limit=None).tokens is not None


def test_megabytes_are_refused_before_all_of_them_is_tokenized() -> None:
    class Counting(Letters):
        seen = 0

        def encode(self, text: str) -> list[int]:
            self.seen += len(text)
            return super().encode(text)

    tokenizer = Counting()
    request = EmbeddingRequest.model_validate({"model": "m", "input": ["a", "b" * 10_000_000]})
    with pytest.raises(ContextLengthExceeded, match="Input 1 has more than"):
        build(request, tokenizer, id="id", max_model_len=100)
    assert tokenizer.seen < 100_000


def test_a_text_of_many_characters_and_few_tokens() -> None:
    assert built("!" * 200_000 + "abcde").tokens == 6
    spread = ("a" + "!" * PIECE) * 5  # each piece alone would have an end token
    assert built(spread).tokens == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [([1, 27], "token id 27, but the model has 27 tokens"), ("!", "no tokens")],
    ids=["of-another-vocabulary", "no-tokens"],
)
def test_what_the_vocabulary_does_not_have(given: str | list[object], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        built(given)
    assert caught.value.param == "input"
