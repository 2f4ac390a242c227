"""Where Tritons are: one place, and lists of places as operators write them in a file.

It knows addresses and the two forms of a list. It must not read files, resolve names or know whether anyone is there.

A list is TOML,

    endpoints = [
        "gpu-1:8001",
        {address = "gpu-2:8001", weight = 2.0, metrics = "http://gpu-2:8002/metrics"},
    ]

or plain lines of one HOST:PORT each, with # before comments. A list without any text is half-written, not empty: who
wants none writes ``endpoints = []``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[\w.-]+):(\d{1,5})", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#]+[^\s#]*")
_TOML = re.compile(r"^[ \t]*(?:[\w\"-]+[ \t]*=|\[{1,2}[ \t]*\w+[ \t]*\])", re.MULTILINE)  # a key, or a table's head
_MAX_WEIGHT = 1000.0  # shares beyond are a mistake: one endpoint would take all


@dataclass(frozen=True, slots=True)
class Place:
    """A Triton: ``address`` is host:port of its gRPC, ``metrics`` the URL of its metrics where that is known."""

    address: str
    weight: float = 1.0
    metrics: str | None = None


def address(text: str) -> str:
    """HOST:PORT in the one spelling that is compared. ValueError where it is something else."""
    match = _ADDRESS.fullmatch(text.strip())
    if match is None or not 0 < int(match[2]) <= 65535:
        raise ValueError(f"{text[:200]!r} is not HOST:PORT of Triton's gRPC, such as gpu-1:8001")
    return f"{match[1].lower()}:{int(match[2])}"


def host_of(address: str) -> str:
    """The host of HOST:PORT; brackets of IPv6 stay, as in a URL."""
    return address.rpartition(":")[0]


def listed(text: str) -> tuple[Place, ...]:
    """The places of a list, in its order, doubles included. ValueError says in one line what is wrong where."""
    if not text.strip():
        raise ValueError("it is empty; write 'endpoints = []' for no endpoint at all")
    return _from_toml(text) if _TOML.search(text) else _from_lines(text)


def without_doubles(places: Iterable[Place]) -> tuple[tuple[Place, ...], tuple[str, ...]]:
    """The first of each address, and the addresses that came more than once."""
    first: dict[str, Place] = {}
    doubled: dict[str, None] = {}
    for place in places:
        if first.setdefault(place.address, place) is not place:
            doubled[place.address] = None
    return tuple(first.values()), tuple(doubled)


def _from_lines(text: str) -> tuple[Place, ...]:
    places: list[Place] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if entry:
            try:
                places.append(Place(address(entry)))
            except ValueError as exc:
                raise ValueError(f"line {number}: {exc}") from exc
    if not places:
        raise ValueError("it has comments only; write 'endpoints = []' for no endpoint at all")
    return tuple(places)


def _from_toml(text: str) -> tuple[Place, ...]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ValueError(f"it is not valid TOML: {exc}") from exc
    unknown = sorted(set(document) - {"endpoints"})
    if unknown:
        raise ValueError(f"it has the unknown key {unknown[0][:100]!r}; the only one is endpoints")
    entries = document["endpoints"] if document else None
    if not isinstance(entries, list):
        raise ValueError('endpoints must be a list, as in endpoints = ["gpu-1:8001", "gpu-2:8001"]')
    return tuple(_place(entry, f"endpoint {number}") for number, entry in enumerate(entries, 1))


def _place(entry: object, where: str) -> Place:
    table = {"address": entry} if isinstance(entry, str) else entry
    if not isinstance(table, dict) or not isinstance(table.get("address"), str):
        raise ValueError(f'{where} must be "HOST:PORT" or a table with address = "HOST:PORT"')
    unknown = sorted(set(table) - {"address", "weight", "metrics"})
    if unknown:
        raise ValueError(f"{where} has the unknown key {unknown[0][:100]!r}; known are address, weight and metrics")
    weight, metrics = table.get("weight", 1.0), table.get("metrics")
    if type(weight) not in (int, float) or not math.isfinite(weight) or not 0 < weight <= _MAX_WEIGHT:
        raise ValueError(f"{where}: weight is {weight!r}, but must be a number above 0, up to {_MAX_WEIGHT:g}")
    if metrics is not None and not (isinstance(metrics, str) and _URL.fullmatch(metrics)):
        raise ValueError(f"{where}: metrics must be a URL such as http://gpu-1:8002/metrics, not {metrics!r}")
    try:
        return Place(address(table["address"]), float(weight), metrics)
    except ValueError as exc:
        raise ValueError(f"{where}: {exc}") from exc
