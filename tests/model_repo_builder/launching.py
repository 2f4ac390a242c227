"""Starting ``launch`` as a command with stand-ins, and looking for what it started and what it left.

It knows the command's flags and the stand-ins' record of calls. It must not know what a test expects.
"""

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from loadtest.written import whole_lines
from tests.support.processes import gone
from tests.support.waiting import until

DEADLINE = 30
STEP = "--port-step=3"


def calls(program: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(program.with_name("calls.jsonl"))]


def alive(call: dict[str, Any]) -> bool:
    return not gone(call["pid"])


def regions(found: list[dict[str, Any]]) -> list[Path]:
    prefixes = {word.partition("prefix-name=")[2] for call in found for word in call["argv"] if "prefix-name" in word}
    assert len(prefixes) == len(found)
    return [path for prefix in prefixes for path in Path("/dev/shm").glob(f"{prefix}*")]


def command(repository: Path, program: Path, *flags: str) -> list[str]:
    base = _nine_ports()
    ports = ["--grpc-port", str(base), "--http-port", str(base + 1), "--metrics-port", str(base + 2)]
    builder = [sys.executable, "-m", "model_repo_builder.cli", "launch", str(repository)]
    return [*builder, "--tritonserver", str(program), *ports, *flags]


def _nine_ports() -> int:
    """The first of nine free ones, below those that the system gives to connections at any moment."""
    while True:
        base = random.randrange(20000, 32000)
        with ExitStack() as stack, suppress(OSError):
            for port in range(base, base + 9):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return base


@contextmanager
def launched(words: list[str], ready: int, path: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """The command, when it has said that many times that an instance is ready."""
    environment = {**os.environ, **({"PATH": f"{path}:{os.environ['PATH']}"} if path else {})}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            seen: list[str] = []
            while sum(" is ready: " in line for line in seen) < ready:
                seen.append(process.stderr.readline())
                assert seen[-1], seen
            yield process
        finally:
            process.kill()


def rest(process: "subprocess.Popen[str]") -> str:
    return process.communicate(timeout=DEADLINE)[1]


def nothing_left(program: Path) -> None:
    found = calls(program)
    until(lambda: not any(alive(call) for call in found) and regions(found) == [])


def bare_repository(folder: Path) -> Path:
    """A repository as far as a launcher looks at one: an engine model that says what runs it."""
    model = folder / "repository" / "tensorrt_llm"
    model.mkdir(parents=True)
    (model / "config.pbtxt").write_text('name: "tensorrt_llm" backend: "python"')
    return model.parent
