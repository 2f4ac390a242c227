"""Completions, through a real gateway and tritonserver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI

from loadtest.engine.script import Script, script_text
from tests.support.gateway import Gateway

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])


@pytest.fixture(scope="module")
def client(featured: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=featured.api, api_key="none", max_retries=0, timeout=60) as client:
        yield client


def completion(client: OpenAI, stream: bool, **fields: Any) -> list[tuple[str, str]]:
    """Text and finish reason of each choice."""
    if not stream:
        return [(choice.text, choice.finish_reason) for choice in client.completions.create(**fields).choices]
    choices: dict[int, tuple[str, str]] = {}
    for chunk in client.completions.create(stream=True, **fields):
        for choice in chunk.choices:
            text, _ = choices.get(choice.index, ("", ""))
            choices[choice.index] = (text + choice.text, choice.finish_reason or "")
    return [choices[index] for index in sorted(choices)]


@both
@pytest.mark.parametrize("model", ["direct", "ensemble"])
def test_completions(client: OpenAI, stream: bool, model: str) -> None:
    prompts = [script_text(Script(text="one")), script_text(Script(text="two two two", chunk=3))]
    given: Any = {"model": model, "max_tokens": 50}
    assert completion(client, stream, prompt=prompts[0], **given) == [("one", "stop")]
    assert (
        completion(client, stream, prompt=prompts, n=2, **given)
        == [("one", "stop")] * 2 + [("two two two", "stop")] * 2
    )
    assert completion(client, stream, prompt=prompts[0], echo=True, **given) == [(prompts[0] + "one", "stop")]


@both
def test_completions_of_token_ids_with_log_probabilities(featured: Gateway, client: OpenAI, stream: bool) -> None:
    asked = {"model": "direct", "prompt": script_text(Script(text="one two"))}
    ids = httpx.post(f"{featured.url}/tokenize", json=asked).json()["tokens"]
    request: Any = {"model": "direct", "prompt": ids, "max_tokens": 50, "logprobs": 0}
    if stream:
        chunks = list(client.completions.create(stream=True, **request))
        tokens = [t for chunk in chunks for c in chunk.choices if c.logprobs for t in c.logprobs.tokens or ()]
        offsets = [o for chunk in chunks for c in chunk.choices if c.logprobs for o in c.logprobs.text_offset or ()]
    else:
        logprobs = client.completions.create(**request).choices[0].logprobs
        tokens, offsets = logprobs.tokens, logprobs.text_offset
    assert "".join(tokens) == "one two"
    assert [("one two")[start:].startswith(token) for start, token in zip(offsets, tokens, strict=True)]
