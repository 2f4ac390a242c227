"""TLS to real tritonservers, with certificates that fit and certificates that do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError, UpstreamUnavailable
from gateway.core.tls import ClientTls
from gateway.triton.grpc_credentials import credentials
from tests.gateway.triton.conftest import Connect
from tests.support.certificates import Authority, Pair
from tests.support.lone_triton import MODEL, LoneTriton, lone_triton, write_meter

NAME = "tritons.test"


@dataclass(frozen=True, slots=True)
class Signed:
    """Our authority's certificates for a server named NAME and for a client, and those of a stranger."""

    ca: str
    server: Pair
    client: Pair
    other_ca: str
    other_client: Pair
    encrypted: Pair


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = Authority(folder, "ours"), Authority(folder, "other")
    client = ours.signed("client", "DNS:gateway.test")
    return Signed(
        ours.ca,
        ours.signed("server", f"DNS:{NAME}"),
        client,
        other.ca,
        other.signed("client", "DNS:gateway.test"),
        ours.encrypted(client),
    )


def tls_flags(signed: Signed, *more: str) -> list[str]:
    flags = [
        "--grpc-use-ssl=true",
        f"--grpc-server-cert={signed.server.cert}",
        f"--grpc-server-key={signed.server.key}",
    ]
    return [*flags, *more]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory, signed: Signed) -> Iterator[LoneTriton]:
    """One that proves who it is."""
    folder = tmp_path_factory.mktemp("tls")
    with lone_triton(folder, write_meter(folder / "repository", {}), *tls_flags(signed)) as server:
        yield server


@pytest.fixture(scope="module")
def mutual_triton(tmp_path_factory: pytest.TempPathFactory, signed: Signed) -> Iterator[LoneTriton]:
    """One that also asks who we are."""
    folder = tmp_path_factory.mktemp("mutual")
    flags = tls_flags(signed, "--grpc-use-ssl-mutual=true", f"--grpc-root-cert={signed.ca}")
    with lone_triton(folder, write_meter(folder / "repository", {}), *flags) as server:
        yield server


async def answers(connect: Connect, triton: LoneTriton, tls: ClientTls | None) -> bool:
    transport = connect(triton.grpc, control_timeout=5, tls=tls)
    try:
        await transport.live()
        return await transport.ready(MODEL)
    except UpstreamUnavailable:
        return False


async def test_a_server_that_is_who_it_should_be(connect: Connect, triton: LoneTriton, signed: Signed) -> None:
    assert await answers(connect, triton, ClientTls(ca=signed.ca, server_name=NAME))


@pytest.mark.parametrize("case", ["no TLS", "another authority", "the system's authorities", "another name"])
async def test_a_server_that_cannot_be_trusted_is_not_asked(
    connect: Connect, triton: LoneTriton, signed: Signed, case: str
) -> None:
    tls = {
        "no TLS": None,
        "another authority": ClientTls(ca=signed.other_ca, server_name=NAME),
        "the system's authorities": ClientTls(server_name=NAME),
        "another name": ClientTls(ca=signed.ca),
    }[case]
    assert not await answers(connect, triton, tls)


async def test_a_client_that_the_server_knows(connect: Connect, mutual_triton: LoneTriton, signed: Signed) -> None:
    client = signed.client
    assert await answers(connect, mutual_triton, ClientTls(signed.ca, client.cert, client.key, NAME))


@pytest.mark.parametrize("case", ["none", "a stranger's"])
async def test_a_client_that_the_server_does_not_know(
    connect: Connect, mutual_triton: LoneTriton, signed: Signed, case: str
) -> None:
    stranger = signed.other_client
    tls = {
        "none": ClientTls(ca=signed.ca, server_name=NAME),
        "a stranger's": ClientTls(signed.ca, stranger.cert, stranger.key, NAME),
    }[case]
    assert not await answers(connect, mutual_triton, tls)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("ca missing", "cannot read ca .*No such file"),
        ("ca no PEM", "holds no certificate in PEM form"),
        ("cert missing", "cannot read cert"),
        ("key missing", "cannot read key"),
        ("key of another", "are not a certificate and its key"),
        ("cert no PEM", "are not a certificate and its key"),
        ("ca a folder", "cannot read ca .*Is a directory"),
    ],
)
def test_files_that_cannot_work_are_named(signed: Signed, tmp_path: Path, field: str, message: str) -> None:
    nothing, noise = str(tmp_path / "nothing.pem"), tmp_path / "noise.pem"
    noise.write_text("no certificate")
    ours = signed.client
    tls = {
        "ca missing": ClientTls(nothing),
        "ca no PEM": ClientTls(str(noise)),
        "cert missing": ClientTls(signed.ca, nothing, ours.key),
        "key missing": ClientTls(signed.ca, ours.cert, nothing),
        "key of another": ClientTls(signed.ca, ours.cert, signed.other_client.key),
        "cert no PEM": ClientTls(signed.ca, str(noise), ours.key),
        "ca a folder": ClientTls(str(tmp_path)),
    }[field]
    with pytest.raises(SettingsError, match=message):
        credentials(tls)


def test_an_encrypted_key_is_refused_and_not_asked_for(signed: Signed) -> None:
    with pytest.raises(SettingsError, match="unencrypted"):
        credentials(ClientTls(signed.ca, signed.encrypted.cert, signed.encrypted.key))
