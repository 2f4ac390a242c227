"""What every check program in Python needs: scripts for the engine, a tool, and a place for results.

It must not know any client. It runs in environments that are not ours: Python's own library, and what the repository
has that needs no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.engine.journal import Journal
from loadtest.engine.script import Script, script_text
from tests.clients.programs.stage import Stage
from tests.support.watch import Watch, watching

RESULTS = "CLIENTS_RESULTS"
QUESTION = "Tell me something about yourself."
"""For structured output: what a model says to it by itself has no form at all. Schemas hold choices alone, since a tiny
model may write a free string to the end of its context."""
Checks = Mapping[str, Callable[[Stage], None] | Sequence[Callable[[Stage], None]]]


def says(text: str, **more: Any) -> str:
    """A prompt to which the scripted engine answers with that text."""
    return script_text(Script(text=text, **more))


def calls(tool: str, **arguments: Any) -> str:
    """A prompt to which the scripted engine answers with a call."""
    call = {"name": tool, "arguments": arguments}
    return says(f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>")


@dataclass(slots=True)
class Weather:
    """A tool whose result nobody can guess, and which makes the scripted engine say it.

    The result is itself a script, and the engine obeys the last one in its prompt: the final answer has the station
    only if the result went back to the engine.
    """

    station: str = field(default_factory=lambda: secrets.token_hex(4))
    cities: list[str] = field(default_factory=list)

    def look(self, city: str) -> str:
        self.cities.append(city)
        return says(f"In {city} it is sunny, says station {self.station}.")

    @property
    def answer(self) -> str:
        return f"In 巴黎 it is sunny, says station {self.station}."

    @staticmethod
    def prompt() -> str:
        return calls("get_weather", city="巴黎")

    def check(self, answer: object) -> None:
        assert self.cities == ["巴黎"], f"the tool was called with {self.cities}"
        assert answer == self.answer, f"the tool's result is not in the answer: {answer!r}"


@dataclass(slots=True)
class Slow:
    """An answer that takes five seconds, to see pieces of it while the engine still writes: some clients import much
    before they give out the first.

    ``see`` each piece as it comes.
    """

    stage: Stage
    text: str = "你好, one two three four five six seven eight nine ten. " * 3
    tag: str = field(default_factory=lambda: f"slow-{secrets.token_hex(4)}")
    pieces: list[str] = field(default_factory=list)
    early: bool = False

    @property
    def prompt(self) -> str:
        return says(self.text, tag=self.tag, delay_ms=100)

    def see(self, piece: str | None) -> None:
        if piece and not self.pieces:
            self.early = not Journal(Path(self.stage.journal)).records(self.tag, "end")
        if piece:
            self.pieces.append(piece)

    def check(self) -> None:
        assert "".join(self.pieces).strip() == self.text.strip(), f"the pieces make {''.join(self.pieces)!r}"
        assert self.early, "the first piece came only after the engine had ended"
        assert len(self.pieces) > 3, f"only {len(self.pieces)} pieces came"


@dataclass(frozen=True, slots=True)
class Endless:
    """An answer that goes on until its client leaves."""

    stage: Stage
    tag: str = field(default_factory=lambda: f"endless-{secrets.token_hex(4)}")

    @property
    def prompt(self) -> str:
        return says("one two three ", tag=self.tag, repeat=True, delay_ms=20)

    def check(self) -> None:
        """The engine saw that the client has left, while this process lives on."""
        Journal(Path(self.stage.journal)).wait_for(self.tag, "cancel", timeout=15)


async def left(consume: Callable[[Callable[[], None]], Coroutine[Any, Any, None]], endless: Endless) -> None:
    """Cancels the task that consumes an endless answer once it says that it has some of it, as a server does whose own
    client is gone."""
    some = asyncio.Event()
    task = asyncio.create_task(consume(some.set))
    waiting = asyncio.create_task(some.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task  # whatever else ended it is an error
    assert task.cancelled(), "the answer ended by itself"
    await asyncio.to_thread(endless.check)


@contextlib.contextmanager
def raises(kind: type[BaseException] | tuple[type[BaseException], ...], *words: str) -> Iterator[None]:
    """Fails unless an error of that class comes, with these words in its text."""
    caught: BaseException | None = None
    try:
        yield
    except kind as error:
        caught = error
    assert caught is not None, f"no error came where {kind} should have"
    missing = [word for word in words if word not in str(caught)]
    assert not missing, f"{type(caught).__name__} does not say {missing}: {caught}"


def run(version: str, checks: Checks) -> None:
    """Runs the checks in this process: a line of JSON with the version and the columns, then one per check."""
    stage = Stage.given()
    listed = {column: (each,) if callable(each) else tuple(each) for column, each in checks.items()}
    with open(os.environ[RESULTS], "w", encoding="utf-8") as results, watching() as watch:
        _write(results, version=version, columns=list(listed))
        for column, functions in listed.items():
            for check in functions:
                _write(results, column=column, name=check.__name__, wrong=_wrong(check, stage, watch))


def _wrong(check: Callable[[Stage], None], stage: Stage, watch: Watch) -> str | None:
    wrong: str | None = None
    try:
        check(stage)
    except Exception:  # a check may fail in any way; the next one runs all the same
        wrong = traceback.format_exc()
        print(wrong, file=sys.stderr)
    return "\n\n".join(filter(None, [wrong, *watch.take()])) or None


def _write(results: Any, **line: Any) -> None:
    print(json.dumps(line), file=results, flush=True)
