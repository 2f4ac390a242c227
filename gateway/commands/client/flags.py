"""The flags by which commands find a server, and the client they make. It knows files, flags and the environment."""

from __future__ import annotations

import argparse
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from gateway.commands.client.address import DEFAULT, parse_address, proxy_of
from gateway.commands.client.transport import Client
from gateway.core.errors import SettingsError

KEY = re.compile(r"[!-~]{1,4096}")


def add_flags(parser: argparse.ArgumentParser, *, timeout: float, timeout_help: str) -> None:
    """The URL's, the key's and TLS's flags."""
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help=f"base URL (default: OPENAI_BASE_URL, else {DEFAULT}); without a path, /v1 is meant",
    )
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="file with the API key (default: OPENAI_API_KEY, if it is set)"
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="certificates (PEM) to trust instead of the system's"
    )
    parser.add_argument("--timeout", type=seconds, default=timeout, metavar="SECONDS", help=timeout_help)


def client(args: argparse.Namespace, environ: Mapping[str, str], *, total: bool) -> Client:
    """What a command line and the environment ask for. ``total``: the timeout is for a whole reply, not for silence."""
    address = parse_address(args.url or environ.get("OPENAI_BASE_URL") or DEFAULT)
    try:
        return Client(
            address,
            key=read_key(args.key_file, environ),
            proxy=proxy_of(address, environ),
            ca_file=str(args.ca_file) if args.ca_file else None,
            silence_seconds=args.timeout,
            total_seconds=args.timeout if total else float("inf"),
        )
    except (ssl.SSLError, OSError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "it has no certificate in PEM form"
        raise SettingsError(f"--ca-file {args.ca_file} cannot be used: {reason}.") from exc


def read_key(path: Path | None, environ: Mapping[str, str]) -> str:
    """The key, empty where there is none. SettingsError never tells what was found in its place."""
    key = environ.get("OPENAI_API_KEY", "").strip()
    source = "OPENAI_API_KEY"
    if path is not None:
        source = f"--key-file {path}"
        try:
            with path.open(encoding="utf-8") as file:
                key = file.read(8192).strip()
        except OSError as exc:
            raise SettingsError(f"{source} cannot be read: {exc.strerror}.") from exc
        except UnicodeDecodeError as exc:
            raise SettingsError(f"{source} is no text. It must hold the key and nothing else.") from exc
        if not key:
            raise SettingsError(f"{source} is empty. It must hold the key and nothing else.")
    if key and not KEY.fullmatch(key):
        raise SettingsError(
            f"{source} is no API key: it has spaces, lines or characters that no HTTP header can carry."
        )
    return key


def seconds(text: str) -> float:
    """For argparse: a positive, finite number."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0")
    return value
