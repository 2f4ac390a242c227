"""The HTTP edge of a real gateway: probes, models, ids, errors in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from loadtest.engine.script import Script
from tests.gateway.asking import RawClient, messages
from tests.support.gateway import Gateway


@pytest.fixture
def http(scripted: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=scripted.url, timeout=30) as client:
        yield client


def chat(**fields: object) -> dict[str, object]:
    return {"model": "direct", "messages": messages(Script(text="ok")), **fields}


def test_probes(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz")
    assert (ready.status_code, set(ready.json()["models"].values())) == (200, {"ready"})


def test_models(http: httpx.Client) -> None:
    listed = http.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [card["id"] for card in listed["data"]] == ["direct", "ensemble", "bls", "auto"]
    one = http.get("/v1/models/direct").json()
    assert one in listed["data"]
    assert (one["object"], one["max_model_len"]) == ("model", 2048)
    missing = http.get("/v1/models/Qwen/none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123", True), ("", False), ("with space", False), ("x" * 129, False)],
    ids=["sane", "none", "space", "too-long"],
)
def test_request_ids(http: httpx.Client, given: str, kept: bool) -> None:
    reply = http.post("/v1/chat/completions", json=chat(), headers={"x-request-id": given} if given else {})
    assert reply.status_code == 200
    assert reply.headers["x-request-id"]
    assert (reply.headers["x-request-id"] == given) is kept


def test_a_stream_s_headers_keep_proxies_from_holding_it(http: httpx.Client) -> None:
    headers = http.post("/v1/chat/completions", json=chat(stream=True)).headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (headers["x-accel-buffering"], headers["cache-control"]) == ("no", "no-cache")


ERRORS = [
    pytest.param("POST", "/v1/chat/completions", b"{", 400, None, id="broken-json"),
    pytest.param("POST", "/v1/chat/completions", b"[" * 100_000, 400, None, id="deep-nesting"),
    pytest.param(
        "POST", "/v1/chat/completions", json.dumps(chat(model="x")).encode(), 404, "model", id="no-such-model"
    ),
    pytest.param(
        "POST", "/v1/chat/completions", json.dumps(chat(max_tokens=0)).encode(), 400, "max_tokens", id="field"
    ),
    pytest.param("POST", "/v1/chat/completions", b" " * (16 * 1024 * 1024 + 1), 413, None, id="too-large"),
    pytest.param("GET", "/v1/nothing", b"", 404, None, id="no-such-url"),
    pytest.param("GET", "/v1/chat/completions", b"", 405, None, id="wrong-method"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "param"), ERRORS)
def test_errors_have_openai_s_shape(
    http: httpx.Client, method: str, path: str, body: bytes, status: int, param: str | None
) -> None:
    reply = http.request(method, path, content=body)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert reply.headers["x-request-id"]


def test_a_long_prompt_is_refused_with_both_numbers(http: httpx.Client) -> None:
    reply = http.post("/v1/chat/completions", json=chat(messages=[{"role": "user", "content": "word " * 20_000}]))
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "messages")
    assert "2048" in error["message"]


def test_a_client_that_sends_half_a_body_and_leaves(scripted: Gateway, http: httpx.Client) -> None:
    client = RawClient(scripted, chat(), declared_length=10_000)
    client.leave()
    assert http.get("/healzth").status_code == 404
    assert http.get("/healthz").status_code == 200


def test_metrics_count(scripted: Gateway, http: httpx.Client) -> None:
    before = scripted.metric("gateway_requests_total", model="direct", outcome="stop")
    assert http.post("/v1/chat/completions", json=chat()).status_code == 200
    assert scripted.metric("gateway_requests_total", model="direct", outcome="stop") == before + 1
    assert scripted.metric("gateway_time_to_first_token_seconds_count", model="direct") > 0


def test_the_api_s_description(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/v1/chat/completions", "/v1/models", "/v1/models/{model}", "/healthz", "/readyz"} <= set(paths)
    body = paths["/v1/chat/completions"]["post"]["requestBody"]
    assert "messages" in body["content"]["application/json"]["schema"]["properties"]
