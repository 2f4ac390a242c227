"""Counting in memory and on a real redis-server, which is killed, frozen and started again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from gateway import limits
from gateway.core.errors import LimitsUnavailable
from gateway.limits import Limiter
from tests.support.redis import RedisServer, redis_server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(running: RedisServer) -> Iterator[RedisServer]:
    yield running
    if not running.answers():
        running.kill()
        running.start()


Make = Callable[..., Limiter]


@pytest.fixture
async def limiter(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Makes limiters, and closes them in the end."""
    monkeypatch.setattr(limits, "BETWEEN_TRIES", 0.02)
    made: list[Limiter] = []

    def make(*args: str, timeout: float = 5.0, **options: object) -> Limiter:
        made.append(Limiter(*args, timeout=timeout, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture(params=["memory", "redis"])
def one(request: pytest.FixtureRequest, limiter: Make) -> Limiter:
    if request.param == "memory":
        return limiter()
    return limiter(request.getfixturevalue("redis").url, prefix=request.node.name)


async def settled(limiter: Limiter) -> None:
    """Until corrections have been counted."""
    while limiter._corrections:
        await asyncio.wait(limiter._corrections, timeout=10)


async def test_a_limit_holds_and_says_how_it_stands(one: Limiter) -> None:
    taken = [await one.take("alice/requests", 3, 1) for _ in range(5)]
    assert [granted for granted, _ in taken] == [True, True, True, False, False]
    assert [window.remaining for _, window in taken] == [2, 1, 0, 0, 0]
    assert 0 < taken[-1][1].reset_seconds <= 120
    assert (await one.take("bob/requests", 3, 1))[0], "each key has its own"


async def test_many_at_once_take_no_more_than_the_limit(one: Limiter) -> None:
    taken = await asyncio.gather(*(one.take("alice/tokens", 1000, 10) for _ in range(200)))
    assert sum(granted for granted, _ in taken) == 100


async def test_what_is_larger_than_the_limit_never_fits(one: Limiter) -> None:
    granted, window = await one.take("alice/tokens", 100, 101)
    assert (granted, window.remaining, window.retry_after(101)) == (False, 100, None)


@pytest.mark.parametrize(
    ("taken", "correction", "left"),
    [(80, -50, 70), (80, 10, 10), (80, 500, 0), (10, -500, 100), (0, 30, 70)],
    ids=["less", "more", "more-than-the-limit", "never-below-nothing", "nothing-before"],
)
async def test_corrections_count_whatever_the_limit(one: Limiter, taken: int, correction: int, left: int) -> None:
    if taken:
        await one.take("alice/tokens", 100, taken)
    one.correct("alice/tokens", correction)
    await settled(one)
    _, window = await one.take("alice/tokens", 100, 101)
    assert window.remaining == left


async def test_a_new_limit_counts_what_was_used_under_the_old(one: Limiter) -> None:
    for _ in range(3):
        await one.take("alice/requests", 5, 1)
    granted, window = await one.take("alice/requests", 3, 1)
    assert (granted, window.remaining) == (False, 0)


async def test_gateways_count_together(limiter: Make, redis: RedisServer) -> None:
    first, second = (limiter(redis.url, prefix="together") for _ in range(2))
    other = limiter(redis.url, prefix="apart")
    assert [(await each.take("a", 2, 1))[0] for each in (first, second, first, other)] == [True, True, False, True]


@pytest.mark.parametrize("away", ["open", "closed"])
@pytest.mark.parametrize("harm", ["killed", "frozen", "never-there"])
async def test_redis_away(
    limiter: Make, redis: RedisServer, caplog: pytest.LogCaptureFixture, away: str, harm: str
) -> None:
    caplog.set_level(logging.INFO)
    shared = limiter(redis.url, away=away, timeout=0.5, prefix=f"{away}-{harm}")
    if harm == "never-there":
        redis.kill()
    await shared.open()
    if harm != "never-there":
        assert (await shared.take("a", 2, 1))[0]
        redis.kill() if harm == "killed" else redis.freeze()

    async def asked() -> list[object]:
        return await asyncio.gather(*(shared.take("a", 2, 1) for _ in range(50)), return_exceptions=True)

    first, again = await asked(), await asked()
    for results in (first, again):
        if away == "closed":
            assert {(type(result), getattr(result, "code", None)) for result in results} == {
                (LimitsUnavailable, "limits_unavailable")
            }
    if away == "open":  # this gateway alone: two are let in, and no more
        assert [result[0] for result in [*first, *again] if isinstance(result, tuple)].count(True) == 2
        assert not [result for result in [*first, *again] if not isinstance(result, tuple)]
    shared.correct("a", -1)
    assert not shared.shared
    assert caplog.text.count("is away") == 1

    redis.thaw() if harm == "frozen" else redis.start()
    deadline = time.monotonic() + 30
    while not shared.shared:
        assert time.monotonic() < deadline
        assert shared._return is not None
        await asyncio.wait([shared._return], timeout=1)
    assert (await shared.take("b", 1, 1))[0]
    assert not (await shared.take("b", 1, 1))[0]
    assert caplog.text.count("is back:") == 1


async def test_redis_that_refuses_is_redis_away(
    limiter: Make, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    shared = limiter(f"redis://user:hunter2hunter2@127.0.0.1:{redis.port}/0")
    await shared.open()
    assert not shared.shared
    assert (await shared.take("a", 1, 1))[0]
    assert f"127.0.0.1:{redis.port}" in caplog.text
    assert "hunter2" not in caplog.text


async def test_strange_values_under_our_names(limiter: Make, redis: RedisServer) -> None:
    shared = limiter(redis.url, prefix="strange")
    await shared._client.rpush("strange:{a}", "x")  # type: ignore[misc]
    assert (await shared.take("a", 1, 1))[0], "counted alone meanwhile"
