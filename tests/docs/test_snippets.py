"""Every block of code in the documentation: run in front of a real gateway, read by what would read it, or shown for a
reason.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SEEDLING
from tests.docs.bodies import check_body, check_toml
from tests.docs.commands import check_command, commands
from tests.docs.snippets import Snippet, pages, snippets
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.triton import Triton

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:9000"  # where the documentation has the gateway
ALL = [snippet for page, text in pages(ROOT).items() for snippet in snippets(page, text)]
SHARED: dict[str, dict[str, Any]] = {}  # what the Python of each page has defined so far


def those(verb: str, language: str) -> pytest.MarkDecorator:
    found = [snippet for snippet in ALL if (snippet.verb, snippet.language) == (verb, language)]
    assert found, f"no {language} is {verb}"
    return pytest.mark.parametrize("snippet", found, ids=lambda snippet: snippet.place)


@pytest.fixture(scope="session")
def documented(session_dir: Path, seedling_triton: Triton) -> Iterator[Gateway]:
    """A gateway as the pages have it: its model is called qwen."""
    config = session_dir / "documented.toml"
    gateway_toml(config, seedling_triton.grpc, SEEDLING, max_model_len=2048, routes=["direct"])
    config.write_text(config.read_text("utf-8").replace('name = "direct"', 'name = "qwen"'), "utf-8")
    with gateway_serving(session_dir / "documented.log", "--config", str(config)) as gateway:
        yield gateway


@those("run", "python")
def test_python_runs(snippet: Snippet, documented: Gateway) -> None:
    names = SHARED.setdefault(snippet.page, {})
    printed = io.StringIO()
    source = snippet.text.replace(ADDRESS, documented.url)
    with contextlib.redirect_stdout(printed):
        exec(compile(source, snippet.place, "exec"), names)
    assert (snippet.prints or "") in printed.getvalue()


@those("run", "bash")
def test_shell_runs(snippet: Snippet, documented: Gateway, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "OPENAI_BASE_URL": documented.api, "NO_COLOR": "1"}
    script = snippet.text.replace(ADDRESS, documented.url)
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert (snippet.prints or "") in done.stdout


@those("checked", "bash")
def test_commands_exist(snippet: Snippet) -> None:
    read = subprocess.run(["bash", "-n"], input=snippet.text, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    assert any([check_command(words) for words in commands(snippet.text)]), "nothing here is ours: say why it is shown"


@those("checked", "toml")
def test_files_are_what_would_be_read(snippet: Snippet, tmp_path: Path) -> None:
    check_toml(snippet.text, tmp_path)


@those("checked", "json")
def test_bodies_are_what_would_be_taken(snippet: Snippet) -> None:
    check_body(snippet.kind or "chat", json.loads(snippet.text))
