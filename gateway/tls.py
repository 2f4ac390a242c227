"""The gateway's own certificate, towards clients. It knows files and Python's ssl; it must not know who connects."""

from __future__ import annotations

import ssl

from gateway.core.errors import SettingsError


class ServerTls:
    """A context whose certificate can be exchanged while connections stand: new ones get the new certificate."""

    def __init__(self, cert: str, key: str) -> None:
        self.context = _context(cert, key)

    def load(self, cert: str, key: str) -> None:
        """Takes another certificate. SettingsError where it cannot work; the old one then stays."""
        _context(cert, key)
        self.context.load_cert_chain(cert, key)


def _context(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (cert, key):
        try:
            with open(path, "rb"):
                pass
        except OSError as exc:
            raise SettingsError(f"[server] the TLS file {path} cannot be read: {exc.strerror}.") from exc
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # an encrypted key fails instead of asking
    except ssl.SSLError as exc:
        raise SettingsError(
            f"[server] tls_cert {cert} and tls_key {key} do not work together ({exc.reason or exc}). Give the PEM file "
            "of the certificate with its chain, and its private key without a password."
        ) from exc
    return context
