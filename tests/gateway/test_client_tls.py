"""HTTPS towards clients: a certificate of an authority that they trust, exchanged while the gateway runs."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.core.errors import SettingsError
from gateway.tls import ServerTls
from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.gateway.processes import Start
from tests.support.certificates import Authority, Pair
from tests.support.gateway import GATEWAY, Gateway
from tests.support.waiting import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def in_use(folder: Path, pair: Pair) -> Pair:
    """The pair under the names that the gateway knows."""
    used = Pair(str(folder / "server.pem"), str(folder / "server.key"))
    for source, target in ((pair.cert, used.cert), (pair.key, used.key)):
        shutil.copy(source, f"{target}.fresh")
        Path(f"{target}.fresh").replace(target)
    return used


def shown(gateway: Gateway, authority: Authority) -> bytes:
    """The certificate that a new connection is shown, checked against the authority."""
    address = urlsplit(gateway.url)
    context = ssl.create_default_context(cafile=authority.ca)
    with (
        socket.create_connection((address.hostname, address.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        certificate = secure.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


@pytest.mark.parametrize("count", [1, 2], ids=["alone", "workers"])
def test_clients_are_served_and_the_certificate_is_exchanged(
    start: Start, authority: Authority, tmp_path: Path, count: int
) -> None:
    first, second = (authority.signed(name, "IP:127.0.0.1") for name in ("first", "second"))
    used = in_use(tmp_path, first)
    gateway = start(tls_cert=f'"{Path(used.cert).name}"', tls_key=f'"{used.key}"', workers=count)
    context = ssl.create_default_context(cafile=authority.ca)
    body: dict[str, Any] = {"model": "direct", "messages": messages(Script(text="你好", delay_ms=300)), "stream": True}
    old = shown(gateway, authority)
    assert old == ssl.PEM_cert_to_DER_cert(Path(first.cert).read_text())
    with httpx.stream("POST", f"{gateway.api}/chat/completions", json=body, verify=context, timeout=30) as reply:
        assert reply.status_code == 200
        in_use(tmp_path, Pair(second.cert, first.key))
        until(lambda: "do not work together" in gateway.log.read_text())
        assert shown(gateway, authority) == old
        in_use(tmp_path, second)
        new = ssl.PEM_cert_to_DER_cert(Path(second.cert).read_text())
        until(lambda: all(shown(gateway, authority) == new for _ in range(6)))
        assert reply.read().endswith(b"data: [DONE]\n\n"), "the stream stood through all of it"
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0


def test_a_client_that_does_not_trust_or_speaks_plainly_gets_nothing(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    used = in_use(tmp_path, authority.signed("server", "IP:127.0.0.1"))
    gateway = start(tls_cert=f'"{used.cert}"', tls_key=f'"{used.key}"')
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"{gateway.url}/healthz", timeout=10)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{gateway.url.replace('https', 'http')}/healthz", timeout=10)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    assert httpx.get(f"{gateway.url}/healthz", verify=old, timeout=10).status_code == 200


def test_pairs_that_cannot_work(authority: Authority, tmp_path: Path) -> None:
    good, other = (authority.signed(name, "IP:127.0.0.1") for name in ("good", "other"))
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    tls = ServerTls(good.cert, good.key)
    for cert, key, said in (
        (str(tmp_path / "absent.pem"), good.key, "cannot be read"),
        (good.cert, other.key, "do not work together"),
        (str(broken), good.key, "do not work together"),
        (good.cert, authority.encrypted(good).key, "do not work together"),
    ):
        with pytest.raises(SettingsError, match=said):
            ServerTls(cert, key)
        with pytest.raises(SettingsError, match=said):
            tls.load(cert, key)


def test_one_without_the_other_is_refused(tmp_path: Path) -> None:
    flags = ["--port", "0", "--triton", "x:8001", "--model", "q", "--tokenizer", "."]
    environment = {"GATEWAY_TLS_CERT": "server.pem"}
    done = subprocess.run(
        [str(GATEWAY), "serve", *flags], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "tls_cert and tls_key belong together" in done.stderr
