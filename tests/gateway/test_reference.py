"""``/docs``: every endpoint and field on a page that has no script and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from gateway.http import reference
from gateway.settings.keys import KeySettings
from tests.gateway.test_access import application

DOCUMENT = application(KeySettings()).openapi()


class Read(HTMLParser):
    """A page's tags with their attributes, its text, and whether what opens is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


async def page(path: str = "/docs", method: str = "GET") -> httpx.Response:
    transport = httpx.ASGITransport(application(KeySettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.request(method, path)


async def test_all_endpoints_and_fields_are_there() -> None:
    read = Read((await page()).text)
    assert read.open == []
    for path, operations in DOCUMENT["paths"].items():
        assert path in read.text
        for operation in operations.values():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            for name in schema.get("properties", {}):
                assert name in read.text, (path, name)
    for schema in DOCUMENT["components"]["schemas"].values():
        for name in schema.get("properties", {}):
            assert name in read.text


async def test_links_lead_somewhere() -> None:
    read = Read((await page()).text)
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    links = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert len(set(ids)) == len(ids) == sum(len(operations) for operations in DOCUMENT["paths"].values())
    assert links == ["openapi.json", *(f"#{id}" for id in ids)]
    assert (await page("/openapi.json")).status_code == 200


async def test_it_runs_and_loads_nothing() -> None:
    reply = await page()
    read = Read(reply.text)
    assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not [name for _, attributes in read.tags for name in attributes if name == "style" or name.startswith("on")]
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert reply.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(("path", "status"), [("/docs", 200), ("/redoc", 404)])
async def test_other_ways(path: str, status: int) -> None:
    reply = await page(path, "HEAD")
    assert reply.status_code == status
    assert reply.content == b""


def test_words_are_never_markup() -> None:
    evil: Any = {
        "info": {"title": "<i>", "summary": "</p><script>", "version": '"&'},
        "paths": {
            "/<b>": {
                "post": {
                    "description": "<u> and `<code>`",
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {"properties": {"<em>": {"enum": ["<x>"]}}, "required": ["<em>"]}
                            }
                        }
                    },
                }
            }
        },
        "components": {"schemas": {}},
    }
    read = Read(reference.html(evil))
    assert not {tag for tag, _ in read.tags} & {"i", "script", "b", "u", "em", "x"}
    for text in ("<i>", "</p><script>", "/<b>", "<u> and <code>", "<em>", '"<x>"'):
        assert text in read.text
