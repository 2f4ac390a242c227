"""TLS to Triton: the files of a setting, read and checked together, as a context of Python's.

It knows PEM files. It must not know endpoints. Files are read when a transport is made: a renewed
certificate counts from the next reload of the gateway.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.core.errors import SettingsError
from gateway.core.tls import ClientTls


def context(tls: ClientTls) -> ssl.SSLContext:
    """The context of a connection. SettingsError names the file that is missing, is no PEM or does not fit."""
    if tls.ca is not None:
        pem(tls.ca, "ca")
    try:
        made = ssl.create_default_context(cafile=tls.ca)
    except ssl.SSLError as exc:
        raise SettingsError(f"triton_tls: ca {tls.ca} holds no certificate in PEM form ({exc.reason}).") from exc
    if tls.cert is not None and tls.key is not None:
        pem(tls.cert, "cert")
        pem(tls.key, "key")
        try:
            # An encrypted key would be asked for on the terminal.
            made.load_cert_chain(tls.cert, tls.key, password="")
        except ssl.SSLError as exc:
            raise SettingsError(
                f"triton_tls: cert {tls.cert} and key {tls.key} are not a certificate and its key, unencrypted and in "
                f"PEM form ({exc.reason or exc})."
            ) from exc
    return made


def pem(path: str, name: str) -> bytes:
    """The file of the setting ``name``."""
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise SettingsError(f"triton_tls: cannot read {name} {path}: {exc.strerror or exc}.") from exc
