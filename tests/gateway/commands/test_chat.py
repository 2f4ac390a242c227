"""``gateway chat`` at a real terminal, in front of a real gateway, Triton and engine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from loadtest.engine.script import Script, script_text
from tests.gateway.commands.terminal import CTRL_D, Terminal, terminal
from tests.support.gateway import GATEWAY, Gateway
from tests.support.triton import ScriptedTriton


@pytest.fixture
def chat(scripted: Gateway) -> Iterator[Terminal]:
    """The scripted engine's model ``direct``, which does what is typed."""
    with terminal([str(GATEWAY), "chat", scripted.url, "--model", "direct"], {}) as typing:
        typing.wait_for("> ")
        yield typing


def test_a_conversation(chat: Terminal) -> None:
    chat.type(script_text(Script(text="one two 你好 😀", delay_ms=20)) + "\r")
    chat.wait_for("one two 你好 😀\r\n\x1b[2mfirst token after ")
    chat.wait_for(" tokens/s, direct\x1b[0m\r\n> ")
    chat.type("/sta\t\r")
    chat.wait_for("Answers: 1, of ")
    chat.wait_for("> ")
    chat.type(CTRL_D)
    assert chat.end() == 0


def test_thinking_is_dim_and_the_answer_is_not(featured: Gateway) -> None:
    with terminal([str(GATEWAY), "chat", featured.url, "--model", "thinker"], {}) as typing:
        typing.wait_for("> ")
        typing.type(script_text(Script(text="<think>Hm.</think>Yes.")) + "\r")
        thought = typing.wait_for("Yes.\r\n")
        assert "\x1b[2mH" in thought
        assert thought.endswith("\x1b[0m\r\nYes.\r\n")
        typing.type("/quit\r")
        assert typing.end() == 0


def test_ctrl_c_stops_the_answer_upstream_and_goes_on(chat: Terminal, scripted_triton: ScriptedTriton) -> None:
    chat.type(script_text(Script(tag="chat-stop", text="on and ", repeat=True, delay_ms=10)) + "\r")
    chat.wait_for("on and on and ")
    chat.interrupt()
    chat.wait_for("\x1b[2mstopped, first token after ")
    assert scripted_triton.journal.wait_for("chat-stop", "end")["reason"] == "cancel"
    chat.wait_for("> ")
    chat.type(script_text(Script(text="still here")) + "\r")
    chat.wait_for("still here\r\n")
    chat.wait_for("> ")
    chat.interrupt()
    chat.wait_for("Ctrl-C again ends")
    chat.wait_for("> ")
    chat.interrupt()
    assert chat.end() == 130


def test_ctrl_c_stops_before_the_first_token_too(chat: Terminal, scripted_triton: ScriptedTriton) -> None:
    chat.type(script_text(Script(tag="chat-early", text="x", hang_after=0)) + "\r")
    scripted_triton.journal.wait_for("chat-early", "hang")
    chat.interrupt()
    chat.wait_for("\x1b[2mstopped, direct\x1b[0m\r\n> ")
    assert scripted_triton.journal.wait_for("chat-early", "end")["reason"] == "cancel"
    chat.interrupt()
    assert chat.end() == 130


def test_the_up_key_brings_back_what_was_typed(chat: Terminal) -> None:
    chat.type("/set seed 1\r")
    chat.wait_for("seed is 1.")
    chat.wait_for("> ")
    chat.type("\x1b[A")
    chat.wait_for("/set seed 1")
    chat.type("2\r")
    chat.wait_for("seed is 12.")
    chat.wait_for("> ")
    chat.type("/quit\r")
    assert chat.end() == 0


def test_what_a_model_says_does_not_steer_the_terminal(chat: Terminal) -> None:
    chat.type(script_text(Script(text="a\x1b]0;owned\x07b\x1b[2J")) + "\r")
    chat.wait_for("a\\x1b]0;owned\\x07b\\x1b[2J\r\n")
    chat.type("/quit\r")
    assert chat.end() == 0


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["no-color", "dumb"])
def test_no_colours_where_none_are_wanted(scripted: Gateway, environ: dict[str, str]) -> None:
    with terminal([str(GATEWAY), "chat", scripted.url, "--model", "direct"], environ) as typing:
        typing.wait_for("> ")
        typing.type(script_text(Script(text="plain")) + "\r/nothing\r/quit\r")
        assert typing.end() == 0
        assert "plain" in typing.seen
        assert "\x1b[2m" not in typing.seen
        assert "\x1b[31m" not in typing.seen


def test_a_pipe_gets_the_answer_alone(scripted: Gateway) -> None:
    command = [str(GATEWAY), "chat", scripted.url, "--model", "direct"]
    asked = script_text(Script(text="one\ntwo 你好"))
    done = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=60, check=True)
    assert (done.stdout.decode(), done.stderr) == ("one\ntwo 你好\n", b"")


@pytest.mark.parametrize("piped", [True, False], ids=["piped", "one-question"])
def test_what_a_terminal_gets_beside_the_answer(featured: Gateway, piped: bool) -> None:
    asked = script_text(Script(text="<think>Hm.</think>Yes."))
    ask = f"'{GATEWAY}' chat {featured.url} --model thinker"
    line = f"echo '{asked}' | {ask}" if piped else f"{ask} -m '{asked}'"
    with terminal(["sh", "-c", line], {}) as shell:
        assert shell.end() == 0
        assert "Yes.\r\n" in shell.seen
        assert (shell.seen == "Yes.\r\n") is piped
        assert ("first token after" in shell.seen) is not piped
