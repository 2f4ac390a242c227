"""Whatever goes wrong, said so that a person knows what to do; and nothing they wrote is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from loadtest.engine.journal import Journal
from loadtest.engine.script import Script
from tests.gateway.core.test_keys import ALICE, BOB
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton
from tests.ui.conftest import FRUGAL, HURRIED, Open
from tests.ui.visitor import Visitor


def kind(visitor: Visitor, expected: str) -> None:
    expect(visitor.failure).to_have_attribute("data-kind", expected)


def test_a_key_is_needed(visit: Open, keyed: Gateway) -> None:
    visitor = visit(keyed).open(model=None)
    page = visitor.page
    expect(page.get_by_label("API key", exact=True)).to_be_focused()
    expect(page.locator("#key-text")).to_contain_text("answers only with an API key")
    visitor.gives_key("wrong-key")
    expect(page.locator("#key-text")).to_contain_text("does not take this key")
    visitor.gives_key(ALICE)
    expect(page.locator("#key-card")).to_be_hidden()
    visitor.asks(Script(text="come in"))
    expect(visitor.text).to_have_text("come in")
    stored = page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie, location.href]")
    assert stored[1]["api-key"] == ALICE
    assert ALICE not in str([stored[0], stored[2], stored[3]]), "in this tab alone"
    page.get_by_role("button", name="Code", exact=True).click()
    expect(page.locator("#code-text")).to_contain_text("$GATEWAY_API_KEY")
    assert ALICE not in page.locator("#code-text").inner_text()
    page.get_by_role("button", name="Close").last.click()
    page.reload()
    expect(page.locator("#model")).to_have_value("direct")
    page.get_by_role("button", name="Key", exact=True).click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#key-text")).to_contain_text("answers only with an API key")
    assert page.evaluate("sessionStorage.getItem('api-key')") is None


def test_a_key_that_is_taken_away(visit: Open, keyed: Gateway) -> None:
    visitor = visit(keyed).open(model=None)
    visitor.gives_key(ALICE)
    visitor.page.locator("#model").select_option("direct")
    visitor.page.evaluate("sessionStorage.setItem('api-key', 'expired-meanwhile')")
    visitor.says("hello")
    kind(visitor, "key_wrong")
    expect(visitor.failure).to_contain_text("The key is not valid")
    expect(visitor.page.get_by_label("API key", exact=True)).to_be_visible()
    visitor.gives_key(ALICE)
    visitor.answer.get_by_role("button", name="Try again").click()
    visitor.ended()
    expect(visitor.text).to_have_text("hello")


def test_a_limit_says_when_to_come_back(visit: Open, keyed: Gateway) -> None:
    visitor = visit(keyed).open(model=None)
    visitor.gives_key(HURRIED)
    visitor.page.locator("#model").select_option("direct")
    visitor.asks("one")
    visitor.says("two")
    kind(visitor, "limited")
    expect(visitor.failure).to_contain_text("The limit of this key is reached")
    again = visitor.failure.get_by_role("button")
    expect(again).to_contain_text("Try again in")
    expect(again).to_be_disabled()


def test_a_limit_that_the_request_can_never_meet(visit: Open, keyed: Gateway) -> None:
    visitor = visit(keyed).open(model=None)
    visitor.gives_key(FRUGAL)
    visitor.page.locator("#model").select_option("direct")
    visitor.says("one two three four five six seven")
    kind(visitor, "never_fits")
    expect(visitor.failure).to_contain_text("Waiting does not help")
    expect(visitor.failure.get_by_role("button")).to_have_count(0)


def test_a_backend_that_is_away(visit: Open, lonely: Gateway) -> None:
    visitor = visit(lonely).open(model="q")
    expect(visitor.page.locator("#health")).to_have_text("model away")
    visitor.says("is anybody there?")
    kind(visitor, "backend_down")
    expect(visitor.failure).to_contain_text("The model server is away")
    expect(visitor.failure).to_contain_text("In the gateway's words:")
    expect(visitor.failure.locator(".request-id code")).to_contain_text("req_")
    expect(visitor.failure.get_by_role("button", name="Try again", exact=True)).to_be_enabled()
    visitor.page.get_by_role("tab", name="Operations").click()
    expect(visitor.page.locator("#endpoints .state")).to_have_text("down")


def test_an_error_in_the_middle_of_the_stream(visitor: Visitor) -> None:
    visitor.says(Script(text="one two three four", error_after=5, error="the engine lost its mind"))
    kind(visitor, "stream_backend_failed")
    expect(visitor.text).to_contain_text("one")
    expect(visitor.failure).to_contain_text("in the middle of the answer")
    expect(visitor.failure).to_contain_text("the engine lost its mind")
    visitor.ended()


def test_a_setting_that_the_gateway_refuses(visitor: Visitor) -> None:
    visitor.page.locator("#sampling-max_tokens").fill("2048")
    visitor.says("hello")
    kind(visitor, "too_long")
    expect(visitor.failure.get_by_role("button")).to_have_count(0)
    visitor.page.locator("#sampling-max_tokens").fill("20")
    visitor.answer.get_by_role("button", name="Try again").click()
    expect(visitor.text).to_have_text("hello")


@pytest.fixture
def mortal(tmp_path: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """A gateway that this test may kill."""
    config = tmp_path / "gateway.toml"
    gateway_toml(config, scripted_triton.grpc, tokenizer.path, max_model_len=2048, routes=["direct"])
    with gateway_serving(tmp_path / "log", "--config", str(config)) as gateway:
        yield gateway


def test_a_gateway_that_dies_in_the_middle(visit: Open, mortal: Gateway, journal: Journal) -> None:
    visitor = visit(mortal).open()
    visitor.says(Script(tag="ui-killed", text="one two three four", hang_after=6))
    expect(visitor.text).to_contain_text("one")
    mortal.process.kill()
    kind(visitor, "cut")
    expect(visitor.failure).to_contain_text("The connection broke in the middle of the answer")
    expect(visitor.text).to_contain_text("one")
    journal.wait_for("ui-killed", "end")
    visitor.failure.get_by_role("button", name="Try again").click()
    kind(visitor, "unreachable")
    expect(visitor.failure).to_contain_text(f"Nothing answers at {mortal.url}")
    expect(visitor.page.locator("article.user")).to_contain_text("ui-killed")
    visitor.page.get_by_role("tab", name="Operations").click()
    expect(visitor.page.locator("#operations-said")).to_contain_text("Nothing answers at")


def test_a_reply_of_somebody_else(visitor: Visitor) -> None:
    visitor.page.route(
        "**/v1/chat/completions", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad</h1>")
    )
    visitor.says("hello")
    kind(visitor, "foreign")
    expect(visitor.failure).to_contain_text("status 502")


def test_a_key_that_may_not_look(visit: Open, keyed: Gateway) -> None:
    visitor = visit(keyed).open(model=None)
    visitor.gives_key(BOB)
    visitor.page.locator("#model").select_option("direct")
    visitor.page.get_by_role("tab", name="Operations").click()
    expect(visitor.page.locator("#operations-said")).to_contain_text("--admin")
