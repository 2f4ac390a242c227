"""Two real tritonservers on one repository, as leaders: each on its own ports, and none left behind."""

import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from loadtest.engine.script import Script, script_text
from model_repo_builder.ports import Ports
from tests.support.engine_client import EngineClient
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import BUILDER, build_repository, require, script_engine

STEP = 7


@pytest.fixture
def leaders(
    tmp_path: Path, tokenizer: TokenizerFolder, tiny_qwen_gguf: Path
) -> Iterator[tuple["subprocess.Popen[str]", Ports]]:
    """The command, when both are ready, and the ports of the first."""
    require("pytriton")
    ports = Ports.free()
    repository = build_repository(tmp_path / "repository", tokenizer.path, tiny_qwen_gguf, ports)
    script_engine(repository, tokenizer.path, tmp_path / "journal.jsonl")
    command = [str(BUILDER), "launch", str(repository), "--instances", "2", "--port-step", str(STEP)]
    for name in ("grpc", "http", "metrics"):
        command += [f"--{name}-port", str(getattr(ports, name))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines: list[str] = []
            while sum(" is ready: " in line for line in lines) < 2:
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            yield process, ports
        finally:
            process.terminate()
            process.communicate(timeout=60)


def servers(ports: Ports) -> dict[int, str]:
    """The process and the shared memory's prefix of each, by its HTTP port."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if words[0].endswith("/tritonserver") and "--http-port" in words:
            port = int(words[words.index("--http-port") + 1])
            if port in (ports.http, ports.http + STEP):
                prefix = re.search(r"qtg-[0-9a-f]+-", " ".join(words))
                assert prefix
                found[int(path.parent.name)] = prefix[0]  # the guard between has the same words, but not the name
    return found


def left(prefixes: list[str]) -> list[Path]:
    return [path for prefix in prefixes for path in Path("/dev/shm").glob(f"{prefix}*")]


def test_both_answer_and_end_together(
    leaders: tuple["subprocess.Popen[str]", Ports], tokenizer: TokenizerFolder
) -> None:
    process, ports = leaders
    text = f"<|im_start|>user\n{script_text(Script(ids=[5, 6, 7]))}<|im_end|>\n<|im_start|>assistant\n"
    prompt = list(tokenizer.load().encode(text, add_special_tokens=False).ids)
    prefixes = list(servers(ports).values())
    assert len(set(prefixes)) == 2
    assert all(left([prefix]) for prefix in prefixes)
    for port in (ports.grpc, ports.grpc + STEP):
        with closing(EngineClient(f"127.0.0.1:{port}")) as client:
            assert client.generate(prompt, end_id=tokenizer.end_id).ids == [5, 6, 7]
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert servers(ports) == {}
    assert left(prefixes) == []


def test_when_one_is_killed_the_other_is_stopped(leaders: tuple["subprocess.Popen[str]", Ports]) -> None:
    process, ports = leaders
    running = servers(ports)
    with urllib.request.urlopen(f"http://127.0.0.1:{ports.http + STEP}/v2/models/ensemble/ready") as reply:
        assert reply.status == 200
    os.kill(min(running), signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "tritonserver ended by itself with exit code 137" in said
    assert servers(ports) == {}
    assert left(list(running.values())) == []
