"""How the log looks: one line per event on standard error. It knows Python's logging and nothing of the gateway."""

from __future__ import annotations

import logging
import sys


def configure(level: str, process: str = "") -> None:
    """``process``: a name in each line, where several processes write to one place."""
    name = f" {process}" if process else ""
    logging.basicConfig(
        level=level.upper(),
        format=f"%(asctime)s %(levelname)s{name} %(name)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("uvicorn").setLevel("WARNING")
