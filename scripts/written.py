"""What scripts do with the files that they make from others: write them, or with ``--check`` say which are stale."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def written(files: Mapping[Path, str]) -> int:
    """The exit code: 1 where ``--check`` was asked for and a file is not as it should be."""
    check = "--check" in sys.argv
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in stale:
        if not check:
            path.write_text(files[path], "utf-8")
        print(f"{'stale' if check else 'written'}: {path}")
    return 1 if stale and check else 0
