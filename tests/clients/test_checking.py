"""The checks can fail: what programs share notices a tool that was not called, an answer that came late, an error that
did not come."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtest.engine.journal import JournalWriter
from loadtest.engine.script import find_script
from tests.clients.programs.checking import RESULTS, Endless, Slow, Weather, left, raises, run
from tests.clients.programs.stage import Stage


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalWriter]:
    writer = JournalWriter(str(tmp_path / "journal"))
    yield writer
    writer.close()


@pytest.fixture
def stage(tmp_path: Path, journal: JournalWriter) -> Stage:
    return Stage("http://g", "http://d", "k", "scripted", "real", str(tmp_path / "journal"))


def test_a_tool_s_result_is_what_the_engine_says_next() -> None:
    weather = Weather()
    script = find_script(weather.prompt() + weather.look("巴黎"))
    assert script
    weather.check(script.text)


@pytest.mark.parametrize(
    ("cities", "answer"),
    [
        pytest.param([], None, id="not-called"),
        pytest.param(["Paris"], None, id="called-with-something-else"),
        pytest.param(["巴黎", "巴黎"], None, id="called-twice"),
        pytest.param(["巴黎"], "It is sunny.", id="result-not-in-the-answer"),
    ],
)
def test_a_tool_that_was_not_really_used_is_noticed(cities: list[str], answer: str | None) -> None:
    weather = Weather()
    for city in cities:
        weather.look(city)
    with pytest.raises(AssertionError):
        weather.check(answer or weather.answer)


def test_pieces_that_come_while_the_engine_writes(stage: Stage) -> None:
    slow = Slow(stage, text="abcdef")
    for piece in "abcdef":
        slow.see(piece)
    slow.check()


@pytest.mark.parametrize(
    ("pieces", "ended", "why"),
    [
        pytest.param("abcdef", True, "only after the engine had ended", id="late"),
        pytest.param(["abcdef"], False, "only 1 pieces", id="one-piece"),
        pytest.param("abcde", False, "the pieces make", id="cut"),
        pytest.param("", False, "the pieces make", id="nothing"),
    ],
)
def test_a_stream_that_is_none_is_noticed(
    stage: Stage, journal: JournalWriter, pieces: str, ended: bool, why: str
) -> None:
    slow = Slow(stage, text="abcdef")
    if ended:
        journal.write("end", slow.tag)
    for piece in pieces:
        slow.see(piece)
    with pytest.raises(AssertionError, match=why):
        slow.check()


async def test_who_leaves_has_left_once_the_engine_says_so(stage: Stage, journal: JournalWriter) -> None:
    endless = Endless(stage)

    async def consume(some: Callable[[], None]) -> None:
        try:
            some()
            await asyncio.Event().wait()
        finally:
            journal.write("cancel", endless.tag)

    await left(consume, endless)


async def test_an_answer_that_ends_by_itself_was_not_left(stage: Stage) -> None:
    async def consume(some: Callable[[], None]) -> None:
        some()

    with pytest.raises(AssertionError, match="ended by itself"):
        await left(consume, Endless(stage))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        pytest.param(KeyError("a word"), None, id="it"),
        pytest.param(KeyError("another"), AssertionError, id="other-words"),
        pytest.param(OSError("a word"), OSError, id="other-class"),
        pytest.param(None, AssertionError, id="none"),
    ],
)
def test_an_error_must_be_the_one(error: Exception | None, failure: type[Exception] | None) -> None:
    def fail() -> None:
        with raises(KeyError, "word"):
            if error:
                raise error

    if failure is None:
        fail()
    else:
        with pytest.raises(failure):
            fail()


def test_a_check_that_fails_is_told_and_the_next_one_runs(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Stage) -> None:
        raise KeyError("x")

    def fine(given: Stage) -> None:
        assert given == stage

    for name, value in {**stage.environment(), RESULTS: str(tmp_path / "results")}.items():
        monkeypatch.setenv(name, value)
    run("1.2", {"plain": [broken, fine], "tools": fine})
    head, *checks = map(json.loads, (tmp_path / "results").read_text("utf-8").splitlines())
    assert head == {"version": "1.2", "columns": ["plain", "tools"]}
    assert [(check["column"], check["name"]) for check in checks] == [
        ("plain", "broken"),
        ("plain", "fine"),
        ("tools", "fine"),
    ]
    assert re.search(r"KeyError: 'x'$", checks[0]["wrong"].strip())
    assert checks[1]["wrong"] is checks[2]["wrong"] is None
