"""TLS to Triton in grpcio's terms. It knows grpcio's credentials; the files are read and checked in ``tls``."""

from __future__ import annotations

import ssl
from typing import Any

import grpc

from gateway.core.tls import ClientTls
from gateway.triton.tls import context, pem


def credentials(tls: ClientTls) -> Any:
    """gRPC's credentials for a channel. SettingsError names the file that is missing, is no PEM or does not fit."""
    context(tls)  # tells what gRPC says only once a connection fails: no PEM, the key of another certificate
    roots = _system_roots() if tls.ca is None else pem(tls.ca, "ca")
    if tls.cert is None or tls.key is None:
        return grpc.ssl_channel_credentials(roots)
    return grpc.ssl_channel_credentials(roots, pem(tls.key, "key"), pem(tls.cert, "cert"))


def _system_roots() -> bytes | None:
    """Who the system trusts; None where that is not in one file: then gRPC's own list counts."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(each) for each in found).encode() or None
