"""A gateway is stopped, or dies, and a proxy is reloaded, while clients stream through every proxy at once."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from loadtest.faults.stage import LETTERS
from loadtest.processes import status
from loadtest.proxies import Nginx, Proxy
from tests.deploy.proxies.client import Asked, scripted, text_of, whole
from tests.deploy.proxies.conftest import Stage, addresses, kill
from tests.support.waiting import wait_for

STREAMS = 2  # at a time through each proxy
NUMBERS = itertools.count()
BEGUN = 8  # by which both gateways have some: Envoy chooses by chance
PAD = b" " * 3_000_000  # a body that no buffer of a proxy holds as a whole without being told to


@pytest.fixture(autouse=True)
def _both_gateways_take_requests(stage: Stage) -> None:
    """Whatever the test before did: nginx leaves a gateway out for longer than tests like to wait."""
    for proxy in stage.proxies.values():
        if isinstance(proxy, Nginx):
            proxy.reload()
        wait_for(lambda: _takers(proxy) == set(addresses(stage.gateways)), 20, f"{proxy.name} uses both")  # noqa: B023


@contextmanager
def asking(stage: Stage, name: str) -> Iterator[list[str]]:
    """Clients of every proxy who ask one thing after another until the context ends; of two, one keeps its connection.
    What was wrong is in the list."""
    over, wrong, done = threading.Event(), [], []  # type: ignore[var-annotated]

    def client(proxy: Proxy, number: int) -> None:
        count, kept = 0, None
        while not over.is_set():
            count += 1
            make = whole if count % 4 == 0 else scripted
            body = make(f"{name}-{proxy.name}-{number}-{count}", delay_ms=20)
            asked = kept or Asked(proxy.url, body, keep=bool(number))
            try:
                if kept:
                    kept.again(body)
                text = text_of(asked)
            except (AssertionError, OSError, ValueError) as error:
                text = f"{type(error).__name__}: {error}"
            if text != LETTERS:
                wrong.append(f"{proxy.name}: {text[:300]}")
            done.append(proxy.name)
            kept = asked if number else None
        if kept:
            kept.close()

    with ThreadPoolExecutor() as pool:
        clients = [pool.submit(client, proxy, number) for proxy in stage.proxies.values() for number in range(STREAMS)]
        try:
            yield wrong
        finally:
            over.set()
            for each in clients:
                each.result(30)
    assert set(done) == set(stage.proxies)


@contextmanager
def watched(stage: Stage) -> Iterator[None]:
    """Somebody asks nginx whether it is ready, as a container's health check does, which it needs to notice a drain."""
    over = threading.Event()

    def ask(proxy: Proxy) -> None:
        while not over.wait(0.2):
            status(proxy.port, "/readyz")

    threads = [threading.Thread(target=ask, args=(p,)) for p in stage.proxies.values() if isinstance(p, Nginx)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_gateway_that_is_restarted_is_noticed_by_nobody(stage: Stage) -> None:
    """All proxies turn away while it still serves, and only then its drain ends."""
    gateway, other = stage.gateways
    before = len(gateway.log.read_text("utf-8"))
    with watched(stage), asking(stage, "restart") as wrong:
        wait_for(lambda: len(gateway.log.read_text("utf-8")) > before, 10, "it answers requests")
        gateway.signal(signal.SIGTERM)
        try:
            for proxy in stage.proxies.values():
                wait_for(lambda: _takers(proxy) == set(addresses([other])), 20, f"{proxy.name} turns away")  # noqa: B023
            assert text_of(Asked(gateway.url, whole("restart-direct"))) == LETTERS
            wait_for(lambda: gateway.metric("gateway_requests_in_flight") == 0, 20, "its streams are over")
            gateway.signal(signal.SIGTERM)
            assert gateway.wait(30) == 0
        finally:
            gateway.stop()
            gateway.start()
    assert wrong == []
    log = gateway.log.read_text("utf-8")[before:]
    assert "requests are ended with an error" not in log
    assert " 503 " not in log


def test_a_gateway_that_dies_costs_no_request_that_it_had_not_begun(stage: Stage) -> None:
    """Each proxy has requests in the engines, by both gateways, of which one dies; then more come."""
    begun = {
        name: {tag: Asked(proxy.url, whole(tag, first_delay_ms=60_000)) for tag in _tags(f"begun-{name}", BEGUN)}
        for name, proxy in stage.proxies.items()
    }
    for tag in (tag for asked in begun.values() for tag in asked):
        stage.wait(tag, "start")
    kill(stage.gateways[1])
    try:
        with ThreadPoolExecutor() as pool:
            new = {
                tag: pool.submit(_asked, proxy, tag)
                for name, proxy in stage.proxies.items()
                for tag in _tags(f"after-{name}", 4)
            }
        assert {tag: future.result() for tag, future in new.items()} == dict.fromkeys(new, LETTERS)
        for name in stage.proxies:
            _broken(stage, name, begun[name])
        for tag in (tag for asked in begun.values() for tag in asked):
            assert len(stage.records(tag, "start")) == 1, f"{tag} was sent twice"
    finally:
        stage.gateways[1].start()


def _broken(stage: Stage, name: str, begun: dict[str, Asked]) -> None:
    """Those of the dead gateway, which the engines lost, failed. The others go on until their clients leave."""
    wait_for(lambda: any(stage.records(tag, "cancel") for tag in begun), 10, f"{name} had some there")
    lost = {tag for tag in begun if stage.records(tag, "cancel")}
    assert lost < set(begun)
    assert {begun[tag].status for tag in lost} <= {502, 503}
    for asked in begun.values():
        asked.close()


def _tags(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def _asked(proxy: Proxy, tag: str) -> str:
    return text_of(Asked(proxy.url, whole(tag) + PAD))


def test_a_reload_breaks_no_stream(stage: Stage, proxy: Proxy) -> None:
    """The new settings leave one gateway out; those after them have it again."""
    first, second = stage.gateways
    settled = Asked(proxy.url, scripted(f"reload-{proxy.name}", delay_ms=150))
    assert settled.text(1) == "a"
    proxy.place(addresses(stage.gateways), out=addresses([first]))
    proxy.reload()
    wait_for(lambda: _takers(proxy) == set(addresses([second])), 10, "only one gateway gets requests")
    assert _takers(proxy) == set(addresses([second]))
    assert settled.text(len(LETTERS) - 1) == LETTERS[1:]
    settled.body()
    proxy.place(addresses(stage.gateways))
    proxy.reload()
    wait_for(lambda: _takers(proxy) == set(addresses(stage.gateways)), 10, "both get requests")


def _takers(proxy: Proxy) -> set[str]:
    """The gateways that take the next few requests, as the proxy's log has them."""
    name = f"taken-{proxy.name}-{next(NUMBERS)}-"
    for each in _tags(name, 4):
        Asked(proxy.url, whole(each), headers={"x-request-id": each}).body()
    wait_for(lambda: len(proxy.logged(name)) == 4, 5, "they are in the log")
    return {proxy.taker(line) for line in proxy.logged(name)}
