"""Gateways with keys, made once for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.keyed.gateways import Keyed, Start, keyed_gateways
from tests.support.redis import redis_server
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[Start]:
    with keyed_gateways(tmp_path_factory, scripted_triton, tokenizer) as starting:
        yield starting


@pytest.fixture(scope="module")
def keyed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """It counts in Redis, where a minute begins with its first request: in memory it may end during a test."""
    with redis_server(tmp_path_factory.mktemp("counting")) as server:
        yield start(f'open = ["/metrics"]\nredis = "{server.url}"\nredis_timeout_seconds = 10.0')
