"""nginx in front of two tritonservers, as in leader mode: a gateway speaks gRPC through it, and others HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from loadtest.engine.journal import Journal
from loadtest.engine_repository import MODEL
from loadtest.faults.stage import LETTERS
from loadtest.processes import Gateway, Triton, model_toml
from loadtest.proxies import Leader, Nginx
from model_repo_builder.nginx import nginx_conf
from model_repo_builder.ports import free_port
from tests.deploy.proxies.client import Asked, scripted, text_of, whole
from tests.deploy.proxies.conftest import kill, needs
from tests.support.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Place:
    tritons: tuple[Triton, Triton]
    leader: Leader
    gateway: Gateway

    def starts(self) -> list[int]:
        """Requests that each engine got."""
        return [len(Journal(triton.journal).records(event="start")) for triton in self.tritons]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tritons: tuple[Triton, Triton]) -> Iterator[Place]:
    needs(Nginx)
    folder = tmp_path_factory.mktemp("leader")
    http, grpc = free_port(), free_port()
    away = f"127.0.0.1:{free_port()}"  # an instance that does not run: it costs no request
    text = nginx_conf(
        [away, *(f"127.0.0.1:{triton.ports.http}" for triton in tritons)],
        [away, *(triton.address for triton in tritons)],
        http,
        grpc,
    )
    text = re.sub(r"listen (\d+)", r"listen 127.0.0.1:\1", text)
    with ExitStack() as stack:
        leader = Leader(folder, text, http)
        stack.callback(leader.stop, 2)
        leader.start()
        config = re.sub(r"^triton = .*$", f'triton = "127.0.0.1:{grpc}"', model_toml(tritons), flags=re.MULTILINE)
        gateway = Gateway(folder, config)
        stack.callback(kill, gateway)
        gateway.start()
        yield Place(tritons, leader, gateway)


def test_each_token_passes_before_the_next_is_made(place: Place) -> None:
    asked = Asked(place.gateway.url, scripted("leader-stream", hang_after=3))
    assert asked.text(3) == LETTERS[:3]
    asked.leave()
    wait_for(lambda: _ended(place, "leader-stream") == ["cancel"], 15, "the engine hears that the client left")


def _ended(place: Place, tag: str) -> list[str]:
    return [each["reason"] for triton in place.tritons for each in Journal(triton.journal).records(tag, "end")]


def test_both_instances_get_requests(place: Place) -> None:
    before = place.starts()
    for number in range(6):
        assert text_of(Asked(place.gateway.url, whole(f"leader-{number}"))) == LETTERS
    taken = [now - then for now, then in zip(place.starts(), before, strict=True)]
    assert sum(taken) == 6
    assert min(taken) > 0


def test_http(place: Place) -> None:
    """Triton's own HTTP, with a model's answer to ``generate``."""
    url = f"http://127.0.0.1:{place.leader.port}"
    assert httpx.get(f"{url}/v2/models/{MODEL}/ready").status_code == 200
    for _ in range(4):
        assert httpx.get(f"{url}/v2/models/{MODEL}/config").json()["name"] == MODEL
    wait_for(lambda: len(_instances(place, "/config")) == 4, 10, "they are in the log")
    assert len({tried.rpartition(", ")[2] for tried in _instances(place, "/config")}) == 2
    assert any(", " in tried for tried in _instances(place)), "the one that is away was never tried"


def _instances(place: Place, path: str = "") -> list[str]:
    """Of each request in the log to such a path: those that were tried."""
    return [line["instances"] for line in place.leader.requests() if line["path"].endswith(path)]
