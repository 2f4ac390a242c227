"""The API's own description, /openapi.json, taken at its word: requests made of it, right and wrong, find no 500.

schemathesis makes the requests, from a fixed seed, so that a failure repeats.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

from tests.support.gateway import Gateway
from tests.support.replies import Exchange, check

EXAMPLES = 10  # per operation and mode; all of it in well under a minute
JUDGED = ("/v1/", "/tokenize", "/detokenize", "/version")
MOST = {"n": 2, "max_tokens": 20, "max_completion_tokens": 20, "max_output_tokens": 20}


@pytest.fixture(scope="module")
def described(scripted: Gateway) -> Any:
    document = httpx.get(f"{scripted.url}/openapi.json").json()
    return schemathesis.openapi.from_dict(document)


def test_every_reference_leads_somewhere(scripted: Gateway) -> None:
    document = httpx.get(f"{scripted.url}/openapi.json").json()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                place = document
                for step in reference.removeprefix("#/").split("/"):
                    assert step in place, reference
                    place = place[step]
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(document)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_no_request_finds_a_500(scripted: Gateway, described: Any, mode: GenerationMode) -> None:
    operations = 0
    for result in described.get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # any path is a right one

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def every_request(case: Case) -> None:
            if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                case.body = served(case.body)
            judge(requests.request(**case.as_transport_kwargs(base_url=scripted.url), timeout=30))

        every_request()
        operations += 1
    assert operations >= 9


def served(body: dict[str, Any]) -> dict[str, Any]:
    """The same body for a model that is there, and of a size that an answer can have."""
    small = {key: min(body[key], most) for key, most in MOST.items() if type(body.get(key)) is int}
    return {**body, **small, **({"model": "direct"} if "model" in body else {})}


def judge(reply: requests.Response) -> None:
    sent = reply.request
    path = (sent.path_url or "").partition("?")[0]
    body = sent.body or b""
    shown = f"{sent.method} {path} {body[:1000]!r} → {reply.status_code} {reply.text[:1000]}"
    assert reply.status_code < 500, shown
    assert reply.status_code != 422, shown
    if path.startswith(JUDGED):
        headers = {name.lower(): value for name, value in reply.headers.items()}
        raw = body if isinstance(body, bytes) else body.encode()
        try:
            check(Exchange(sent.method or "", path, raw, reply.status_code, headers, reply.content))
        except (AssertionError, ValueError) as wrong:
            raise AssertionError(f"{wrong}\n{shown}") from wrong
    elif reply.headers["content-type"] == "application/json":
        json.loads(reply.content)
