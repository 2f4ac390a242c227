"""A browser, and the gateways it goes to: in front of the scripted engine, with keys, and without a Triton.

The browser is of this folder's tests alone: while it runs, its driver's event loop keeps asynchronous tests out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from loadtest.engine.journal import Journal
from model_repo_builder.ports import Ports
from tests.gateway.core.test_keys import BOB, table
from tests.gateway.features import features_toml
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton
from tests.ui.chromium import PATIENCE, Watch, chromium
from tests.ui.visitor import Visitor

expect.set_options(timeout=PATIENCE)
HURRIED = "c" * 40  # may ask once a minute
FRUGAL = "d" * 40  # may use few tokens
Open = Callable[..., Visitor]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("playground")


@pytest.fixture(scope="package")
def gateway(folder: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """Open to everybody. Models: direct, pirate, ensemble, and thinker, which thinks."""
    config = features_toml(folder / "gateway.toml", scripted_triton.grpc, tokenizer)
    with gateway_serving(folder / "log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="package")
def keyed(folder: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """With keys: ALICE's is an admin's, BOB's is not, HURRIED's and FRUGAL's have limits. Takes bodies of 100 kB."""
    keys = folder / "keys.toml"
    limited = table("hurried", HURRIED, "requests_per_minute = 1") + table("frugal", FRUGAL, "tokens_per_minute = 9")
    keys.write_text(table(rest="admin = true") + table("bob", BOB) + limited, "utf-8")
    config = folder / "keyed.toml"
    gateway_toml(config, scripted_triton.grpc, tokenizer.path, max_model_len=2048, routes=["direct"])
    config.write_text(
        f'{config.read_text("utf-8")}\n[server]\nmax_body_bytes = 100000\n\n[keys]\nfile = "{keys}"\n', "utf-8"
    )
    with gateway_serving(folder / "keyed.log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="package")
def lonely(folder: Path, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """A gateway whose Triton is away; its model is called q."""
    flags = ["--triton", f"127.0.0.1:{Ports.free().grpc}", "--tokenizer", str(tokenizer.path), "--model", "q"]
    with gateway_serving(folder / "lonely.log", *flags, "--max-model-len", "2048") as gateway:
        yield gateway


@pytest.fixture
def journal(scripted_triton: ScriptedTriton) -> Journal:
    return scripted_triton.journal


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens a gateway's page in a browser profile of its own. At the end the page must have kept to the rules."""
    with ExitStack() as stack:
        watches: list[Watch] = []

        def visiting(gateway: Gateway, **profile: Any) -> Visitor:
            options = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}, **profile}
            context = browser.new_context(**options)
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            watches.append(Watch(page, gateway.url))
            return Visitor(page, gateway.url)

        yield visiting
        wrong = [each for watch in watches for each in watch.wrong]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def visitor(visit: Open, gateway: Gateway) -> Visitor:
    """Somebody who has just opened the page, with model "direct" chosen."""
    return visit(gateway).open()
