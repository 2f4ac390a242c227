"""What rendering cannot see is said at the start: one sentence that names it, and an end that is no crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
TOML = '[[models]]\nname = "qwen"\ntokenizer = "{folder}/nowhere"\nmax_model_len = 512\n'


@pytest.mark.parametrize(
    ("command", "says"),
    [
        pytest.param(["model-repo-builder", "launch", "{folder}/nowhere"], "nowhere does not exist", id="repository"),
        pytest.param(["model-repo-builder", "launch", "{folder}"], "is no model repository", id="no-repository"),
        pytest.param(["gateway", "serve", "--config", "{folder}/none.toml"], "none.toml cannot be read", id="settings"),
        pytest.param(["gateway", "serve", "--config", "{folder}/gateway.toml"], "{folder}/nowhere", id="tokenizer"),
        pytest.param(["gateway", "serve", "--config", "{folder}/keys.toml"], "gone.toml", id="keys"),
        pytest.param(["gateway", "serve", "--config", "{folder}/length.toml"], "max_model_len", id="length"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, command: list[str], says: str) -> None:
    toml = TOML.replace("{folder}", str(tmp_path))
    (tmp_path / "gateway.toml").write_text(toml, "utf-8")
    (tmp_path / "keys.toml").write_text(f'{toml}[keys]\nfile = "gone.toml"\n', "utf-8")
    (tmp_path / "length.toml").write_text(toml.replace("512", "0"), "utf-8")
    words = [word.replace("{folder}", str(tmp_path)) for word in command]
    done = subprocess.run([str(BIN / words[0]), *words[1:]], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2)
    assert says.replace("{folder}", str(tmp_path)) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
