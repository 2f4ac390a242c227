"""What commands write: to terminals in colour where those want it, and to files whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO


def coloured(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether it is a terminal that wants colours (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def write_whole(path: Path, text: str) -> None:
    """The file whole or not at all, readable by its owner only. Surrogates become question marks: UTF-8 has none."""
    draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "replace"))
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
