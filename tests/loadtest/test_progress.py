"""What whoever waits is told: one line on a terminal, few lines elsewhere."""

from __future__ import annotations

import io

from loadtest.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_few_lines_where_they_stay() -> None:
    stream, moments = io.StringIO(), iter([0.0, 1.0, 4.9, 5.1, 6.0, 10.2])
    with Progress(stream, clock=lambda: next(moments)) as progress:
        for number in range(6):
            progress.tell(f"{number} of 6")
    assert stream.getvalue() == "0 of 6\n3 of 6\n5 of 6\n"


def test_one_line_on_a_terminal() -> None:
    stream, moments = Terminal(), iter([0.0, 0.05, 0.2])
    with Progress(stream, clock=lambda: next(moments)) as progress:
        progress.tell("a long line")
        progress.tell("too early")
        progress.tell("short")
    assert stream.getvalue() == "\ra long line\rshort      \r     \r"
