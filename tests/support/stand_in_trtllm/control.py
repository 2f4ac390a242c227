"""What a test may ask of a running stand-in: to record, to fail, to wait."""

import json
import os
import subprocess
import sys
from pathlib import Path


def _folder() -> Path:
    return Path(os.environ["STAND_IN"])


def record(tool: str, argv: list[str]) -> None:
    with (_folder() / "calls").open("a") as file:
        file.write(json.dumps({"tool": tool, "argv": argv}) + "\n")


def point(tool: str) -> None:
    """Half of the tool's files are written here."""
    fail, hold = (_folder() / f"{kind}-{tool}" for kind in ("fail", "hold"))
    if fail.exists():
        print(fail.read_text(), flush=True)
        sys.exit(3)
    if hold.exists():
        worker = subprocess.Popen(["sleep", "600"])
        partial = _folder() / "held.partial"
        partial.write_text(f"{os.getpid()} {worker.pid}")
        partial.rename(_folder() / "held")
        worker.wait()
