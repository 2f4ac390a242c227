"""Every client has what it is made and checked with, and every program at least compiles. Nothing is installed here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.client import CLIENTS, FOLDER, Client, chosen
from tests.clients.environment import NODE, fingerprint, last_word, own_flags, version
from tests.clients.programs.stage import VARIABLE, Stage
from tests.support.absent import absent

every_client = pytest.mark.parametrize("client", CLIENTS, ids=[client.name for client in CLIENTS])
SCRIPTS = sorted((FOLDER / "programs").glob("*.mjs"))
DOCS = FOLDER.parents[1] / "docs" / "clients.md"


@every_client
def test_a_client_is_pinned_and_has_a_program(client: Client) -> None:
    assert client.source.is_file()
    assert re.fullmatch(r"\d+(\.\d+)+", version(client))


@every_client
def test_the_docs_name_the_version(client: Client) -> None:
    assert f"| {client.name} | {version(client)} |" in re.sub(" +", " ", DOCS.read_text("utf-8"))


def test_names_are_not_given_twice() -> None:
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)


@pytest.mark.parametrize("file", sorted((FOLDER / "requirements").glob("*.txt")), ids=lambda file: file.stem)
def test_requirements_are_versions_and_nothing_else(file: Path) -> None:
    text = file.read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.+!]+", line)] == []


@pytest.mark.parametrize("program", sorted((FOLDER / "programs").glob("*.py")), ids=lambda file: file.stem)
def test_a_program_compiles(program: Path) -> None:
    compile(program.read_bytes(), str(program), "exec")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.stem)
def test_a_script_compiles(script: Path) -> None:
    node = shutil.which("node")
    if node is None:
        absent("node is not installed: apt-get install nodejs")
    done = subprocess.run([node, "--check", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("names", "found"),
    [
        pytest.param("llm", ["llm"], id="a-name"),
        pytest.param("openai-agents", ["openai-agents (chat)", "openai-agents (responses)"], id="an-environment"),
        pytest.param("openai 1.x, llm", ["openai 1.x", "llm"], id="a-name-with-a-space"),
        pytest.param("openai", ["openai", "openai 1.x", "openai (Node)"], id="a-first-word"),
        pytest.param(None, [client.name for client in CLIENTS], id="all"),
    ],
)
def test_clients_are_chosen_by_name(names: str | None, found: list[str]) -> None:
    assert [client.name for client in chosen(names)] == found


def test_a_client_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no client 'nobody'; there are openai, "):
        chosen("llm,nobody")


def test_a_changed_file_makes_another_environment(tmp_path: Path) -> None:
    file = FOLDER / "requirements" / "llm.txt"
    changed = tmp_path / "llm.txt"
    shutil.copy(file, changed)
    assert fingerprint(changed) == fingerprint(file)
    changed.write_text(file.read_text("utf-8") + "\n")
    assert fingerprint(changed) != fingerprint(file)


def test_the_first_line_of_requirements_may_hold_flags(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("# pip: --no-deps\na==1\n")
    assert own_flags(file) == ["--no-deps"]
    assert own_flags(NODE) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("a\nERROR: No matching distribution\nhint\n", "ERROR: No matching distribution", id="pip"),
        pytest.param("npm error code E404\nnpm error 404 Not Found\n", "npm error 404 Not Found", id="npm"),
        pytest.param("killed\n", "killed", id="no-error"),
        pytest.param("", "the installer said nothing", id="nothing"),
    ],
)
def test_an_installer_s_last_word(text: str, word: str) -> None:
    assert last_word(text) == word


def test_the_stage_goes_to_another_process_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("http://g", "http://d", "k", "scripted", "real", "/j")
    [(name, value)] = stage.environment().items()
    assert (name, json.loads(value)["key"]) == (VARIABLE, "k")
    monkeypatch.setenv(name, value)
    assert (Stage.given(), stage.api) == (stage, "http://g/v1")
