"""The whole way with a real engine: the same conversation, over every route, says the same."""

from __future__ import annotations

from typing import Any

import pytest
from openai import OpenAI

from tests.gateway.asking import PATIENCE_SECONDS, Answer, ask
from tests.support.gateway import Gateway

ROUTES = ["direct", "ensemble", "bls"]
CONVERSATION = "Please count from one to ten, 聪明的."


@pytest.fixture(scope="module")
def reference(served: Gateway) -> Answer:
    return ask(served, CONVERSATION, temperature=0, max_tokens=60)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
@pytest.mark.parametrize("route", [*ROUTES, "auto"])
def test_every_route_says_the_same(served: Gateway, reference: Answer, route: str, stream: bool) -> None:
    assert ask(served, CONVERSATION, model=route, stream=stream, temperature=0, max_tokens=60) == reference


@pytest.mark.parametrize("route", ROUTES)
def test_a_seed_repeats_an_answer_and_another_changes_it(served: Gateway, route: str) -> None:
    first, again, other = (ask(served, CONVERSATION, model=route, seed=seed, max_tokens=30) for seed in (1, 1, 2))
    assert first == again
    assert first.text != other.text


@pytest.mark.parametrize("route", ROUTES)
def test_the_limit(served: Gateway, route: str) -> None:
    answer = ask(served, CONVERSATION, model=route, max_tokens=7, seed=1)
    assert answer.usage["completion_tokens"] <= 7
    assert answer.reason == ("length" if answer.usage["completion_tokens"] == 7 else "stop")


@pytest.mark.parametrize("route", ROUTES)
def test_a_stop_string_from_the_middle_of_the_answer(served: Gateway, reference: Answer, route: str) -> None:
    at = len(reference.text) // 2
    stop = reference.text[at : at + 3]
    answer = ask(served, CONVERSATION, model=route, temperature=0, max_tokens=60, stop=[stop])
    assert (answer.text, answer.reason) == (reference.text[: reference.text.index(stop)], "stop")


def test_the_sdk_streams_from_the_engine(served: Gateway, reference: Answer) -> None:
    asked: Any = [{"role": "user", "content": CONVERSATION}]
    with OpenAI(base_url=served.api, api_key="none", timeout=PATIENCE_SECONDS, max_retries=0) as client:
        stream = client.chat.completions.create(model="auto", messages=asked, temperature=0, max_tokens=60, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == reference.text
