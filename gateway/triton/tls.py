"""TLS to Triton: the files of a setting, read and checked together, as gRPC's credentials.

It knows PEM files and two libraries. It must not know endpoints. Files are read when a transport is made: a renewed
certificate counts from the next reload of the gateway.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import grpc

from gateway.core.errors import SettingsError
from gateway.core.tls import ClientTls


def credentials(tls: ClientTls) -> Any:
    """gRPC's credentials for a channel. SettingsError names the file that is missing, is no PEM or does not fit."""
    context(tls)
    roots = _system_roots() if tls.ca is None else _read(tls.ca, "ca")
    if tls.cert is None or tls.key is None:
        return grpc.ssl_channel_credentials(roots)
    return grpc.ssl_channel_credentials(roots, _read(tls.key, "key"), _read(tls.cert, "cert"))


def context(tls: ClientTls) -> ssl.SSLContext:
    """Python's context for the same. It also tells what gRPC says only once a connection fails: files that are no PEM,
    and a key that is another certificate's."""
    if tls.ca is not None:
        _read(tls.ca, "ca")
    try:
        made = ssl.create_default_context(cafile=tls.ca)
    except ssl.SSLError as exc:
        raise SettingsError(f"triton_tls: ca {tls.ca} holds no certificate in PEM form ({exc.reason}).") from exc
    if tls.cert is not None and tls.key is not None:
        _read(tls.cert, "cert")
        _read(tls.key, "key")
        try:
            # An encrypted key would be asked for on the terminal.
            made.load_cert_chain(tls.cert, tls.key, password="")
        except ssl.SSLError as exc:
            raise SettingsError(
                f"triton_tls: cert {tls.cert} and key {tls.key} are not a certificate and its key, unencrypted and in "
                f"PEM form ({exc.reason or exc})."
            ) from exc
    return made


def _read(path: str, name: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise SettingsError(f"triton_tls: cannot read {name} {path}: {exc.strerror or exc}.") from exc


def _system_roots() -> bytes | None:
    """Who the system trusts; None where that is not in one file: then gRPC's own list counts."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(each) for each in found).encode() or None
