"""``gateway chat``: flags, and which way of talking they mean.

Exit codes: 0 answered or left, 1 the server refused or broke off, 2 it cannot be reached or the command line is
wrong, 130 ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.commands.chat.conversation import Conversation
from gateway.commands.chat.screen import Screen, silence
from gateway.commands.chat.session import COMMANDS, Session, read_conversation
from gateway.commands.chat.speaker import Outcome, Speaker
from gateway.commands.chat.typed import Typed
from gateway.commands.client.advice import explained
from gateway.commands.client.errors import ClientError, Unreachable
from gateway.commands.client.flags import add_flags, client
from gateway.commands.client.objects import fetch_models
from gateway.commands.client.transport import Client
from gateway.core.errors import SettingsError

EXAMPLES = """\
examples:
  gateway chat
      talk to the gateway on this machine; /help tells the commands, Ctrl-C stops an answer, Ctrl-D ends
  gateway chat https://gpu-1.example.com/v1 --key-file key.txt --model qwen
  gateway chat -m "What is a KV cache?"
      one question: only the answer goes to standard output
  echo "你好" | gateway chat
  cat report.txt | gateway chat -m "Summarise this:" -m - --set temperature=0 > summary.txt

exit codes: 0 answered, 1 the server refused or broke off, 2 unreachable or used wrongly, 130 Ctrl-C
"""
INPUT_LIMIT = 64 * 1024 * 1024


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``chat`` to the command line."""
    chat = commands.add_parser(
        "chat",
        help="talk to a model",
        description="Talks to any OpenAI-compatible server: at a terminal a conversation, else one question. "
        "Nothing is kept unless /save writes it. NO_COLOR switches colours off; http_proxy, https_proxy and no_proxy "
        "are heeded.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_flags(chat, timeout=300.0, timeout_help="how long the server may be silent (default 300)")
    chat.add_argument(
        "-m",
        "--message",
        action="append",
        metavar="TEXT",
        help="ask this and end; - stands for standard input; repeat it for paragraphs",
    )
    chat.add_argument("--model", metavar="NAME", help="who shall answer (default: the first that the server lists)")
    chat.add_argument("--system", metavar="TEXT", default="", help="system prompt")
    chat.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="field of requests, such as temperature=0.2; repeat",
    )
    chat.add_argument("--load", type=Path, metavar="FILE", help="go on with a conversation that /save wrote")


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Does what the command line asks. SettingsError says what cannot work."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    piped = not args.message and not sys.stdin.isatty()
    screen = Screen(sys.stdout, sys.stderr, environ, quiet=piped)
    talking = not args.message and sys.stdin.isatty() and sys.stdout.isatty()
    speaker = Speaker(client(args, environ, total=False), screen, talking)
    try:
        question = "" if talking else _question(args.message or ["-"], screen)
        conversation = _conversation(args, speaker.client, screen, talking=talking)
        if not talking:
            return _code(speaker.ask(conversation, question))
        return Session(speaker, conversation, screen).run(Typed([f"/{name}" for name in COMMANDS]))
    except ClientError as error:
        screen.error(f"gateway: {explained(error, key=bool(speaker.client.key))}")
        return _code(Outcome("", error=error))
    except BrokenPipeError:
        silence(sys.stdout)
        return 141  # as if SIGPIPE had ended us


def _code(outcome: Outcome) -> int:
    if outcome.stopped:
        return 130
    if outcome.error is None:
        return 0
    return 2 if isinstance(outcome.error, Unreachable) else 1


def _question(texts: list[str], screen: Screen) -> str:
    if "-" in texts and sys.stdin.isatty():
        screen.note("Type the question; Ctrl-D ends it.")
    question = "\n\n".join(_standard_input() if text == "-" else text for text in texts)
    if not question.strip():
        raise SettingsError('There is no question. Give one with -m "TEXT", or on standard input.')
    return question.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _standard_input() -> str:
    given = sys.stdin.buffer.read(INPUT_LIMIT + 1)
    if len(given) > INPUT_LIMIT:
        raise SettingsError(f"Standard input has more than {INPUT_LIMIT >> 20} MiB: no model takes that.")
    try:
        return given.decode("utf-8").strip("\n")
    except UnicodeDecodeError:
        raise SettingsError("Standard input is no UTF-8 text.") from None


def _conversation(args: argparse.Namespace, client: Client, screen: Screen, *, talking: bool) -> Conversation:
    """What the flags begin with. The server is asked for its models only where no flag names one."""
    loaded = read_conversation(args.load.absolute(), args.model or "-") if args.load else Conversation("-")
    if args.model:
        loaded.model = args.model
    elif loaded.model == "-":
        known = fetch_models(client)
        if known is None:
            raise SettingsError(f"{client.address} has no list of models. Name one: --model NAME")
        if not known:
            raise SettingsError(f"{client.address} lists no model that can chat. Has it loaded one?")
        loaded.model = known[0]
        if len(known) > 1:
            screen.note(
                f"It has {', '.join(known)}. " + ("/model NAME changes who answers." if talking else "--model chooses.")
            )
    if args.system:
        loaded.system = args.system
    for setting in args.set:
        name, equals, value = setting.partition("=")
        if not equals or not name or not value:
            raise SettingsError(f"--set {setting!r} must be as in temperature=0.2.")
        loaded.set(name, value)
    if talking:
        screen.note(f"{loaded.model} at {client.address}. /help tells what there is; Ctrl-D ends.")
    return loaded
