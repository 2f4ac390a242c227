"""How settings name Tritons: ``host:port``, ``dns:NAME:PORT`` or ``file:PATH``. It must not look whether they exist."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.core.errors import SettingsError

_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})")


def check_endpoints(endpoints: Sequence[str], where: str) -> None:
    """SettingsError unless there is at least one and each has one of the three forms."""
    if not endpoints:
        raise SettingsError(f"{where}: triton is empty; give HOST:PORT of Triton's gRPC, such as 127.0.0.1:8001.")
    for endpoint in endpoints:
        if endpoint.startswith("file:") and len(endpoint) > len("file:"):
            continue
        match = _ENDPOINT.fullmatch(endpoint.removeprefix("dns:"))
        if match is None or not 0 < int(match[2]) <= 65535:
            raise SettingsError(
                f"{where}: triton is {endpoint!r}, but must be HOST:PORT of Triton's gRPC, such as 127.0.0.1:8001, "
                "dns:NAME:PORT for a name that resolves to several, or file:PATH for a watched list."
            )
