"""The gate in front of every route: a walk over all that the application has, without a Triton behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Message

from gateway.admission import Admission
from gateway.attempts import Attempts
from gateway.core.queue import QueueLimits
from gateway.embedder import Embedder
from gateway.gate import Gate
from gateway.http.answer import EndpointSettings
from gateway.http.app import create_app
from gateway.http.closing import Closing
from gateway.http.playground import Playground
from gateway.metrics import Metrics
from gateway.service import Service
from gateway.settings.deadlines import Deadlines
from gateway.settings.keys import OPENABLE, KeySettings
from tests.gateway.core.test_keys import ALICE, BOB, table

OPEN = "/healthz"


def application(settings: KeySettings, page: Playground | None = None) -> Any:
    """The real application, serving no model."""
    metrics = Metrics()
    attempts = Attempts(Deadlines(), lambda model: None)
    service = Service({}, metrics, attempts, Admission(QueueLimits(), metrics))
    embedder = Embedder({}, metrics, attempts, strict=False)
    also_open = () if page is None else page.paths
    gate = Gate(settings, lambda reason: metrics.refused.labels(reason).inc(), also_open=also_open)
    return create_app(service, embedder, metrics, EndpointSettings(1_000_000, 15), Closing(), gate, page)


def routes(found: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Method and path of everything that the application answers, however deep it was mounted."""
    for route in found:
        inner = getattr(route, "original_router", route)
        if isinstance(inner, Router):  # FastAPI keeps included routers whole
            yield from routes(inner.routes)
        else:
            assert isinstance(route, Route | APIRoute), f"teach this walk about {route!r}"
            yield from ((method, route.path) for method in route.methods or ())


WALKED = sorted(set(routes(application(KeySettings()).routes)))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeySettings:
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text(table(rest="admin = true") + table("bob", BOB, 'models = ["his"]'))
    return KeySettings(file=str(path))


@pytest.fixture(scope="module")
def closed(keys: KeySettings) -> Any:
    return application(keys)


@pytest.fixture
async def client(closed: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(closed, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def concrete(path: str) -> str:
    return path.replace("{model:path}", "m").replace("{id}", "1")


def test_the_walk_finds_the_application() -> None:
    assert {path for _, path in WALKED} >= {
        "/v1/chat/completions",
        "/v1/messages",
        "/metrics",
        "/docs",
        "/openapi.json",
    }
    described = application(KeySettings()).openapi()["paths"]
    assert {path.replace(":path}", "}") for _, path in WALKED} >= set(described)
    assert not [path for _, path in WALKED if "{" in concrete(path)], "teach `concrete` the new parameter"


@pytest.mark.parametrize(("method", "path"), WALKED)
async def test_every_route_but_liveness_needs_a_key(client: httpx.AsyncClient, method: str, path: str) -> None:
    for headers in ({}, {"authorization": f"Bearer {ALICE}x"}, {"x-api-key": "wrong"}):
        reply = await client.request(method, concrete(path), headers=headers)
        if path == OPEN:
            assert reply.status_code == 200
        else:
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer"), path
    reply = await client.request(method, concrete(path), headers={"x-api-key": ALICE})
    assert reply.status_code not in (401, 403)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/healthz/"),
        ("GET", "/healthz/../metrics"),
        ("GET", "//healthz"),
        ("POST", "/v1/new"),
        ("OPTIONS", "/v1/chat/completions"),
        ("HEAD", "/metrics"),
        ("BREW", "/v1/models"),
    ],
)
async def test_what_is_no_route_is_closed_too(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await client.request(method, path)).status_code == 401


FORMS = [
    pytest.param({"authorization": f"Bearer {ALICE}"}, 200, id="bearer"),
    pytest.param({"authorization": f"bearer   {ALICE} "}, 200, id="bearer-loosely"),
    pytest.param({"x-api-key": ALICE}, 200, id="anthropic"),
    pytest.param({"x-api-key": ALICE, "authorization": "Bearer other"}, 200, id="both-and-one-is-good"),
    pytest.param({"authorization": f"Basic {ALICE}"}, 401, id="basic"),
    pytest.param({"authorization": ALICE}, 401, id="no-scheme"),
    pytest.param({"authorization": "Bearer "}, 401, id="no-key"),
    pytest.param({"authorization": ""}, 401, id="empty"),
    pytest.param({"cookie": f"key={ALICE}"}, 401, id="cookie"),
    pytest.param({"x-api-key": ALICE.upper()}, 401, id="case"),
    pytest.param({"x-api-key": "\x7f\x01é"}, 401, id="control-characters"),
    pytest.param({"x-api-key": "x" * 1_000_000}, 401, id="long"),
]


@pytest.mark.parametrize(("headers", "status"), FORMS)
async def test_how_a_key_is_presented(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert (await client.get("/v1/models", headers=raw)).status_code == status
    assert (await client.get(f"/v1/models?key={ALICE}&api_key={ALICE}")).status_code == 401, "never in a URL"


async def test_errors_have_the_shape_of_the_api_that_was_called(client: httpx.AsyncClient) -> None:
    openai = (await client.post("/v1/chat/completions")).json()["error"]
    assert (openai["type"], openai["code"], openai["param"]) == ("invalid_request_error", "invalid_api_key", None)
    assert "authorization: Bearer" in openai["message"]
    anthropic = await client.post("/v1/messages")
    assert (anthropic.status_code, anthropic.json()["type"]) == (401, "error")
    assert anthropic.json()["error"]["type"] == "authentication_error"
    assert anthropic.headers["request-id"] == anthropic.json()["request_id"]


CHAT: dict[str, Any] = {"model": "hers", "messages": [{"role": "user", "content": "hi"}]}
BODIES: dict[str, dict[str, Any] | None] = {
    "/v1/chat/completions": CHAT,
    "/v1/chat/completions/render": CHAT,
    "/v1/completions": {"model": "hers", "prompt": "hi"},
    "/v1/embeddings": {"model": "hers", "input": "hi"},
    "/v1/messages": CHAT | {"max_tokens": 1},
    "/v1/messages/count_tokens": CHAT,
    "/v1/responses": {"model": "hers", "input": "hi"},
    "/v1/responses/input_tokens": {"model": "hers", "input": "hi"},
    "/v1/responses/{id}/cancel": None,  # has no model
    "/tokenize": {"model": "hers", "prompt": "hi"},
    "/detokenize": {"model": "hers", "tokens": [1]},
}


@pytest.mark.parametrize("path", sorted({path for method, path in WALKED if method == "POST"}))
async def test_every_model_that_a_key_may_not_use_is_closed(client: httpx.AsyncClient, path: str) -> None:
    assert path in BODIES, "a new route: say what a request for a model looks like, and see that it is refused"
    body = BODIES[path]
    if body is None:
        return
    for model, status in (("hers", 403), ("his", 404)):
        reply = await client.post(concrete(path), json=body | {"model": model}, headers={"x-api-key": BOB})
        assert reply.status_code == status, reply.text
    message = reply.json()["error"]["message"]
    assert "his" in message


async def test_models_of_others_are_not_shown(client: httpx.AsyncClient) -> None:
    reply = await client.get("/v1/models/hers", headers={"x-api-key": BOB})
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("path", ["/metrics", "/debug", "/debug/endpoints"])
async def test_what_is_for_operators_needs_an_admin_s_key(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"x-api-key": BOB})).status_code == 403
    assert (await client.get(path, headers={"x-api-key": ALICE})).status_code in (200, 404)


@pytest.mark.parametrize("path", OPENABLE)
async def test_what_the_operator_opens_is_open_and_nothing_else(keys: KeySettings, path: str) -> None:
    settings = KeySettings(file=keys.file, open=(path,))
    transport = httpx.ASGITransport(application(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.get(path)).status_code not in (401, 403)
        for other in {*OPENABLE, "/v1/models"} - {path}:
            assert (await client.get(other)).status_code == 401


async def test_without_keys_all_is_open() -> None:
    transport = httpx.ASGITransport(application(KeySettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        for path in ("/v1/models", "/metrics", "/docs"):
            reply = await client.get(path)
            assert (reply.status_code, [name for name in reply.headers if "ratelimit" in name]) == (200, [])


async def test_an_expired_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(table(rest="expires = 2020-01-01") + table("bob", BOB, "expires = 2120-01-01"))
    transport = httpx.ASGITransport(application(KeySettings(file=str(path))))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        reply = await client.get("/v1/models", headers={"x-api-key": ALICE})
        assert (reply.status_code, "expired" in reply.json()["error"]["message"]) == (401, True)
        assert (await client.get("/v1/models", headers={"x-api-key": BOB})).status_code == 200


async def test_a_websocket_is_not_let_in(closed: Any) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/realtime", "headers": [], "query_string": b"", "state": {}}
    await asyncio.wait_for(closed(scope, receive, send), 10)
    assert [message["type"] for message in sent] == ["websocket.close"]
