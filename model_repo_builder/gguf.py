"""Reads the header of a GGUF file: its metadata, and the shapes of its tensors.

Knows the file format, version 2 and 3, and nothing of models. The file may come from anywhere, so every
length is checked against what is left of the file before anything is read or allocated. Large arrays (the
vocabulary) are walked, not kept.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_repo_builder.errors import CheckpointError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_KEPT_ARRAY = 64  # longer arrays are represented by their length alone
_MAX_ENTRIES = 65_536  # metadata entries or tensors; real files have tens and hundreds
_MAX_DIMS = 8

_STRING, _ARRAY, _BOOL = 8, 9, 7
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", _BOOL: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class LongArray:
    """An array too long to keep."""

    length: int


Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...] | LongArray


@dataclass(frozen=True, slots=True)
class Header:
    metadata: Mapping[str, Value]
    tensors: Mapping[str, tuple[int, ...]]

    def text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_header(path: Path) -> Header:
    """The header of the file, or a CheckpointError that says what is wrong with it."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data, path).header()
    except (OSError, ValueError) as error:  # mmap refuses an empty file with ValueError
        raise CheckpointError(f"{path} cannot be read as a GGUF file: {error}") from error


class _Reader:
    """A position in the file that never goes past its end."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data = data
        self._path = path
        self._at = 0

    def header(self) -> Header:
        if self._data[:4] != _MAGIC:
            raise CheckpointError(f"{self._path} is not a GGUF file: it does not begin with the letters GGUF")
        self._at = 4
        version = self._number("I")
        if version not in _VERSIONS:
            raise CheckpointError(
                f"{self._path} is GGUF version {version}: versions {' and '.join(map(str, _VERSIONS))} can be read"
            )
        tensor_count, entry_count = self._count("Q", "tensors"), self._count("Q", "metadata entries")
        metadata: dict[str, Value] = {}
        for _ in range(entry_count):
            key = self._text()
            metadata[key] = self._value(self._number("I"))
        tensors: dict[str, tuple[int, ...]] = {}
        for _ in range(tensor_count):
            name = self._text()
            dims = self._number("I")
            if dims > _MAX_DIMS:
                raise self._damaged(f"tensor {name!r} has {dims} dimensions")
            tensors[name] = tuple(int(self._number("Q")) for _ in range(int(dims)))
            self._number("I")  # the data type
            self._number("Q")  # where its data begins
        return Header(metadata, tensors)

    def _value(self, kind: int | float) -> Value:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._array()
        return self._scalar(kind)

    def _scalar(self, kind: int | float) -> int | float | bool:
        code = _NUMBERS.get(int(kind))
        if code is None:
            raise self._damaged(f"a value has the unknown type {kind}")
        return self._number(code)

    def _array(self) -> Value:
        kind, length = int(self._number("I")), int(self._number("Q"))
        if kind == _STRING:
            if length * 8 > self._left():
                raise self._damaged(f"an array claims {length} texts")
            if length <= _KEPT_ARRAY:
                return tuple(self._text() for _ in range(length))
            for _ in range(length):
                self._skip(int(self._number("Q")))
            return LongArray(length)
        code = _NUMBERS.get(kind)
        if code is None:
            raise self._damaged(f"an array holds values of the unknown or nested type {kind}")
        if length <= _KEPT_ARRAY:
            return tuple(self._number(code) for _ in range(length))
        self._skip(length * struct.calcsize(f"<{code}"))
        return LongArray(length)

    def _text(self) -> str:
        size = int(self._number("Q"))
        start = self._at
        self._skip(size)
        return self._data[start : self._at].decode("utf-8", "replace")

    def _number(self, code: str) -> int | float | bool:
        start = self._at
        self._skip(struct.calcsize(f"<{code}"))
        value: int | float | bool = struct.unpack_from(f"<{code}", self._data, start)[0]
        return value

    def _count(self, code: str, what: str) -> int:
        count = int(self._number(code))
        if count > _MAX_ENTRIES:
            raise self._damaged(f"it claims {count} {what}")
        return count

    def _skip(self, size: int) -> None:
        if size > self._left():
            raise self._damaged("it ends in the middle of its header")
        self._at += size

    def _left(self) -> int:
        return len(self._data) - self._at

    def _damaged(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self._path} is damaged or no complete GGUF file: {what}; download or convert it again"
        )
