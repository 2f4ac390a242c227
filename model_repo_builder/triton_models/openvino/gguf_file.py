"""Whether a GGUF file is whole, found from its header alone; and where the library that reads the weights can open it.

That library maps the file and trusts it: a download that stopped half way crashes the whole process. So the header is
walked first, and the end of the last tensor compared with the end of the file. It also opens the file for writing,
though it never writes: where that is not allowed, as on a volume that is mounted read-only, it gets a copy to load.

It knows the GGUF format, versions 2 and 3. It must not know what the tensors are for.
"""

import contextlib
import math
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a metadata value, by its type."""
STRING, ARRAY = 8, 9

BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    30: (1, 2),
}
"""Elements and bytes of a block of weights, by its type: F32, F16, Q4_0 … Q6_K, integers, BF16."""

LONGEST = 1 << 30
ALIGNMENT_KEY = b"general.alignment"


class DamagedFile(Exception):
    """The file is no whole GGUF file; the text is one sentence."""


def check_gguf(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            needed = _end_of_tensors(file)
        except (struct.error, EOFError, MemoryError, OverflowError):
            raise DamagedFile(f"{path} ends inside its header: fetch it again") from None
    if needed > size:
        raise DamagedFile(f"{path} has {size} bytes of {needed}: it is cut off, fetch it again")


@contextlib.contextmanager
def opened_for_writing(path: Path) -> Iterator[Path]:
    """The file itself, or a copy that is gone at the end: what is loaded from it stays."""
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        with tempfile.TemporaryDirectory(prefix="gguf-") as folder:
            yield Path(shutil.copyfile(path, Path(folder) / path.name))
        return
    yield path


def _end_of_tensors(file: BinaryIO) -> int:
    if file.read(4) != b"GGUF":
        raise DamagedFile(f"{file.name} is not a GGUF file")
    version, tensors, pairs = _unpack(file, "<IQQ")
    if version not in (2, 3):
        raise DamagedFile(f"{file.name} is GGUF version {version}: convert the model again with a current tool")
    alignment = 32
    for _ in range(pairs):
        key = _string(file)
        (kind,) = _unpack(file, "<I")
        if key == ALIGNMENT_KEY and kind == 4:
            (alignment,) = _unpack(file, "<I")
        else:
            _skip(file, kind)
    end = 0
    for _ in range(tensors):
        _string(file)
        (dimensions,) = _unpack(file, "<I")
        shape = _unpack(file, f"<{dimensions}Q")
        kind, offset = _unpack(file, "<IQ")
        elements, length = BLOCKS.get(kind, (1, 0))
        end = max(end, offset + math.prod(shape) // elements * length)
    start = file.tell()
    return start + -start % alignment + end


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == STRING:
        _string(file)
    elif kind == ARRAY:
        each, count = _unpack(file, "<IQ")
        if each in SCALARS:
            _advance(file, SCALARS[each] * count)
        else:
            for _ in range(count):
                _skip(file, each)
    elif kind in SCALARS:
        _advance(file, SCALARS[kind])
    else:
        raise DamagedFile(f"{file.name} has metadata of an unknown type {kind}: it is damaged, fetch it again")


def _string(file: BinaryIO) -> bytes:
    (length,) = _unpack(file, "<Q")
    if length > LONGEST:
        raise EOFError
    text = file.read(length)
    if len(text) < length:
        raise EOFError
    return text


def _advance(file: BinaryIO, count: int) -> None:
    if count > LONGEST:
        raise EOFError
    file.seek(count, 1)


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
