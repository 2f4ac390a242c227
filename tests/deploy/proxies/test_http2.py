"""Clients that speak HTTP/2 over TLS, as curl does, through each proxy to real gateways."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.ask import CHAT
from loadtest.proxies import Certificate, Proxy
from tests.deploy.proxies.client import KEY, scripted
from tests.deploy.proxies.conftest import Stage, addresses
from tests.support.absent import absent
from tests.support.waiting import wait_for


@contextmanager
def curl(proxy: Proxy, body: bytes, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """A client whose output is the reply."""
    if shutil.which("curl") is None:
        absent("curl is not installed: apt-get install curl")
    assert proxy.certificate is not None
    command = ["curl", "--silent", "--no-buffer", "--http2", "--cacert", str(proxy.certificate.cert.parent / "ca.pem")]
    command += ["--header", f"authorization: Bearer {KEY}", "--header", "content-type: application/json"]
    command += [*flags, "--data-binary", "@-", f"{proxy.url}{CHAT}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    try:
        process.stdin.write(body)
        process.stdin.close()
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_tokens_and_a_client_that_leaves(
    stage: Stage, kind: type[Proxy], certificate: Certificate, tmp_path: Path
) -> None:
    proxy = kind(tmp_path, addresses(stage.gateways), certificate=certificate)
    proxy.start()
    try:
        wait_for(lambda: _status(proxy) == "2 200", 10, "it answers over HTTP/2")
        tag = f"http2-{kind.name}"
        with curl(proxy, scripted(tag, hang_after=2)) as client:
            assert client.stdout is not None
            text = b""
            while not re.search(rb'"content":"[^"]*b"', text):  # with the token before it, if both came together
                line = client.stdout.readline()
                assert line, text
                text += line
            assert stage.wait(tag, "hang")["emitted"] == 2
        assert stage.wait(tag, "end")["reason"] == "cancel"
        with curl(proxy, scripted(f"{tag}-before", first_delay_ms=60_000)):
            stage.wait(f"{tag}-before", "start")
        assert stage.wait(f"{tag}-before", "cancel")["emitted"] == 0
    finally:
        proxy.stop(2)


def _status(proxy: Proxy) -> str:
    """Of a whole answer: the version of HTTP, and the status."""
    flags = ("--output", "/dev/null", "--write-out", "%{http_version} %{http_code}")
    with curl(proxy, scripted("http2-whole"), *flags) as client:
        assert client.stdout is not None
        return client.stdout.read().decode()
