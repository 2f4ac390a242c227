"""Writes the support table into the README, from the code; ``--check`` only says whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.core.capabilities import markdown

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- capabilities -->\n", "<!-- /capabilities -->"


def renewed(readme: str) -> str:
    """The README with today's table."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


def main() -> int:
    current = README.read_text("utf-8")
    new = renewed(current)
    if "--check" in sys.argv:
        return 0 if current == new else 1
    README.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
