"""A conversation, message by message, against a server that answers as the test says."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.chat.conversation import Conversation
from gateway.commands.chat.screen import Screen
from gateway.commands.chat.session import COMMANDS, Session
from gateway.commands.chat.speaker import Speaker
from gateway.commands.client.address import parse_address
from gateway.commands.client.transport import Client
from tests.gateway.commands.chat.talking import END, refusing, said, talking
from tests.gateway.commands.servers import Answer, Connection, Request, Server, serving

HELLO = said("Hello!") + END


class Console(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


class Typing:
    """Gives what a test wants typed; an exception is raised in its place."""

    def __init__(self, *messages: str | BaseException) -> None:
        self._left = iter([*messages, EOFError()])

    def message(self) -> str:
        one = next(self._left)
        if isinstance(one, BaseException):
            raise one
        return one


class Talk:
    """A session, and what it wrote."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.console = Console()
        screen = Screen(self.console, self.console, {"NO_COLOR": "1"})
        self.conversation = Conversation("qwen")
        client = Client(parse_address(server.url), silence_seconds=10)
        self.session = Session(Speaker(client, screen, talking=True), self.conversation, screen)

    def __call__(self, *messages: str | BaseException) -> str:
        """What was written meanwhile."""
        before = len(self.console.getvalue())
        self.code = self.session.run(Typing(*messages))
        return self.console.getvalue()[before:]

    def asked(self) -> list[list[str]]:
        """The messages of each request."""
        return [[m["content"] for m in r.json["messages"]] for r in self.server.requests if r.method == "POST"]


@pytest.fixture
def answers() -> list[bytes | Answer]:
    return [HELLO]


@pytest.fixture
def talk(answers: list[bytes | Answer]) -> Iterator[Talk]:
    with serving(talking(*answers, models=("qwen", "other"))) as server:
        yield Talk(server)


def test_messages_build_on_each_other(talk: Talk) -> None:
    assert talk("Hi", "", "  ", "//x").count("Hello!\n") == 2
    assert talk.asked() == [["Hi"], ["Hi", "Hello!", "/x"]]
    assert talk.code == 0


def test_an_answer_is_told_with_its_times(talk: Talk) -> None:
    told = talk("Hi", "/stats")
    assert "Hello!\nfirst token after 0." in told
    assert "s, 3 tokens" in told
    assert "Answers: 1, of 3 tokens, to prompts of 5 tokens, as the server counts." in told
    assert f"Server: {talk.server.url}" in told


def test_help_tells_every_command(talk: Talk) -> None:
    told = talk("/help")
    assert all(f"/{name}" in told and command.help in told for name, command in COMMANDS.items())


def test_the_model_can_be_changed(talk: Talk) -> None:
    assert "qwen answers. Models: qwen, other.\n" in talk("/model", "/model other", "Hi")
    assert [r.json["model"] for r in talk.server.requests if r.method == "POST"] == ["other"]


def test_a_system_prompt(talk: Talk) -> None:
    told = talk("/system", "/system Be brief.", "/system", "Hi", "/system -", "Hi")
    assert "There is no system prompt. To give one" in told
    assert "\nBe brief.\n" in told
    assert talk.asked() == [["Be brief.", "Hi"], ["Hi", "Hello!", "Hi"]]


def test_settings(talk: Talk) -> None:
    told = talk(
        "/set", "/set temperature 0.2", "/set stop END", "/set", "Hi", "/set stop", "Hi", "/set n 2", "/set seed"
    )
    assert "Nothing is set" in told
    assert "temperature = 0.2\nstop = 'END'\n" in told
    assert "'n' is decided by the chat itself." in told
    assert "'seed' is not set." in told
    first, second = (r.json for r in talk.server.requests)
    assert (first["temperature"], first["stop"]) == (0.2, "END")
    assert (second["temperature"], "stop" in second) == (0.2, False)


def test_undo_clear_and_retry(talk: Talk) -> None:
    assert "Nothing was said yet." in talk("/undo")
    assert "Nothing was asked yet." in talk("/retry")
    talk("one", "two", "/undo", "three", "/retry", "/clear", "four")
    assert talk.asked() == [
        ["one"],
        ["one", "Hello!", "two"],
        ["one", "Hello!", "three"],
        ["one", "Hello!", "three"],
        ["four"],
    ]


def test_save_and_load(talk: Talk, tmp_path: Path) -> None:
    path, other = tmp_path / "talk.json", tmp_path / "other.json"
    other.write_text("precious")
    told = talk(
        "/system Be brief.", "/set seed 1", "Hi", f"/save {path}", "Again", f"/save {path}", "/clear", "/system -"
    )
    assert told.count(f"{path} has the conversation") == 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob(".*")) == []
    assert "4 messages. qwen answers." in talk(f"/load {path}", "More")
    assert talk.asked()[-1] == ["Be brief.", "Hi", "Hello!", "Again", "Hello!", "More"]
    assert talk.server.requests[-1].json["seed"] == 1
    assert f"{other} exists. Give another name." in talk(f"/save {other}")
    assert f"{other} is no conversation: it is no JSON" in talk(f"/load {other}")
    assert other.read_text() == "precious"
    assert "Which file? /save FILE" in talk("/save")
    assert "cannot be written: No such file or directory" in talk(f"/save {tmp_path}/nowhere/x")
    assert "cannot be read: No such file or directory" in talk(f"/load {tmp_path}/nowhere/x")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "no UTF-8" in talk(f"/load {tmp_path}/binary")
    assert talk.asked()[-1] == ["Be brief.", "Hi", "Hello!", "Again", "Hello!", "More"]


def test_a_command_that_does_not_exist(talk: Talk) -> None:
    assert "There is no /sve. Did you mean /save?" in talk("/sve x", "/")
    assert talk.asked() == []


@pytest.mark.parametrize("answers", [[refusing(429, "Slow down.", retry_after="7"), HELLO]], ids=["429"])
def test_a_failure_keeps_the_conversation_and_can_be_asked_again(talk: Talk) -> None:
    told = talk("Hi", "/retry", "And?")
    assert "The server refused (429): Slow down. Wait 7 s, then /retry asks again.\n" in told
    assert talk.asked() == [["Hi"], ["Hi"], ["Hi", "Hello!", "And?"]]


@pytest.mark.parametrize("answers", [[lambda _, c: c.stream(said("Hel"), whole=False), HELLO]], ids=["cut"])
def test_half_an_answer_is_shown_and_not_kept(talk: Talk) -> None:
    assert "Hel\nThe answer broke off: the connection ended in the middle of it. /retry asks again.\n" in talk(
        "Hi", "Ho"
    )
    assert talk.asked() == [["Hi"], ["Ho"]]


@pytest.mark.parametrize("answers", [[refusing(401)]], ids=["401"])
def test_a_key_is_asked_for(talk: Talk) -> None:
    assert "It wants a key" in talk("Hi")


def limit(_: Request, connection: Connection) -> None:
    connection.stream(said("Hel") + said("", reason="length"))


def calls(_: Request, connection: Connection) -> None:
    call: Any = {"index": 0, "function": {"name": "rm\x1b", "arguments": "{}"}}
    delta = {"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    connection.stream(f"data: {json.dumps(delta)}\n\n".encode())


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([limit], "It was cut at the limit of tokens: /set max_tokens N"),
        ([limit], "tokens not counted by the server"),
        ([calls], "The model calls rm\\x1b({}); nobody does that here."),
        ([said("\x1b[2Ja\r\nb\u202e") + END], "\\x1b[2Ja\nb\\u202e\n"),
        ([said("Hm", "reasoning") + said(".", "reasoning") + said("A") + END], "Hm.\nA\n"),
        ([said("only\x1b", "reasoning") + END], "only\\x1b\n"),
    ],
    ids=["limit", "uncounted", "calls", "hostile", "thinking", "hostile-thinking"],
)
def test_what_is_shown(talk: Talk, told: str) -> None:
    assert told in talk("Hi")
    assert "\x1b" not in talk.console.getvalue()


def test_ctrl_c_twice_ends(talk: Talk) -> None:
    assert "Ctrl-C again ends" in talk(KeyboardInterrupt(), "Hi", KeyboardInterrupt(), "/stats", KeyboardInterrupt())
    assert talk.code == 0  # each time something came between
    talk("Hi", KeyboardInterrupt(), KeyboardInterrupt(), "never")
    assert talk.code == 130
    assert talk.asked()[-1][-1] == "Hi"


@pytest.mark.parametrize("word", ["/quit", "/exit"])
def test_quit_ends(talk: Talk, word: str) -> None:
    talk(word, "never")
    assert (talk.code, talk.asked()) == (0, [])
