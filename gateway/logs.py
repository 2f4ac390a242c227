"""How the log looks: one line per event on standard error, for people or as JSON. It knows Python's logging and nothing
of the gateway.

What an event says besides its text is in the record's ``fields``.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone


def configure(level: str, format: str = "text", process: str = "") -> None:
    """``format``: "text" or "json". ``process``: a name in each line, where several processes write to one place."""
    name = f" {process}" if process else ""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        Json(process)
        if format == "json"
        else logging.Formatter(f"%(asctime)s %(levelname)s{name} %(name)s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("uvicorn").setLevel("WARNING")


class Json(logging.Formatter):
    """One object for each event: time, level, logger, message, and its fields."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = {"process": process} if process else {}

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._process,
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        event |= {"message": record.getMessage()} if fields is None else fields
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False, default=str)
