"""A conversation at a terminal: messages are asked, lines that begin with a slash are commands.

It knows what each command does. It must not know how answers come.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from gateway.commands.chat.conversation import Conversation, parse_conversation
from gateway.commands.chat.screen import Screen
from gateway.commands.chat.speaker import Speaker
from gateway.commands.client.errors import ClientError
from gateway.commands.client.objects import fetch_models
from gateway.commands.client.output import write_whole
from gateway.core.errors import SettingsError

LIMIT = 64 * 1024 * 1024  # characters of a file that is loaded


class Reader(Protocol):
    """Who gives the next message: EOFError at the end, KeyboardInterrupt for Ctrl-C."""

    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Command:
    """``wants``: its arguments, for people."""

    wants: str
    help: str
    run: Callable[[Session, str], None]


class Session:
    """From the first message to the last."""

    def __init__(self, speaker: Speaker, conversation: Conversation, screen: Screen) -> None:
        self._speaker, self._conversation, self._screen = speaker, conversation, screen
        self._failed: str | None = None  # a question that has no answer, for /retry
        self._ours: set[Path] = set()  # files that this session wrote or read: it may write them again
        self._open = True
        self._interrupted = False  # whether Ctrl-C was the last thing that happened

    def run(self, reader: Reader) -> int:
        """0 after /quit or Ctrl-D, 130 after a second Ctrl-C."""
        while self._open:
            try:
                text = reader.message()
                self._interrupted = False
                self.take(text)
            except EOFError:
                self._screen.break_line()
                return 0
            except KeyboardInterrupt:
                self._screen.break_line()
                if self._interrupted:
                    return 130
                self._interrupted = True
                self._screen.note("Ctrl-C again ends; so does Ctrl-D.")
        return 0

    def take(self, text: str) -> None:
        """Does what was typed."""
        if text.startswith("/") and not text.startswith("//"):
            name, _, rest = text[1:].partition(" ")
            self._command(name.strip(), rest.strip())
        elif text.strip():
            self._ask(text[1:] if text.startswith("//") else text)

    def _ask(self, question: str) -> None:
        outcome = self._speaker.ask(self._conversation, question)
        self._interrupted = outcome.stopped
        if outcome.error is None and outcome.text:
            self._conversation.add(question, outcome.text)
            self._failed = None
        else:
            self._failed = question

    def _command(self, name: str, rest: str) -> None:
        command = COMMANDS.get(name)
        if command is None:
            near = difflib.get_close_matches(name, COMMANDS, 1)
            meant = f" Did you mean /{near[0]}?" if near else ""
            self._screen.error(f"There is no /{name}.{meant} /help lists all; to say it to the model: //{name}")
            return
        try:
            command.run(self, rest)
        except SettingsError as error:
            self._screen.error(error.message)
        except ClientError as error:
            self._speaker.explain(error)

    def help(self, _: str) -> None:
        rows = [(f"/{name} {command.wants}".rstrip(), command.help) for name, command in COMMANDS.items()]
        width = max(len(usage) for usage, _ in rows)
        self._screen.say("\n".join(f"{usage:{width}}  {text}" for usage, text in rows))
        self._screen.say(
            'A line that ends in \\ goes on in the next; """ before and after makes several lines one message.\n'
            "Ctrl-C stops an answer, twice it ends the chat, as Ctrl-D does. Up and Down bring back what was typed."
        )

    def model(self, name: str) -> None:
        if name:
            self._conversation.model = name
            self._screen.note(f"From now on {name} answers.")
            return
        known = fetch_models(self._speaker.client)
        names = ", ".join(known) if known else "not listed by the server"
        self._screen.say(f"{self._conversation.model} answers. Models: {names}.")

    def system(self, text: str) -> None:
        if text:
            self._conversation.system = "" if text == "-" else text
            self._screen.note("There is no system prompt now." if text == "-" else "The system prompt is set.")
        else:
            self._screen.say(self._conversation.system or "There is no system prompt. To give one: /system TEXT")

    def clear(self, _: str) -> None:
        self._conversation.messages.clear()
        self._failed = None
        self._screen.note("Nothing was said yet. System prompt, model and settings stay.")

    def undo(self, _: str) -> None:
        taken = self._conversation.undo()
        if taken is None:
            raise SettingsError("Nothing was said yet.")
        self._failed = None
        self._screen.note(f"Taken back: {_short(taken)}")

    def retry(self, _: str) -> None:
        question = self._failed if self._failed is not None else self._conversation.undo()
        if question is None:
            raise SettingsError("Nothing was asked yet.")
        self._screen.note(f"Again: {_short(question)}")
        self._ask(question)

    def set(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        if name:
            self._conversation.set(name, value.strip())
            self._screen.note(f"{name} is {value.strip()}." if value.strip() else f"{name} is not set any more.")
            return
        settings = [f"{name} = {value!r}" for name, value in self._conversation.settings.items()]
        self._screen.say(
            "\n".join(settings) or "Nothing is set: the server's defaults hold. Such as: /set temperature 0.2"
        )

    def save(self, name: str) -> None:
        path = _path(name, "/save")
        if path not in self._ours and path.exists():
            raise SettingsError(f"{path} exists. Give another name.")
        try:
            write_whole(path, self._conversation.dump())
        except OSError as exc:
            raise SettingsError(f"{path} cannot be written: {exc.strerror}. Give another place.") from exc
        self._ours.add(path)
        self._screen.note(f"{path} has the conversation, the model and the settings. /load reads it.")

    def load(self, name: str) -> None:
        path = _path(name, "/load")
        loaded = read_conversation(path, self._conversation.model)
        self._conversation, self._failed = loaded, None
        self._ours.add(path)
        self._screen.note(f"{len(loaded.messages)} messages. {loaded.model} answers.")

    def stats(self, _: str) -> None:
        totals = self._speaker.totals
        self._screen.say(
            f"Answers: {totals.answers}, of {totals.tokens} tokens, to prompts of {totals.prompt_tokens} tokens, as "
            f"the server counts.\nThe last: {totals.last}.\nServer: {self._speaker.client.address}"
        )

    def quit(self, _: str) -> None:
        self._open = False


def read_conversation(path: Path, model: str) -> Conversation:
    """From a file. SettingsError names it, and what is wrong."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LIMIT + 1)
    except OSError as exc:
        raise SettingsError(f"{path} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{path} is no conversation: it is no UTF-8 text.") from exc
    if len(text) > LIMIT:
        raise SettingsError(f"{path} is too large for a conversation.")
    try:
        return parse_conversation(text, model)
    except SettingsError as error:
        raise SettingsError(f"{path} is no conversation: {error.message}. /save writes one.") from None


def _path(name: str, command: str) -> Path:
    if not name:
        raise SettingsError(f"Which file? {command} FILE")
    try:
        return Path(name).expanduser().absolute()
    except RuntimeError as exc:  # ~nobody
        raise SettingsError(f"{name} cannot be found: {exc}") from exc


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


COMMANDS = {
    "help": Command("", "this list", Session.help),
    "model": Command("[NAME]", "who answers; with a name: another model from now on", Session.model),
    "system": Command("[TEXT]", "the system prompt; with a text: another one, with -: none", Session.system),
    "set": Command(
        "[NAME [VALUE]]", "a field of requests, as temperature 0.2; without a value: not any more", Session.set
    ),
    "retry": Command("", "ask the last question again", Session.retry),
    "undo": Command("", "take the last question and its answer back", Session.undo),
    "clear": Command("", "forget all that was said", Session.clear),
    "save": Command("FILE", "write the conversation to a file", Session.save),
    "load": Command("FILE", "go on with one from a file", Session.load),
    "stats": Command("", "tokens and times so far", Session.stats),
    "quit": Command("", "end", Session.quit),
}
COMMANDS["exit"] = replace(COMMANDS["quit"], help="the same")
