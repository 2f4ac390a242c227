"""``gateway keys``: makes, hashes and lists API keys. It knows the key file as text; nothing here needs a gateway."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from gateway.core.errors import SettingsError
from gateway.core.keys import LIMITS, PRIORITIES, Key, check_name, hashed, read_keys
from gateway.keys import read

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLES = """\
examples:
  gateway keys new alice --file keys.toml --requests-per-minute 60 --tokens-per-minute 100000
      prints the key once; the file gets its hash. A running gateway takes it up by itself
  gateway keys new batch --priority low --max-streams 4 --model qwen --expires 2027-01-31
  gateway keys new ops --admin
      may also read /metrics and what is under /debug
  gateway keys list

gateway.toml names the file:
  [keys]
  file = "keys.toml"
"""
PATIENCE = 10.0  # seconds to wait for another who is adding a key
PREFIX = "qtg-"  # by which scanners for leaked secrets can know our keys


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``keys`` to the command line."""
    keys = commands.add_parser(
        "keys",
        help="make and list API keys",
        description="Keys are kept as hashes in a TOML file that gateway.toml names. Once it does, every route but "
        "/healthz needs a key, as 'authorization: Bearer KEY' or 'x-api-key: KEY'.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = _action(
        actions,
        "new",
        "make a key, print it once, and add its hash to the file",
        "gateway keys new alice --requests-per-minute 60 --model qwen",
    )
    new.add_argument("name", metavar="NAME", help="whose it is; stands in logs")
    _file(new)
    new.add_argument("--model", action="append", metavar="NAME", help="a model it may use; repeat (default: all)")
    for field in LIMITS:
        new.add_argument(_flag(field), type=int, metavar="N", help="(default: no limit)")
    new.add_argument("--priority", choices=PRIORITIES, help="the class its requests wait in (default normal)")
    new.add_argument("--admin", action="store_true", help="may also read /metrics and what is under /debug")
    new.add_argument("--expires", metavar="DATE", help="2027-01-31, or 2027-01-31T12:00:00Z (default: never)")
    _action(
        actions,
        "hash",
        "read a key of your own from standard input and print what the file needs",
        "gateway keys hash < key.txt",
    )
    _file(_action(actions, "list", "names and limits of the keys in the file", "gateway keys list --file keys.toml"))


def run(args: argparse.Namespace) -> int:
    """Does what the command line asks. SettingsError says what cannot be done."""
    if args.action == "hash":
        print(hashed(sys.stdin.readline().strip()))
    elif args.action == "list":
        for key in read(args.file).keys:
            print(line(key))
    else:
        made = PREFIX + secrets.token_urlsafe(32)
        append(args.file, table(args, made))
        print(made)
        print(f"{args.file} has its hash. The key itself is nowhere else: keep it now.", file=sys.stderr)
    return 0


def table(args: argparse.Namespace, key: str) -> str:
    """The key's table as TOML. SettingsError where a flag makes no sense."""
    check_name(args.name)
    lines = ["[[keys]]", f'name = "{args.name}"', f'hash = "{hashed(key)}"']
    if args.model:
        lines.append(f"models = {json.dumps(args.model, ensure_ascii=False)}")
    lines += [f"{field} = {getattr(args, field)}" for field in LIMITS if getattr(args, field) is not None]
    if args.priority:
        lines.append(f'priority = "{args.priority}"')
    if args.admin:
        lines.append("admin = true")
    if args.expires:
        if not re.fullmatch(r"[0-9TtZz:.+-]+", args.expires):
            raise SettingsError(f"--expires {args.expires[:40]!r} must be as in 2027-01-31 or 2027-01-31T12:00:00Z.")
        lines.append(f"expires = {args.expires}")
    text = "\n".join(lines) + "\n"
    _checked(text, "The key was not made")
    return text


def append(path: Path, text: str) -> None:
    """Adds a table to the file, which is made where there is none: whole or not at all, readable by its owner only."""
    path = Path(os.path.realpath(path))  # a link stays a link
    try:
        with _alone(path.parent):
            before = path.read_text("utf-8") if path.exists() else ""
            after = f"{before.rstrip()}\n\n{text}" if before.strip() else text
            _checked(after, f"{path} was left as it is")
            _replace(path, after)
    except OSError as exc:
        raise SettingsError(
            f"{path} cannot be written: {exc.strerror or exc}. Give another place with --file."
        ) from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{path} is not UTF-8 text, so it is no key file. Give another with --file.") from exc


def line(key: Key) -> str:
    """A key for people."""
    caller = key.caller
    facts = [f"{field}={getattr(caller, field)}" for field in LIMITS if getattr(caller, field)]
    if caller.models is not None:
        facts.append("models=" + ",".join(sorted(caller.models)))
    if caller.priority != "normal":
        facts.append(f"priority={caller.priority}")
    if caller.admin:
        facts.append("admin")
    if key.expires is not None:
        facts.append(f"expires={datetime.fromtimestamp(key.expires, timezone.utc):%Y-%m-%dT%H:%M:%SZ}")
    return " ".join([caller.name, *facts])


def _checked(text: str, failure: str) -> None:
    try:
        read_keys(tomllib.loads(text))
    except ValueError as exc:
        raise SettingsError(f"{failure}: it would not be valid TOML ({exc}).") from None
    except SettingsError as error:
        raise SettingsError(f"{failure}: {error.message}") from None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time among those who add keys in this folder."""
    lock = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(file, "w", encoding="utf-8") as writer:
            if path.exists():  # root may add keys to the file of the user that the gateway runs as
                with contextlib.suppress(PermissionError):
                    os.fchown(file, path.stat().st_uid, path.stat().st_gid)
            writer.write(text)
            writer.flush()
            os.fsync(file)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help: str, example: str
) -> argparse.ArgumentParser:
    return actions.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=f"examples:\n  {example}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, default=Path("keys.toml"), metavar="F", help="(default keys.toml)")


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
