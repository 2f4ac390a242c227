"""What a request is charged, and who is turned away, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.core.caller import ANYONE, Caller
from gateway.core.errors import Forbidden, RateLimited, SettingsError, Unauthorized
from gateway.gate import Bill, Gate
from gateway.limits import Limiter
from gateway.settings.keys import KeySettings
from tests.gateway.core.test_keys import ALICE, BOB, table


@pytest.fixture
async def limiter() -> AsyncIterator[Limiter]:
    limiter = Limiter()
    yield limiter
    await limiter.close()


async def settled(limiter: Limiter) -> None:
    while limiter._corrections:
        await asyncio.wait(limiter._corrections, timeout=10)


def bill(limiter: Limiter, *, assumed: int = 100, refused: list[str] | None = None, **limits: int) -> Bill:
    return Bill(Caller("alice", **limits), limiter, assumed, (refused if refused is not None else []).append)  # type: ignore[arg-type]


CHARGES = [
    # limit, prompt and longest answer, what is charged before, used in truth, what is left after
    pytest.param(1000, 30, 50, 80, 45, 955, id="short-answer"),
    pytest.param(1000, 30, 5000, 130, 2030, 0, id="longer-than-assumed"),
    pytest.param(1000, 30, 5000, 130, 60, 940, id="shorter-than-assumed"),
    pytest.param(100, 30, 5000, 100, 60, 40, id="never-more-than-the-limit"),
    pytest.param(1000, 30, 50, 80, 0, 1000, id="nothing-came"),
    pytest.param(1000, 30, 0, 30, 30, 970, id="no-answer"),
]


@pytest.mark.parametrize(("limit", "prompt", "answer", "before", "used", "after"), CHARGES)
async def test_tokens(
    limiter: Limiter, limit: int, prompt: int, answer: int, before: int, used: int, after: int
) -> None:
    account = bill(limiter, tokens_per_minute=limit)
    await account.tokens(prompt, answer)
    assert account.windows["tokens"].remaining == limit - before
    account.settle(used)
    account.settle(12345)
    await settled(limiter)
    next_one = bill(limiter, tokens_per_minute=limit)
    try:
        await next_one.tokens(1, 0)
        assert next_one.windows["tokens"].remaining == after - 1
    except RateLimited:
        assert after == 0


async def test_what_never_fits(limiter: Limiter) -> None:
    refused: list[str] = []
    account = bill(limiter, refused=refused, tokens_per_minute=100)
    with pytest.raises(RateLimited, match="101 tokens, more than this key may use in a minute \\(100\\)") as error:
        await account.tokens(101, 1)
    assert (error.value.hopeless, refused) == (True, ["tokens"])
    account.settle(50)
    assert not limiter._corrections, "nothing was charged, so nothing is corrected"


async def test_requests(limiter: Limiter) -> None:
    refused: list[str] = []
    account = bill(limiter, refused=refused, requests_per_minute=1)
    await account.request()
    with pytest.raises(RateLimited, match="limit of 1 requests per minute") as error:
        await account.request()
    assert 1 <= (error.value.retry_after or 0) <= 60
    assert (error.value.hopeless, refused) == (False, ["requests"])


async def test_zero_is_no_limit(limiter: Limiter) -> None:
    account = bill(limiter, requests_per_minute=0, tokens_per_minute=0)
    for _ in range(100):
        await account.request()
        await account.tokens(10**9, 10**9)
    assert account.windows == {}


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    (tmp_path / "keys.toml").write_text(table(rest="expires = 2020-01-01") + table("bob", BOB, 'models = ["q"]'))
    return Gate(KeySettings(file=str(tmp_path / "keys.toml"), open=("/readyz",)), lambda reason: None)


async def test_who_is_let_in(gate: Gate) -> None:
    async with gate:
        assert gate.closed
        assert gate.admit("/v1/models", [BOB.encode()]).name == "bob"
        assert gate.admit("/v1/models", [b"wrong", BOB.encode()]).name == "bob"
        assert gate.admit("/readyz", []) == gate.admit("/healthz", [b"wrong"]) == ANYONE
        for presented in ([], [b""], [ALICE.encode()]):
            with pytest.raises(Unauthorized):
                gate.admit("/v1/models", presented)
        with pytest.raises(Forbidden, match="It may use 'q'"):
            gate.permit(gate.admit("/v1/models", [BOB.encode()]), "p")


async def test_reloading_on_demand(gate: Gate, tmp_path: Path) -> None:
    async with gate:
        (tmp_path / "keys.toml").write_text(table("carol", "c" * 40))
        gate.reload()
        assert gate.admit("/v1/models", [b"c" * 40]).name == "carol"
        with pytest.raises(Unauthorized):
            gate.admit("/v1/models", [BOB.encode()])


SETTINGS = [
    pytest.param({"open": ("/v1/models",)}, "only these can be opened", id="open"),
    pytest.param({"poll_seconds": 0.0}, "poll_seconds must be between", id="poll"),
    pytest.param({"poll_seconds": float("nan")}, "poll_seconds must be between", id="nan"),
    pytest.param({"redis_timeout_seconds": 1e9}, "redis_timeout_seconds must be between", id="timeout"),
    pytest.param({"assumed_answer_tokens": 0}, "assumed_answer_tokens must be between", id="assumed"),
    pytest.param({"redis_away": "shut"}, "open or closed", id="away"),
    pytest.param({"redis": "http://127.0.0.1"}, "must be a URL", id="scheme"),
    pytest.param({"redis": "redis://:hunter2@"}, "must be a URL", id="no-host"),
    pytest.param({"redis": "redis://a:99999"}, "must be a URL", id="port"),
    pytest.param({"redis_prefix": ""}, "redis_prefix must not be empty", id="prefix"),
    pytest.param({"file": "", "open": ("/docs",)}, "no 'file'", id="no-file"),
]


@pytest.mark.parametrize(("wrong", "said"), SETTINGS)
def test_wrong_settings(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        KeySettings(**({"file": "keys.toml"} | wrong))  # type: ignore[arg-type]
    assert "hunter2" not in refused.value.message


def test_settings_do_not_show_the_password_of_redis() -> None:
    assert "hunter2" not in repr(KeySettings(file="f", redis="redis://:hunter2@127.0.0.1"))
