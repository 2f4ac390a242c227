"""What a file holds, in one short text: whether an input, a finished stage or an engine is still the same.

Knows how to read files of any size in bounded time: up to 64 MiB a file is read whole, a larger one at 64 places
and by its size. A change that misses all of those places, in a file that keeps its size, is not seen. Must not know
what the files are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

WHOLE = 64 << 20
_PLACES = 64
_PIECE = 1 << 20


def of_file(path: Path) -> str:
    """``sha256:…`` of the content, or ``sampled:…`` of a large file."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode() + b"\n")
    if size <= WHOLE:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    with path.open("rb") as file:
        for place in range(_PLACES):
            file.seek((size - _PIECE) * place // (_PLACES - 1))
            digest.update(file.read(_PIECE))
    return f"sampled:{digest.hexdigest()}"


def of_tree(path: Path, without: Path | None = None) -> dict[str, str]:
    """Every file below a folder by its path in it, or the file itself as ``.``; hidden ones are left out.

    ``without`` is a folder that may lie in it and does not count.
    """
    if not path.is_dir():
        return {".": of_file(path)}
    return {str(file.relative_to(path)): of_file(file) for file in sorted(files(path, without))}


def files(folder: Path, without: Path | None = None) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry == without:
            continue
        if entry.is_dir():
            yield from files(entry, without)
        elif entry.is_file():
            yield entry


def size(folder: Path) -> int:
    """Bytes below a folder that may be written to meanwhile."""
    total = 0
    try:
        entries = list(folder.iterdir())
    except OSError:
        return 0
    for entry in entries:
        try:
            total += size(entry) if entry.is_dir() and not entry.is_symlink() else entry.lstat().st_size
        except OSError:
            continue  # has just gone
    return total
