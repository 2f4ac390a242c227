"""Anthropic's own client of the gateway whose engine does what the prompts say."""

from collections.abc import Iterator

import anthropic
import pytest

from tests.support.gateway import Gateway


@pytest.fixture(scope="module")
def client(scripted: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=scripted.url, api_key="none", max_retries=0) as client:
        yield client
