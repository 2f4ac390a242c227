from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import ContextLengthExceeded, RequestError
from gateway.core.prompt import ModelLimits, build
from gateway.core.schema import parse_chat
from gateway.core.types import Generate
from tests.gateway.vocabulary import END, OTHER_END, Vocabulary

vocabulary = Vocabulary()
PROMPT = len(vocabulary.encode("<user>hello<assistant>"))


def prepared(*, context: int = 100, **fields: Any) -> Generate:
    request = {"model": "q", "messages": [{"role": "user", "content": "hello"}], **fields}
    limits = ModelLimits("q", context, (END, OTHER_END))
    return build(parse_chat(json.dumps(request).encode()), limits, vocabulary, id="id", seed=42)


def test_the_template_s_prompt_as_text_and_ids() -> None:
    generate = prepared()
    assert generate.prompt.text == "<user>hello<assistant>"
    assert list(generate.prompt.ids) == vocabulary.encode(generate.prompt.text)
    assert generate.end_ids == (END, OTHER_END)


def test_roles_and_parts_reach_the_template() -> None:
    generate = prepared(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "hi"},
        ]
    )
    assert generate.prompt.text == "<system>be brief<assistant><user>hi<assistant>"


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
