"""What a check program is told: where the gateway is and how to reach the engines behind it.

It goes to a process of another environment as JSON, so it must need nothing but Python's own library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

VARIABLE = "CLIENTS_STAGE"


@dataclass(frozen=True, slots=True)
class Stage:
    url: str
    """The gateway, without a path."""
    dead: str
    """A gateway whose Triton is away; its model is called q."""
    key: str
    scripted: str
    """The model that says what the prompt tells it to."""
    real: str
    """The model that knows nothing of checks."""
    journal: str
    """The file in which the scripted engine writes what happens to its requests."""

    @property
    def api(self) -> str:
        return f"{self.url}/v1"

    def environment(self) -> Mapping[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def given(cls) -> Stage:
        """The one that this process was given."""
        return cls(**json.loads(os.environ[VARIABLE]))
