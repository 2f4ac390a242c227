"""``gateway check``: asks a server what clients would ask, and judges what comes.

Exit codes: 0 all that applies is ok, 1 something was missed, 2 it cannot be reached or the command line is wrong.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.commands.check import (
    chat,
    completions,
    conduct,
    embeddings,
    errors,
    fields,
    headers,
    logprobs,
    models,
    report,
    stream,
    thinking,
    tool_streams,
    tools,
    usage,
)
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import Check, Missed, NotApplicable, State, Verdict
from gateway.commands.client.advice import explained
from gateway.commands.client.errors import Broken, ClientError, Refused
from gateway.commands.client.flags import add_flags, client
from gateway.commands.client.objects import list_models
from gateway.commands.client.output import coloured, write_whole
from gateway.commands.client.transport import Client
from gateway.commands.client.visible import one_line
from gateway.core.errors import SettingsError

CHECKS: tuple[Check, ...] = tuple(
    check
    for topic in (
        models,
        chat,
        stream,
        usage,
        thinking,
        tools,
        tool_streams,
        logprobs,
        fields,
        completions,
        embeddings,
        errors,
        headers,
        conduct,
    )
    for check in topic.CHECKS
)
EMBEDDING_MODELS = 4  # tried at most where the server does not tell which they are
EXAMPLES = """\
examples:
  gateway check
      the gateway on this machine; exit code 0 only where nothing was missed
  gateway check https://gpu-1.example.com/v1 --key-file key.txt --model qwen --json report.json
  gateway check http://other:8000 --only stream,tools --only errors.form
  gateway check --list
      every check, and who relies on it

It asks some 50 short questions; none of them changes anything. What a server does not offer is not counted.
exit codes: 0 all ok, 1 something was missed, 2 unreachable or used wrongly
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``check`` to the command line."""
    parser = commands.add_parser(
        "check",
        help="judge an OpenAI-compatible server",
        description="Asks any OpenAI-compatible server what clients ask, and prints what it does as they rely on, "
        "what it misses, and why that matters.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_flags(parser, timeout=60.0, timeout_help="how long one reply may take (default 60)")
    parser.add_argument("--model", metavar="NAME", help="who shall answer (default: the first that the server lists)")
    parser.add_argument("--only", action="append", metavar="NAMES", help="topics or checks, with commas or *; repeat")
    parser.add_argument("--list", action="store_true", help="print the checks and ask nothing")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the verdicts there too; - for standard output alone"
    )


def run(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Does what the command line asks. SettingsError says what cannot work."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    chosen = choose(args.only)
    if args.list:
        print("\n".join(report.listing(chosen)))
        return 0
    asking = client(args, environ, total=True)
    try:
        target = _target(asking, args.model)
    except ClientError as error:
        print(f"gateway: {one_line(explained(error, key=bool(asking.key)), 1000)}", file=sys.stderr)
        return 2
    verdicts = judge(target, chosen, progress=sys.stderr.isatty() and environ.get("TERM") != "dumb")
    document = report.document(str(asking.address), target.model, verdicts)
    if args.json == Path("-"):
        print(document, end="")
    else:
        print(f"{asking.address}, model {one_line(target.model)}\n")
        print("\n".join(report.table(verdicts, colours=coloured(sys.stdout, environ))))
    if args.json is not None and args.json != Path("-"):
        try:
            write_whole(args.json, document)
        except OSError as exc:
            raise SettingsError(f"--json {args.json} cannot be written: {exc.strerror}. Give another place.") from exc
    return 0 if report.score(verdicts).perfect else 1


def choose(only: Sequence[str] | None) -> tuple[Check, ...]:
    """The checks that were asked for, in their order. SettingsError names what matches none."""
    patterns = [name.strip() for text in only or () for name in text.split(",") if name.strip()]
    for pattern in patterns:
        if not any(_matches(check, pattern) for check in CHECKS):
            topics = ", ".join(dict.fromkeys(check.topic for check in CHECKS))
            raise SettingsError(f"--only {pattern!r} matches no check. Topics: {topics}; --list prints all checks.")
    return tuple(check for check in CHECKS if not patterns or any(_matches(check, pattern) for pattern in patterns))


def judge(target: Target, checks: Sequence[Check], *, progress: bool) -> list[Verdict]:
    """One verdict for each check. ``progress``: a line on standard error tells where it is."""
    verdicts = []
    for number, check in enumerate(checks, 1):
        if progress:
            sys.stderr.write(f"\r\x1b[K{number}/{len(checks)} {check.name}")
            sys.stderr.flush()
        try:
            verdicts.append(verdict(target, check))
        finally:
            if progress:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
    return verdicts


def verdict(target: Target, check: Check) -> Verdict:
    """How one check comes out."""
    begun = time.monotonic()
    try:
        check.run(target)
    except Missed as missed:
        return Verdict(check, State.MISSED, missed.expected, missed.got, seconds=time.monotonic() - begun)
    except NotApplicable as reason:
        return Verdict(check, State.NOT_APPLICABLE, reason=str(reason), seconds=time.monotonic() - begun)
    return Verdict(check, State.OK, seconds=time.monotonic() - begun)


def _matches(check: Check, pattern: str) -> bool:
    return check.topic == pattern or fnmatch.fnmatchcase(check.name, pattern)


def _target(asking: Client, model: str | None) -> Target:
    """The server, which was reached, and the model that answers. ClientError where it cannot be judged at all."""
    known: list[str] = []
    embedding: list[str] = []
    try:
        cards = list_models(asking)
    except (Broken, Refused) as error:
        # Whoever names the model gets the verdict on the list as one of many.
        if model is None or (isinstance(error, Refused) and error.status in (401, 403)):
            raise
    else:
        known = [card.id for card in cards or [] if not card.embeds]
        embedding = [card.id for card in cards or [] if card.embeds] or known[:EMBEDDING_MODELS]
    name = model or (known[0] if known else "")
    if not name:
        raise SettingsError(f"{asking.address} lists no model that can chat. Name one: --model NAME")
    return Target(asking, name, embedding_models=tuple(embedding))
