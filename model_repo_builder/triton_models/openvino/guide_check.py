"""Gets guides ready, one after another: tried in a process of its own first, then compiled where they are needed.

A guide that crashes the compiler, or takes too much, ends that process and is refused; the process starts again.
Whoever asked for a guide gets what is wrong with it, or nothing.

It knows the protocol of ``grammar`` as a program. It must not know requests, the pipeline or Triton.
"""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .guide import Guide

PROGRAM = Path(__file__).with_name("grammar.py")
REMEMBERED = 1000
"""Guides whose verdict is kept."""

TOO_MUCH = "takes too much time or memory to compile: make it simpler (long repetitions of many characters cost most)"
BROKEN = "guided decoding is out of order: its compiler does not start, the server's log may have the reason"


class CheckerBroken(Exception):
    """The program does not start."""


class GuideChecker:
    """The process that tries guides. For one thread, but for ``close``."""

    def __init__(self, model_path: Path, vocab_size: int, milliseconds: int) -> None:
        self._command = [_python(), str(PROGRAM), str(model_path), str(vocab_size), str(milliseconds)]
        self._verdicts: OrderedDict[Guide, str] = OrderedDict()
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to load the vocabulary, which takes seconds; the first guide waits for it."""
        if self._is_closed:
            raise CheckerBroken("closed")
        # Its errors may quote a guide, which belongs in nobody's log.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._is_ready = False

    def check(self, guide: Guide) -> str:
        """What is wrong with the guide; nothing where it compiles."""
        verdict = self._verdicts.pop(guide, None)
        if verdict is None:
            verdict = self._try(guide)
        self._verdicts[guide] = verdict
        if len(self._verdicts) > REMEMBERED:
            self._verdicts.popitem(last=False)
        return verdict

    def close(self) -> None:
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()

    def _try(self, guide: Guide) -> str:
        if self._process is None:
            self.start()
        if not self._is_ready and not _line_of(self._process):
            self._end()
            raise CheckerBroken("its process does not start")
        self._is_ready = True
        answer = _ask(self._process, [guide.type, guide.text])
        if answer:
            return str(json.loads(answer))
        self._end()
        self.start()  # at once, so that the next one waits less
        return TOO_MUCH


def _ask(process: "subprocess.Popen[str] | None", question: list[str]) -> str:
    if process is None or process.stdin is None:
        return ""
    try:
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        return ""
    return _line_of(process)


def _line_of(process: "subprocess.Popen[str] | None") -> str:
    """The next answer; nothing where the process has ended."""
    return "" if process is None or process.stdout is None else process.stdout.readline()


@dataclass(frozen=True, slots=True)
class Order:
    """A guide to get ready: ``prepare`` compiles it where it is needed, ``done`` gets what is wrong with it."""

    guide: Guide
    prepare: Callable[[Guide], str]
    done: Callable[[str], None]


class GuideThread:
    """Takes one order after another, so that whoever gives them never waits."""

    def __init__(self, checker: GuideChecker, log: Callable[[str], None]) -> None:
        self._checker = checker
        self._log = log
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="guides", daemon=True)
        self._thread.start()

    def order(self, order: Order) -> None:
        self._orders.put(order)

    def close(self, timeout: float = 10) -> None:
        self._orders.put(None)
        self._checker.close()  # a guide that is being tried now need not be waited for
        self._thread.join(timeout)
        self._checker.close()

    def _run(self) -> None:
        try:
            self._checker.start()
        except (OSError, CheckerBroken) as error:
            self._log(f"guided decoding does not start: {error}")
        while (order := self._orders.get()) is not None:
            try:
                wrong = self._checker.check(order.guide) or order.prepare(order.guide)
            except Exception as error:  # whatever it is, who waits hears of it and the thread goes on
                self._log(f"a guide could not be tried: {error!r}")
                wrong = BROKEN
            order.done(wrong)


def _python() -> str:
    """The interpreter as a program: inside of Triton this process is another one, with the interpreter in it."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    beside = [str(Path(prefix) / "bin" / name) for prefix in (sys.prefix, sys.base_prefix)]
    found = next((path for path in beside if os.access(path, os.X_OK)), None)
    return found or shutil.which(name) or shutil.which("python3") or sys.executable
