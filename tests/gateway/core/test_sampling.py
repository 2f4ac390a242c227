from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import ContextLengthExceeded, RequestError
from tests.gateway.core.generations import PROMPT, all_prepared, prepared
from tests.gateway.vocabulary import END, OTHER_END


@pytest.mark.parametrize(
    ("context", "fields", "expected"),
    [
        (100, {}, 100 - PROMPT),
        (100, {"max_tokens": 5}, 5),
        (100, {"max_completion_tokens": 6, "max_tokens": 5}, 6),
        (PROMPT + 1, {}, 1),
        (PROMPT + 5, {"max_tokens": 5}, 5),
    ],
    ids=["what-is-left", "asked", "newer-name-wins", "one-left", "exactly-fits"],
)
def test_max_tokens(context: int, fields: dict[str, int], expected: int) -> None:
    assert prepared(context=context, **fields).max_tokens == expected


@pytest.mark.parametrize(
    ("context", "fields", "param"),
    [
        (PROMPT, {}, "messages"),
        (PROMPT - 1, {}, "messages"),
        (PROMPT + 4, {"max_tokens": 5}, "max_tokens"),
        (PROMPT + 4, {"max_completion_tokens": 5}, "max_completion_tokens"),
    ],
    ids=["no-room", "too-long", "asks-too-much", "newer-name"],
)
def test_past_the_context(context: int, fields: dict[str, int], param: str) -> None:
    with pytest.raises(ContextLengthExceeded, match=rf"{context} tokens.*{PROMPT}") as caught:
        prepared(context=context, **fields)
    assert (caught.value.param, caught.value.code) == (param, "context_length_exceeded")


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({}, "seed", 42),
        ({"seed": 7}, "seed", 7),
        ({"seed": -1}, "seed", 2**64 - 1),
        ({}, "temperature", 1.0),
        ({"temperature": 0}, "greedy", True),
        ({"top_k": -1}, "top_k", 0),
        ({"frequency_penalty": 0.5}, "frequency_penalty", 0.5),
        ({}, "frequency_penalty", None),
        ({"seed": 1, "top_p": 1}, "asked", frozenset({"seed", "top_p"})),
    ],
    ids=["fresh-seed", "seed", "negative-seed", "default", "greedy", "all-tokens", "penalty", "none", "asked"],
)
def test_sampling(fields: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(prepared(**fields).sampling, name) == expected


def test_more_tokens_at_least_than_at_most() -> None:
    with pytest.raises(RequestError, match="min_tokens") as caught:
        prepared(min_tokens=6, max_tokens=5)
    assert caught.value.param == "min_tokens"


def test_several_answers_have_ids_seeds_and_indexes_of_their_own() -> None:
    generates = all_prepared(n=3)
    assert [(g.id, g.choice, g.sampling.seed) for g in generates] == [("id-0", 0, 42), ("id-1", 1, 43), ("id-2", 2, 44)]
    assert len({g.prompt for g in generates}) == 1


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, (END, OTHER_END)),
        ({"stop_token_ids": [7, END]}, (END, OTHER_END, 7)),
        ({"ignore_eos": True}, ()),
        ({"ignore_eos": True, "stop_token_ids": [7]}, (7,)),
    ],
    ids=["the-model-s", "and-the-client-s", "none", "only-the-client-s"],
)
def test_end_ids(fields: dict[str, Any], ends: tuple[int, ...]) -> None:
    assert prepared(**fields).end_ids == ends
