"""API keys: what a key file says, and which key a client presented. Pure: the file's parsed TOML and the time come in.

It knows hashes only, never keys: what a client presents is hashed and forgotten. It must not know files, HTTP, or how
limits are counted. A plain SHA-256 is enough because keys are random and long; nobody can guess 256 bits. Passwords
would need a slow hash, so short keys are refused where they are made.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, get_args

from gateway.core.caller import Caller, Priority
from gateway.core.errors import SettingsError

SHORTEST = 32  # characters of a key
LIMITS = ("requests_per_minute", "tokens_per_minute", "max_streams")
FIELDS = ("name", "hash", "models", *LIMITS, "priority", "admin", "expires")
PRIORITIES: tuple[str, ...] = get_args(Priority)

_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_MOST = 2**53  # Redis' scripts count in doubles


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file. ``digest``: its SHA-256. ``expires``: seconds since the epoch; None: never."""

    digest: bytes
    caller: Caller
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys in force."""

    keys: tuple[Key, ...]

    def find(self, presented: bytes) -> Key | None:
        """The key whose hash that is. The time it takes says nothing: every key is compared, in constant time."""
        digest = hashlib.sha256(presented).digest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def hashed(key: str) -> str:
    """What a key file has in place of the key. SettingsError where the key is too short to be safe."""
    if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(
            f"A key needs at least {SHORTEST} characters of printable ASCII without spaces; `gateway keys new NAME` "
            "makes one."
        )
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def check_name(name: str) -> None:
    """SettingsError unless it can stand in logs and in headers."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"The name {name[:80]!r} of a key must be 1 to 64 letters, digits, or any of . _ @ -, and begin with a "
            "letter or digit."
        )


def read_keys(document: Mapping[str, Any]) -> Keys:
    """The keys of a parsed key file. SettingsError says which key is wrong, and never repeats a hash."""
    tables = document.get("keys")
    if set(document) - {"keys"} or not isinstance(tables, list) or not all(isinstance(t, Mapping) for t in tables):
        raise SettingsError("it must have tables headed [[keys]], and nothing else; `gateway keys new NAME` adds one.")
    keys = tuple(_key(table, f"[[keys]] number {number}") for number, table in enumerate(tables, 1))
    if not keys:
        raise SettingsError("it has no keys; `gateway keys new NAME` adds one.")
    for what, values in (("name", [key.caller.name for key in keys]), ("hash", [key.digest for key in keys])):
        if doubled := _doubled(values):
            name = keys[doubled[1]].caller.name
            raise SettingsError(f"key '{name}' has the same {what} as an earlier key; each needs its own.")
    return Keys(keys)


def _doubled(values: Sequence[object]) -> tuple[int, int] | None:
    """Where the first value stands that was there before."""
    seen: dict[object, int] = {}
    for index, value in enumerate(values):
        if value in seen:
            return seen[value], index
        seen[value] = index
    return None


def _key(table: Mapping[str, Any], where: str) -> Key:
    name = table.get("name")
    if not isinstance(name, str):
        raise SettingsError(f"{where} lacks a 'name', which is text in quotes.")
    check_name(name)
    where = f"key '{name}'"
    unknown = sorted(set(table) - set(FIELDS))
    if unknown:
        raise SettingsError(f"{where} has the unknown field '{unknown[0][:64]}'; known are {', '.join(FIELDS)}.")
    text = table.get("hash")
    match = _HASH.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise SettingsError(
            f"{where}: 'hash' must be sha256: and 64 hexadecimal digits, as `gateway keys hash` prints it."
        )
    models = table.get("models")
    if models is not None and not (
        isinstance(models, list) and models and all(isinstance(model, str) and model for model in models)
    ):
        raise SettingsError(f"{where}: 'models' must be a list of model names, or be left out for all models.")
    limits = {field: table.get(field, 0) for field in LIMITS}
    for field, value in limits.items():
        if type(value) is not int or not 0 <= value < _MOST:
            raise SettingsError(f"{where}: '{field}' must be a whole number; 0, or leaving it out, means no limit.")
    priority: Any = table.get("priority", "normal")
    if priority not in PRIORITIES:
        raise SettingsError(f"{where}: 'priority' must be one of {', '.join(PRIORITIES)}.")
    admin = table.get("admin", False)
    if type(admin) is not bool:
        raise SettingsError(f"{where}: 'admin' must be true or false.")
    caller = Caller(name, priority, None if models is None else frozenset(models), **limits, admin=admin)
    return Key(bytes.fromhex(match[1]), caller, _expires(table.get("expires"), where))


def _expires(value: object, where: str) -> float | None:
    """Seconds since the epoch. A date alone is its first moment in UTC."""
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return value.timestamp()
    elif isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc).timestamp()
    raise SettingsError(
        f"{where}: 'expires' must be a date, as in 2027-01-31, or a time with its zone, as in 2027-01-31T12:00:00Z."
    )
