"""``gateway check`` as a command: what it prints, writes and returns, and what hostile servers cannot do to it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.commands.check.command import CHECKS
from gateway.commands.check.report import Score
from gateway.commands.check.verdict import State
from tests.gateway.commands.check import test_chat, test_errors, test_stream, test_tools
from tests.gateway.commands.check.conforming import KEY, MODEL, Said, answering
from tests.gateway.commands.check.wrong import chats, judged
from tests.gateway.commands.servers import Connection, Request, Server, serving
from tests.support.gateway import GATEWAY

TABLES = (test_chat.WRONG, test_errors.WRONG, test_stream.WRONG, test_tools.WRONG)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def right(_: Request, said: Said) -> Said:
    return said


def no_done(request: Request, said: Said) -> Said:
    if said.events:
        said.events.pop()
    return said


def test_every_check_is_missed_by_some_wrong_server() -> None:
    assert {name for table in TABLES for row in table for name in row.values[1]} == {check.name for check in CHECKS}


def test_names_are_one_to_a_check_and_topics_stand_together() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    topics = [check.topic for check in CHECKS]
    assert len([t for t, before in zip(topics, [None, *topics], strict=False) if t != before]) == len(set(topics))


def test_a_right_server_is_all_ok(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(right)) as server:
        assert main(["check", server.url]) == 0
    told = capsys.readouterr()
    assert told.out.endswith(f"Score: 100 % ({len(CHECKS) - 2} ok, 0 missed, 2 not applicable)\n")
    assert told.err == ""
    assert "\x1b" not in told.out


def test_a_miss_says_what_was_expected_what_came_and_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    written = tmp_path / "report.json"
    with serving(answering(no_done)) as server:
        assert main(["check", server.url, "--json", str(written), "--only", "stream,models.list"]) == 1
    out = capsys.readouterr().out
    assert "MISSED  stream.done\n            expected  data: [DONE] as the last event\n            got       {" in out
    assert "            why       Clients that are no SDK wait for data: [DONE], and hang without it.\n" in out
    assert "stream: 17 of 18\n" in out
    report = json.loads(written.read_text())
    assert report["score"] == {"ok": 18, "missed": 1, "not_applicable": 0, "percent": 94.7}
    assert (report["url"], report["model"]) == (server.url, MODEL)
    [row] = [row for row in report["checks"] if row["state"] == "missed"]
    assert (row["name"], row["topic"], row["expected"]) == ("stream.done", "stream", "data: [DONE] as the last event")
    assert written.stat().st_mode & 0o777 == 0o600


def test_json_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(right)) as server:
        assert main(["check", server.url, "--only", "models.*", "--json", "-"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["checks"]] == [
        *("models.list", "models.cards", "models.one", "models.unknown")
    ]


def test_list_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "http://127.0.0.1:1", "--list", "--only", "usage"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        *("usage.chunk", "usage.counts", "usage.null-before", "usage.last", "usage.same")
    ]


def plain(status: int, body: bytes = b"no") -> Callable[[Request, Connection], None]:
    return lambda _, connection: connection.reply(body, status=status, type="text/plain")


UNUSABLE = [
    pytest.param(plain(401), [], "does not take this key", id="401"),
    pytest.param(plain(500, b"oops"), [], "answered 500", id="500"),
    pytest.param(plain(200, b"<html>"), [], "no list of models", id="html"),
    pytest.param(plain(404), [], "Name one: --model", id="no-list"),
    pytest.param(lambda _, c: c.reply(b'{"data": []}'), [], "Name one: --model", id="empty-list"),
    pytest.param(lambda _, c: c.hang(), ["--timeout", "0.3"], "was not done after 0.3 s", id="silence"),
    pytest.param(lambda _, c: c.send(b"SSH-2.0-OpenSSH\r\n"), [], "no HTTP", id="no-http"),
    pytest.param(lambda _, c: None, [], "closed the connection", id="closed"),
]


@pytest.mark.parametrize(("answer", "flags", "said"), UNUSABLE)
def test_what_cannot_be_judged_at_all(
    answer: Callable[[Request, Connection], None], flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(answer) as server:
        assert main(["check", server.url, *flags]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1


USAGE = [
    pytest.param(["http://127.0.0.1:1/v1"], "Nothing listens at http://127.0.0.1:1.", id="nobody"),
    pytest.param(["--only", "strem"], "'strem' matches no check. Topics: models, chat", id="only"),
    pytest.param(["--key-file", "/nowhere/key"], "--key-file /nowhere/key cannot be read", id="key-file"),
    pytest.param(["ftp://x"], "Give an http:// or https:// URL", id="scheme"),
]


@pytest.mark.parametrize(("flags", "said"), USAGE)
def test_a_command_line_that_cannot_work(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *flags]) == 2
    assert said in capsys.readouterr().err


def test_who_names_the_model_needs_no_list(capsys: pytest.CaptureFixture[str]) -> None:
    def no_list(request: Request, said: Said) -> Said:
        if request.target == "/v1/models":
            said.refuse(404)
        return said

    with serving(answering(no_list)) as server:
        assert main(["check", server.url, "--model", MODEL, "--only", "models,chat"]) == 1
    assert "MISSED  models.list" in capsys.readouterr().out


def test_a_server_that_falls_silent_is_not_waited_for_at_every_check() -> None:
    asked: list[str] = []

    def silent(request: Request, said: Said) -> Said | None:
        if "/chat" in request.target:
            asked.append(request.target)
            return None
        return said

    verdicts = {verdict.check.name: verdict for verdict in judged(silent, seconds=0.5)}
    assert len(asked) == 1
    assert "was not done after 0.5 s" in verdicts["chat.object"].got
    assert "not asked any more" in verdicts["stream.done"].got
    assert verdicts["models.list"].state is verdicts["completions.stream"].state is State.OK


def test_headers_that_never_end_are_not_waited_for() -> None:
    def dripping(request: Request, connection: Connection) -> None:
        if request.target == "/v1/models":
            connection.reply(json.dumps({"data": [{"id": MODEL}]}).encode())
            return
        connection.send(b"HTTP/1.1 200 OK\r\nx: ")
        while not connection.wait(0.02):
            connection.send(b"y")

    with serving(dripping) as server:
        assert main(["check", server.url, "--timeout", "0.4", "--only", "chat.object"]) == 1


def test_a_busy_server_is_asked_again_as_the_sdks_do(capsys: pytest.CaptureFixture[str]) -> None:
    refusals = iter([True, True])

    def busy(request: Request, said: Said) -> Said:
        if said.chat and next(refusals, False):
            said.refuse(429)
            said.headers["retry-after"] = "0"
        return said

    with serving(answering(busy)) as server:
        assert main(["check", server.url]) == 0
    assert "  ok      conduct.retry-after" in capsys.readouterr().out


def test_what_a_server_says_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def hostile(request: Request, said: Said) -> Said:
        chats(lambda said: said.body.update(object="\x1b]0;owned\x07\x9b2J\u202e" + "x" * 5000))(request, said)
        return said

    with serving(answering(hostile)) as server:
        assert main(["check", server.url, "--only", "chat.object"]) == 1
    out = capsys.readouterr().out
    assert r"\x1b]0;owned\x07\x9b2J\u202exxx" in out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)
    assert max(len(line) for line in out.splitlines()) < 300


GARBAGE = [None, [], {}, "x", 5, [None], {"error": 5}, {"choices": [5]}]


@pytest.mark.parametrize("garbage", GARBAGE, ids=json.dumps)
@pytest.mark.parametrize("depth", [0, 1, 2, 3, 4, 5])
def test_no_json_makes_a_check_crash(garbage: Any, depth: int) -> None:
    """Everything at one depth of every reply is replaced."""

    def replaced(value: Any, left: int) -> Any:
        if not left:
            return garbage
        if isinstance(value, dict):
            return {key: replaced(each, left - 1) for key, each in value.items()}
        if isinstance(value, list):
            return [replaced(each, left - 1) for each in value]
        return value

    def change(_: Request, said: Said) -> Said:
        said.body = replaced(said.body, depth)
        if said.events:
            said.events = [replaced(each, depth) if isinstance(each, dict) else each for each in said.events]
        return said

    verdicts = judged(change)
    assert len(verdicts) == len(CHECKS)
    assert depth == 5 or any(verdict.state is State.MISSED for verdict in verdicts)


def test_json_that_is_nested_without_end() -> None:
    def change(_: Request, said: Said) -> Said:
        said.raw = b"[" * 200_000
        return said

    assert any(verdict.state is State.MISSED for verdict in judged(change))


def on_a_terminal(server: Server, *flags: str, **environ: str) -> str:
    """What somebody sees; standard output and error are one terminal."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "OPENAI_API_KEY": KEY, **environ}
    environment.pop("NO_COLOR", None) if "NO_COLOR" not in environ else None
    command = [str(GATEWAY), "check", server.url, *flags]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        try:
            while data := os.read(master, 65536):
                seen += data
        except OSError:  # the terminal's other end is closed
            pass
        process.wait(timeout=30)
    os.close(master)
    return seen.decode()


def test_a_terminal_gets_progress_and_colours() -> None:
    with serving(answering(right)) as server:
        seen = on_a_terminal(server, "--only", "models")
        plainly = on_a_terminal(server, "--only", "models", NO_COLOR="1")
    assert "\r\x1b[K2/4 models.cards\r\x1b[K" in seen
    assert "\x1b[32mok    \x1b[0m  models.list" in seen
    assert "  ok      models.list" in plainly
    assert "\x1b[32m" not in plainly


@pytest.mark.parametrize(
    ("score", "percent"),
    [(Score(0, 0, 3), None), (Score(1, 0, 0), 100.0), (Score(9999, 1, 0), 99.9), (Score(0, 1, 0), 0.0)],
    ids=["nothing", "all", "nearly", "none"],
)
def test_nothing_is_rounded_up_to_all(score: Score, percent: float | None) -> None:
    assert score.percent == percent
    assert score.perfect is (percent == 100.0)
