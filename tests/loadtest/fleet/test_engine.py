"""The modelled engine keeps its own books: tokens, time, slots, cache."""

from __future__ import annotations

import pytest

from loadtest.fleet.engine import (
    CHUNK_TOKENS,
    KV_TOKENS,
    PREFILL_SECONDS,
    SLOTS,
    STEP_SECONDS,
    STEP_SECONDS_EACH,
    Engine,
    Job,
)


def job(prompt: int = 100, answer: int = 10, *, conversation: int = 1, system: int = 0, application: int = 0) -> Job:
    return Job(prompt, answer, application, system, conversation, 0.0)


def finish(engine: Engine) -> dict[int, float]:
    """When each conversation's job ended. Time never goes back, and no token is given out twice or left out."""
    ended: dict[int, float] = {}
    tokens = {each.conversation: each.generated for each in engine.jobs}
    while (when := engine.next_at()) is not None:
        assert when >= engine.now
        for each, new, done in engine.run(when):
            tokens[each.conversation] += new
            if done:
                assert tokens[each.conversation] == each.answer_tokens
                ended[each.conversation] = when
    return ended


@pytest.mark.parametrize("slower", [1.0, 5.0])
def test_one_request_takes_its_prefill_and_its_steps(slower: float) -> None:
    engine = Engine(slower=slower)
    engine.add(job(prompt=1000, answer=101), 0.0)
    ended = finish(engine)
    assert ended[1] == pytest.approx(slower * (1000 * PREFILL_SECONDS + 100 * (STEP_SECONDS + STEP_SECONDS_EACH)))


def test_an_answer_of_one_token_ends_with_the_prefill() -> None:
    engine = Engine()
    engine.add(job(prompt=10, answer=1), 0.0)
    assert finish(engine)[1] == pytest.approx(10 * PREFILL_SECONDS)


def test_a_prefill_slows_those_who_decode() -> None:
    alone, disturbed = Engine(), Engine()
    for engine in (alone, disturbed):
        engine.add(job(prompt=1, answer=200), 0.0)
    engine.run(0.01)
    disturbed.add(job(prompt=4 * CHUNK_TOKENS, answer=1, conversation=2), 0.1)
    late = finish(disturbed)[1] - finish(alone)[1]
    assert late == pytest.approx(4 * CHUNK_TOKENS * PREFILL_SECONDS, rel=0.05)


def test_slots_are_bounded_and_the_rest_queues() -> None:
    engine = Engine()
    for number in range(SLOTS + 5):
        engine.add(job(conversation=number), 0.0)
    assert engine.running == SLOTS
    assert len(engine.queue) == 5
    assert len(finish(engine)) == SLOTS + 5
    assert engine.running == 0


def test_memory_is_bounded_and_large_requests_still_run() -> None:
    engine = Engine()
    for number in range(3):
        engine.add(job(prompt=KV_TOKENS // 2, conversation=number), 0.0)
    assert engine.running == 1
    engine.add(job(prompt=2 * KV_TOKENS, conversation=9), 0.0)
    assert len(finish(engine)) == 4


def test_a_second_turn_and_a_neighbour_find_what_is_cached() -> None:
    engine = Engine()
    engine.add(job(prompt=600, answer=100, system=400), 0.0)
    finish(engine)
    following, neighbour, stranger = (
        job(prompt=800, system=400),
        job(prompt=500, conversation=2, system=400),
        job(prompt=500, conversation=3, system=400, application=7),
    )
    for each in (following, neighbour, stranger):
        engine.add(each, engine.now)
    assert [each.cached_tokens for each in (following, neighbour, stranger)] == [700, 400, 0]


def test_old_caches_make_room() -> None:
    engine = Engine()
    for number in range(10):
        engine.add(job(prompt=KV_TOKENS // 4, answer=1, conversation=number), engine.now)
        finish(engine)
    again = [job(prompt=KV_TOKENS // 4 + 5, answer=1, conversation=number) for number in (0, 9)]
    for each in again:
        engine.add(each, engine.now)
    assert again[0].cached_tokens == 0
    assert again[1].cached_tokens > 0


def test_a_death_loses_all_and_an_empty_engine_comes_back() -> None:
    engine = Engine(slower=2.0)
    for number in range(40):
        engine.add(job(conversation=number), 0.0)
    assert len(engine.die(0.5)) == 40
    assert engine.next_at() is None
    assert engine.slower == 2.0
    engine.add(job(), 1.0)
    assert len(finish(engine)) == 1
