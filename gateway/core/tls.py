"""TLS material for a connection that we open: where its files lie. It must not read them; the transport does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from gateway.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files in PEM form. ``ca``: who signed the server's certificate; None: the system's authorities. ``cert`` and
    ``key``: our own, where the server asks for one. ``server_name``: the name to expect instead of the host's."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    server_name: str | None = None


def client_tls(table: Mapping[str, object], where: str) -> ClientTls | None:
    """From the table of a setting; None where it is empty: no TLS. SettingsError names what is wrong."""
    known = [item.name for item in fields(ClientTls)]
    for name, value in table.items():
        if name == "enabled" and value is True:
            continue
        if name not in known or not isinstance(value, str) or not value:
            raise SettingsError(
                f"{where}: triton_tls has {name} = {value!r}; write paths under ca, cert and key, a name under "
                "server_name, or enabled = true for the system's authorities alone."
            )
    if ("cert" in table) != ("key" in table):
        raise SettingsError(f"{where}: triton_tls needs both cert and key, or neither.")
    return ClientTls(**{name: str(table[name]) for name in known if name in table}) if table else None
