"""What of a file may be read while another process writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.written import whole_lines

LINES = [json.dumps({"text": text}, ensure_ascii=False) for text in ("a", "\u2028 is no end of a line", "聪明的")]


def test_no_file(tmp_path: Path) -> None:
    assert whole_lines(tmp_path / "log") == []


@pytest.mark.parametrize("whole", range(len(LINES)))
def test_every_moment_of_a_line(tmp_path: Path, whole: int) -> None:
    before = "".join(f"{line}\n" for line in LINES[:whole]).encode()
    line = LINES[whole].encode()
    log = tmp_path / "log"
    for written in range(len(line) + 1):
        log.write_bytes(before + line[:written])
        assert whole_lines(log) == LINES[:whole], written
    log.write_bytes(before + line + b"\n")
    assert whole_lines(log) == LINES[: whole + 1]
