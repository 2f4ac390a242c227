"""The page's files over HTTP, without a browser and without a Triton: who gets them, with which headers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli import parser, read_settings
from gateway.http.playground import FOLDER, Playground
from gateway.settings.keys import KeySettings
from tests.gateway.core.test_keys import ALICE, table
from tests.gateway.test_access import application

MODULES = sorted(path.name for path in FOLDER.glob("*.js"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeySettings:
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text(table())
    return KeySettings(file=str(path))


@pytest.fixture(scope="module")
def closed(keys: KeySettings) -> Any:
    return application(keys, page=Playground(max_body_bytes=1_000_000, keys_needed=True))


@pytest.fixture
async def client(closed: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(closed, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@pytest.mark.parametrize("path", ["/", *(f"/playground/{name}" for name in (*MODULES, "style.css", "icon.svg"))])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_page_needs_no_key(client: httpx.AsyncClient, method: str, path: str) -> None:
    reply = await client.request(method, path)
    assert reply.status_code == 200
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy, "nobody else's origin"
    assert (reply.headers["x-content-type-options"], reply.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    again = await client.request(method, path, headers={"if-none-match": f'"other", {reply.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.request(method, path, headers={"if-none-match": '"other"'})).status_code == 200


TYPES = [
    pytest.param("/", "text/html; charset=utf-8", id="page"),
    pytest.param("/playground/main.js", "text/javascript; charset=utf-8", id="module"),
    pytest.param("/playground/style.css", "text/css; charset=utf-8", id="style"),
    pytest.param("/playground/icon.svg", "image/svg+xml", id="icon"),
    pytest.param("/playground/settings.json", "application/json", id="settings"),
]


@pytest.mark.parametrize(("path", "kind"), TYPES)
async def test_types(client: httpx.AsyncClient, path: str, kind: str) -> None:
    assert (await client.get(path)).headers["content-type"] == kind


async def test_what_the_page_is_told(client: httpx.AsyncClient) -> None:
    assert (await client.get("/playground/settings.json")).json() == {"max_body_bytes": 1_000_000, "keys_needed": True}


CLOSED = ["/playground", "/playground/", "/playground/index.html", "/playground/absent.js", "/playground/../gate.py"]
CLOSED += ["/playground/%2e%2e/gate.py", "/playground/main.js/", "//", "/v1/models", "/debug/endpoints", "/metrics"]


@pytest.mark.parametrize("path", CLOSED)
async def test_everything_else_needs_one_as_ever(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.send(client.build_request("GET", httpx.URL(f"http://gateway{path}")))
    assert reply.status_code == 401, reply.text


@pytest.mark.parametrize("path", ["/playground/absent.js", "/playground/index.html"])
async def test_a_file_that_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.get(path, headers={"x-api-key": ALICE})
    assert reply.status_code == 404
    assert "Unknown URL" in reply.json()["error"]["message"]


async def test_it_can_be_left_out(keys: KeySettings) -> None:
    for settings, status in ((keys, 401), (KeySettings(), 404)):
        transport = httpx.ASGITransport(application(settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            for path in ("/", "/playground/main.js"):
                assert (await client.get(path)).status_code == status


SWITCHES = [
    pytest.param("", {}, [], True, id="default"),
    pytest.param("[server]\nplayground = false\n", {}, [], False, id="file"),
    pytest.param("", {"GATEWAY_PLAYGROUND": "false"}, [], False, id="environment"),
    pytest.param("[server]\nplayground = true\n", {}, ["--no-playground"], False, id="flag"),
]


@pytest.mark.parametrize(("server", "environ", "flags", "there"), SWITCHES)
def test_the_switch(tmp_path: Path, server: str, environ: dict[str, str], flags: list[str], there: bool) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f'{server}[[models]]\nname = "q"\ntokenizer = "t"\n')
    settings = read_settings(parser().parse_args(["serve", "--config", str(config), *flags]), environ)
    assert settings.server.playground is there


def test_the_page_names_its_modules_so_that_they_come_together() -> None:
    page = (FOLDER / "index.html").read_text("utf-8")
    assert sorted(re.findall(r'(?:href|src)="playground/(\w+\.js)"', page)) == MODULES


def test_nothing_in_the_files_asks_anybody_else() -> None:
    for path in FOLDER.iterdir():
        found = set(re.findall(r"https?://[\w.]+\.\w+", path.read_text("utf-8")))
        assert found <= {"http://www.w3.org"}, f"{path.name}: {found}"  # the name of SVG's vocabulary


@pytest.mark.parametrize("sink", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc"])
def test_no_markup_is_made_of_text(sink: str) -> None:
    assert not [name for name in MODULES if sink in (FOLDER / name).read_text("utf-8")]


def test_both_languages_have_the_same_words() -> None:
    words = {name: _words(FOLDER / f"{name}.js") for name in ("english", "chinese")}
    assert words["english"].keys() == words["chinese"].keys()
    for key, text in words["english"].items():
        gaps = [sorted(re.findall(r"\{\w+\}", each)) for each in (text, words["chinese"][key])]
        assert gaps[0] == gaps[1], key


def test_every_word_of_the_page_is_in_the_tables() -> None:
    text = "".join(path.read_text("utf-8") for path in FOLDER.iterdir() if path.suffix in (".html", ".js"))
    used = set(re.findall(r'data-(?:word|label|hint)="(\w+)"', text))
    used |= set(re.findall(r'\b(?:word|label): "(\w+)"', text)) | set(re.findall(r'\bword\("(\w+)"', text))
    used |= set(re.findall(r'\b(?:say|hint|label|note)\((?:[\w.$()"-]+, )?"(\w+)"', text))
    missing = used - _words(FOLDER / "english.js").keys()
    assert len(used) > 80
    assert not missing


def _words(path: Path) -> dict[str, str]:
    """The table of a language."""
    lines = re.findall(r'^  (\w+): (".*"),$', path.read_text("utf-8"), re.MULTILINE)
    assert len({name for name, _ in lines}) == len(lines) > 100
    return {name: json.loads(text) for name, text in lines}
