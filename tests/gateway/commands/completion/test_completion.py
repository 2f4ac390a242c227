"""The completion scripts, in the shells they are for."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main, parser
from gateway.commands.completion.shells import SHELLS
from gateway.commands.completion.words import places
from tests.gateway.commands.terminal import terminal
from tests.support.absent import absent
from tests.support.gateway import GATEWAY

COMMANDS = ["serve", "capabilities", "keys", "chat", "check", "completion"]
# What is typed → what is offered; ``…``: those and more.
TYPED = [
    pytest.param("", COMMANDS, id="commands"),
    pytest.param("ch", ["chat", "check"], id="half-a-command"),
    pytest.param("serve --ro", ["--route"], id="half-a-flag"),
    pytest.param("serve --route ", ["auto", "direct", "llmapi", "ensemble", "bls"], id="choices"),
    pytest.param("serve --port 1 --route d", ["direct"], id="half-a-choice"),
    pytest.param("serve --host ", [], id="free-value"),
    pytest.param("keys ", ["new", "hash", "list"], id="actions"),
    pytest.param("keys new alice --pr", ["--priority"], id="below"),
    pytest.param("keys new --priority ", ["high", "normal", "low"], id="choices-below"),
    pytest.param("completion ", ["bash", "zsh", "fish"], id="positional"),
    pytest.param("chat --model check --sys", ["--system"], id="a-value-that-is-a-command"),
    pytest.param("serve --config gate", ["gateway.toml"], id="files"),
    pytest.param("chat --key-file with", ["with space.txt"], id="spaces"),
    pytest.param("nonsense --", ["--help", "--version"], id="nonsense"),
]


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Path]:
    """Writes a shell's script into a folder with some files."""
    (tmp_path / "gateway.toml").touch()
    (tmp_path / "with space.txt").touch()

    def write(shell: str) -> Path:
        assert main(["completion", shell]) == 0
        path = tmp_path / f".script.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        absent(f"{shell} is not installed: apt-get install {shell}")


def told(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_bash(script: Callable[[str], Path], tmp_path: Path, typed: str, offered: list[str]) -> None:
    need("bash")
    words = ["gateway", *typed.split(" ")]
    listed = " ".join(f"'{word}'" for word in words)
    asks = (
        f"source {script('bash')}; COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; "
        '_gateway; for each in "${COMPREPLY[@]}"; do echo "$each"; done'
    )
    assert sorted(told(["bash", "--norc", "-c", asks], tmp_path).splitlines()) == sorted(offered)


def test_bash_offers_the_value_after_an_equals_sign(script: Callable[[str], Path], tmp_path: Path) -> None:
    need("bash")
    for words in (("--route", "="), ("--route", "=", "l")):
        listed = " ".join(f"'{word}'" for word in ("gateway", "serve", *words))
        asks = f"source {script('bash')}; COMP_WORDS=({listed}); COMP_CWORD={len(words) + 1}; _gateway; "
        asks += "echo ${COMPREPLY[*]}"
        expected = "auto direct llmapi ensemble bls" if len(words) == 2 else "llmapi"
        assert told(["bash", "--norc", "-c", asks], tmp_path).strip() == expected


@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_fish(script: Callable[[str], Path], tmp_path: Path, typed: str, offered: list[str]) -> None:
    need("fish")
    asks = f'source {script("fish")}; complete -C "gateway {typed}"'
    command = ["env", f"HOME={tmp_path}", f"XDG_CONFIG_HOME={tmp_path}/.c", "fish", "--no-config", "-c", asks]
    words = [line.partition("\t")[0].replace("\\ ", " ") for line in told(command, tmp_path).splitlines()]
    assert sorted(words) == sorted(offered)


def test_keys_pressed_in_bash(script: Callable[[str], Path], tmp_path: Path) -> None:
    """The Tab key itself, in an interactive shell."""
    need("bash")
    with terminal(["bash", "--norc", "-i"], {"PS1": "ready$ ", "HOME": str(tmp_path)}) as shell:
        shell.wait_for("ready$ ")
        shell.type(f"cd {tmp_path}; source {script('bash')}\r")
        shell.wait_for("ready$ ")
        shell.type("gateway serv\t--conf\tgatew\t")
        shell.wait_for("gateway serve --config gateway.toml ")


def test_keys_pressed_in_zsh(script: Callable[[str], Path], tmp_path: Path) -> None:
    need("zsh")
    shutil.copy(script("zsh"), tmp_path / "_gateway")
    with terminal(["zsh", "-f", "-i"], {"PS1": "ready$ ", "HOME": str(tmp_path)}) as shell:
        shell.wait_for("ready$ ")
        # As a file in fpath, which is how people install it.
        shell.type(f"cd {tmp_path}; fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -D -u; echo set''-up\r")
        shell.wait_for("set-up")
        shell.type("gateway serv\t--conf\tgatew\t")
        shell.wait_for("gateway.toml")
        assert "serve" in shell.seen


@pytest.mark.parametrize("shell", SHELLS)
def test_every_flag_is_in_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", shell])
    text = capsys.readouterr().out
    for place in places(parser()):
        for flag in place.flags:
            for name in flag.names:
                assert (name if shell != "fish" else name.lstrip("-")) in text


def test_help_cannot_break_out_of_a_script(tmp_path: Path) -> None:
    """Quotes, dollars and backquotes of help texts are text in every shell."""
    hostile = argparse.ArgumentParser(prog="gateway")
    hostile.add_argument("--a", help="it's `touch owned` $(touch owned) \\ \" ' %% :", choices=["x", "$(touch owned)"])
    for shell, written in SHELLS.items():
        if shutil.which(shell):
            path = tmp_path / shell
            path.write_text(written("gateway", list(places(hostile))))
            subprocess.run(
                [shell, *(["--no-config"] if shell == "fish" else []), "-n", str(path)], check=True, timeout=60
            )
            loaded = f"compdef() {{ :; }}; source {path}" if shell == "zsh" else f"source {path}"
            told([shell, *(["--no-config"] if shell == "fish" else []), "-c", loaded], tmp_path)
    assert not (tmp_path / "owned").exists()


def test_a_shell_that_is_not_known() -> None:
    done = subprocess.run([str(GATEWAY), "completion", "tcsh"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("gateway: argument shell: invalid choice: 'tcsh'")
    assert done.stderr.endswith("Help: gateway completion --help\n")
