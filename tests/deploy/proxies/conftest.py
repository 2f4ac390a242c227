"""Two scripted Tritons, two gateways, and every proxy that is installed in front of both, for all tests here."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.core.keys import hashed
from loadtest.engine.journal import Journal, Record
from loadtest.engine_repository import NotStarted
from loadtest.processes import Gateway, Triton, model_toml, status
from loadtest.proxies import PROXIES, Certificate, Proxy
from tests.deploy.proxies.client import KEY
from tests.support.absent import absent
from tests.support.certificates import Authority
from tests.support.two_tritons import two_tritons
from tests.support.waiting import wait_for

# What deploy/proxies.md says that gateways behind a proxy need, but a drain that ends when a test says so. Nothing here
# keeps /metrics from the outside but the proxy.
SETTINGS = """\
[server]
ping_seconds = 3600
drain_seconds = 600
[deadlines]
idle_seconds = 600
[keys]
file = "{keys}"
open = ["/readyz", "/metrics"]
"""
LIMITED = "key-of-one-request-a-minute-0123456789"


@dataclass(frozen=True, slots=True)
class Stage:
    """What all tests share."""

    tritons: tuple[Triton, Triton]
    gateways: tuple[Gateway, Gateway]
    proxies: dict[str, Proxy]

    def records(self, tag: str, event: str) -> list[Record]:
        return [record for triton in self.tritons for record in Journal(triton.journal).records(tag, event)]

    def wait(self, tag: str, event: str, seconds: float = 15) -> Record:
        """The record of that event, whichever engine has the request."""
        wait_for(lambda: bool(self.records(tag, event)), seconds, f"{tag}: {event}")
        return self.records(tag, event)[0]


def addresses(gateways: Iterable[Gateway]) -> list[str]:
    return [f"127.0.0.1:{gateway.port}" for gateway in gateways]


def kill(gateway: Gateway) -> None:
    """As the kernel does when memory is out."""
    gateway.signal(signal.SIGKILL)
    gateway.wait(10)


def needs(kind: type[Proxy]) -> None:
    """Skips by name where the program is not installed; in CI that is a failure."""
    try:
        kind.program()
    except NotStarted as reason:
        absent(str(reason))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    pair = Authority(tmp_path_factory.mktemp("certificates"), "edge").signed("edge", "IP:127.0.0.1")
    return Certificate(Path(pair.cert), Path(pair.key))


@pytest.fixture(scope="session")
def tritons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Triton, Triton]]:
    with two_tritons(tmp_path_factory.mktemp("tritons")) as both:
        yield both


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, tritons: tuple[Triton, Triton]) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("proxies")
    keys = folder / "keys.toml"
    keys.write_text(
        f'[[keys]]\nname = "all"\nhash = "{hashed(KEY)}"\n'
        f'[[keys]]\nname = "limited"\nhash = "{hashed(LIMITED)}"\nrequests_per_minute = 1\n',
        "utf-8",
    )
    with ExitStack() as stack:
        config = model_toml(tritons) + SETTINGS.format(keys=keys)
        gateways = Gateway(folder, config), Gateway(folder, config)
        for gateway in gateways:
            stack.callback(kill, gateway)
            gateway.launch()
        for gateway in gateways:
            gateway.wait_until(lambda gateway=gateway: gateway.status("/readyz") == 200, 60)  # type: ignore[misc]
        proxies: dict[str, Proxy] = {}
        for kind in PROXIES:
            if kind.find() is None:
                continue
            proxy = kind(folder, addresses(gateways))
            stack.callback(proxy.stop, 2)
            proxy.start()
            proxies[kind.name] = proxy
        for proxy in proxies.values():
            wait_for(lambda port=proxy.port: status(port, "/readyz") == 200, 10, f"{proxy.name} is ready")  # type: ignore[misc]
        yield Stage(tritons, gateways, proxies)


@pytest.fixture(params=PROXIES, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> type[Proxy]:
    """Each program, where it is installed."""
    found: type[Proxy] = request.param
    needs(found)
    return found


@pytest.fixture
def proxy(kind: type[Proxy], stage: Stage) -> Proxy:
    """Each proxy that runs in front of the two gateways."""
    return stage.proxies[kind.name]
