"""``gateway chat`` with one question: what goes where, exit codes, and servers that are wrong."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.gateway.commands.chat.talking import END, frame, refusing, said, talking
from tests.gateway.commands.servers import Connection, Request, serving
from tests.support.gateway import GATEWAY

HELLO = said("", "content") + said("Hel") + said("lo!\n你好") + END


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


Chat = Callable[..., Done]


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chat:
    """Runs the command; ``given``: its standard input."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*flags: str, given: bytes = b"", **environ: str) -> Done:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given), "utf-8"))
        code = main(["chat", *flags])
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return run


def test_piped_input_prints_only_the_answer(chat: Chat) -> None:
    thought = said("Hm.", "reasoning_content")
    with serving(talking(thought + HELLO)) as server:
        assert chat(server.url, given="谁？\n".encode()) == Done(0, "Hello!\n你好\n", "")
    body = server.requests[-1].json
    assert body == {
        "model": "qwen",
        "messages": [{"role": "user", "content": "谁？"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_all_that_a_question_can_have(chat: Chat, tmp_path: Path) -> None:
    key, before = tmp_path / "key", tmp_path / "before.json"
    key.write_text("sk-of-the-file\n")
    before.write_text(json.dumps([{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]))
    flags = ["--model", "other", "--system", "Be brief.", "--key-file", str(key), "--load", str(before)]
    flags += ["--set", "temperature=0.2", "--set", "stop=END", "-m", "First.", "-m", "-"]
    with serving(talking(HELLO)) as server:
        assert chat(server.url, *flags, given=b"Then.\n", OPENAI_API_KEY="sk-of-the-environment").code == 0
    [request] = server.requests  # who names the model needs no list
    assert request.headers["authorization"] == "Bearer sk-of-the-file"
    assert (request.json["model"], request.json["temperature"], request.json["stop"]) == ("other", 0.2, "END")
    assert [message["content"] for message in request.json["messages"]] == ["Be brief.", "1", "2", "First.\n\nThen."]


def test_the_environment_names_server_and_key(chat: Chat) -> None:
    with serving(talking(HELLO)) as server:
        assert chat("-m", "x", OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-1").code == 0
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer sk-1"}


def plain(body: bytes, type: str) -> Callable[[Request, Connection], None]:
    return lambda _, connection: connection.reply(body, type=type)


WHOLE = json.dumps({"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}).encode()
ANSWERS = [
    pytest.param(plain(WHOLE, "application/json"), "Hi.\n", id="not-streamed"),
    pytest.param(said("a\n") + END, "a\n", id="ends-its-line"),
    pytest.param(END, "", id="empty"),
    pytest.param(b": ping\n\n" + said("a") + b"retry: 3\n\n" + END, "a\n", id="other-events"),
    pytest.param(said("a") + said("", reason="stop"), "a\n", id="no-done"),
    pytest.param(said("a") + frame("[DONE]") + said("b"), "a\n", id="after-done"),
    pytest.param(said("\x1b[2J\x07") + END, "\x1b[2J\x07\n", id="raw-where-it-is-no-terminal"),
    pytest.param(said("\ud83d\ude00 \ud83d") + END, "😀 \ufffd\n", id="surrogates"),
]


@pytest.mark.parametrize(("answer", "out"), ANSWERS)
def test_answers(chat: Chat, answer: Any, out: str) -> None:
    with serving(talking(answer)) as server:
        assert chat(server.url, "-m", "x") == Done(0, out, "")


FAILURES = [
    pytest.param(refusing(401), 1, "It wants a key", id="401"),
    pytest.param(refusing(429, "Slow down.", retry_after="7"), 1, "429): Slow down. Ask again in 7 s.", id="429"),
    pytest.param(refusing(404, "What?", "model_not_found"), 1, "It has: qwen.", id="model"),
    pytest.param(plain(b"<html>", "text/html"), 1, "sent text/html instead of a chat", id="html"),
    pytest.param(
        lambda _, c: c.reply(b"", status=302, location="http://x/\x1b"), 1, "redirects to http://x/", id="302"
    ),
    pytest.param(said("Hel"), 1, "broke off: the server closed the stream", id="no-end"),
    pytest.param(lambda _, c: c.stream(said("Hel"), whole=False), 1, "The answer broke off", id="cut"),
    pytest.param(
        said("a") + frame({"error": {"message": "It died."}}), 1, "broke the answer off: It died.", id="error"
    ),
    pytest.param(frame("{"), 1, "no JSON", id="no-json"),
    pytest.param(lambda _, c: c.hang(), 1, "said nothing for 0.5 s", id="silence"),
    pytest.param(lambda _, c: None, 1, "closed the connection", id="closed"),
    pytest.param(refusing(400, "\x1b]0;owned\x07"), 1, "\\x1b]0;owned\\x07", id="hostile"),
]


@pytest.mark.parametrize(("answer", "code", "said"), FAILURES)
def test_failures_say_what_to_do(chat: Chat, answer: Any, code: int, said: str) -> None:
    with serving(talking(answer)) as server:
        done = chat(server.url, "-m", "x", "--timeout", "0.5")
    assert done.code == code
    assert done.err.startswith("gateway: ")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err
    assert done.out in ("", "Hel\n", "a\n")


def test_a_key_does_not_follow_a_redirect(chat: Chat) -> None:
    with (
        serving(talking(lambda _, c: c.reply(b"{}"))) as other,
        serving(talking(lambda _, c: c.reply(b"", status=307, location=f"{other.url}/x"))) as server,
    ):
        assert chat(server.url, "-m", "x", OPENAI_API_KEY="sk-1").code == 1
    assert other.requests == []


def test_an_old_server_is_asked_without_counting(chat: Chat) -> None:
    def old(request: Request, connection: Connection) -> None:
        if "stream_options" in request.json:
            refusing(422, "stream_options: extra fields not permitted")(request, connection)
        else:
            connection.stream(HELLO)

    with serving(talking(old)) as server:
        assert chat(server.url, "-m", "x") == Done(0, "Hello!\n你好\n", "")


USAGE = [
    pytest.param([], b"", "There is no question", id="no-question"),
    pytest.param([], b" \n", "There is no question", id="blank"),
    pytest.param([], b"\xff\xfe", "no UTF-8", id="no-text"),
    pytest.param(["-m", "x", "--set", "temperature"], b"", "as in temperature=0.2", id="set"),
    pytest.param(["-m", "x", "--set", "n=2"], b"", "'n' is decided", id="set-n"),
    pytest.param(["-m", "x", "--load", "/nowhere/x"], b"", "/nowhere/x cannot be read", id="load"),
    pytest.param(["-m", "x", "--key-file", "/nowhere/x"], b"", "cannot be read", id="no-key-file"),
    pytest.param(["-m", "x", "--key-file", "/dev/null"], b"", "is empty", id="empty-key-file"),
    pytest.param(
        ["-m", "x", "--ca-file", "/nowhere/x", "--model", "x"], b"", "--ca-file /nowhere/x cannot", id="ca-file"
    ),
]


@pytest.mark.parametrize(("flags", "given", "said"), USAGE)
def test_command_lines_that_cannot_work(chat: Chat, flags: list[str], given: bytes, said: str) -> None:
    url = "https://127.0.0.1:1" if "--ca-file" in flags else None
    with serving(talking(HELLO)) as server:
        done = chat(url or server.url, *flags, given=given)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("models", [(), None], ids=["empty", "no-list"])
def test_no_model_to_choose(chat: Chat, models: Any) -> None:
    answer = talking(HELLO, models=()) if models == () else refusing(404)
    with serving(answer) as server:
        done = chat(server.url, "-m", "x")
    assert done.code == 2
    assert "model" in done.err


def test_a_key_with_strange_characters_is_not_shown(chat: Chat) -> None:
    done = chat("http://127.0.0.1:1", "-m", "x", OPENAI_API_KEY="sk-secret\nx: y")
    assert done.code == 2
    assert "OPENAI_API_KEY is no API key" in done.err
    assert "secret" not in done.err


def test_nobody_there(chat: Chat) -> None:
    done = chat("http://127.0.0.1:1", "-m", "x")
    assert (done.code, done.err) == (
        2,
        "gateway: Nothing listens at http://127.0.0.1:1. Start a gateway with `gateway serve`, or give the URL of a "
        "server that runs.\n",
    )


def test_a_reader_that_leaves_ends_the_request() -> None:
    """As in: gateway chat -m x | head -1"""

    def endless(_: Request, connection: Connection) -> None:
        connection.stream(whole=False)
        while not connection.wait(0.001):
            connection.piece(said("line\n"))

    with serving(talking(endless)) as server:
        command = [str(GATEWAY), "chat", server.url, "-m", "x"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert os.read(process.stdout.fileno(), 5) == b"line\n"
            process.stdout.close()
            assert process.wait(timeout=30) == 141
            assert process.stderr is not None
            assert process.stderr.read() == b""
        assert server.left.wait(10)
