"""The operations tab: what the gateway says of its Tritons and of itself, read by a person."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from loadtest.engine.script import Script
from tests.gateway.core.test_keys import ALICE
from tests.support.gateway import Gateway
from tests.support.triton import ScriptedTriton
from tests.ui.conftest import Open
from tests.ui.visitor import Visitor

CHARTS = ["Requests per second", "Tokens generated per second", "Requests in flight", "First token, median"]


def test_endpoints_and_charts(visitor: Visitor, scripted_triton: ScriptedTriton) -> None:
    visitor.asks(Script(text="one two three"))
    visitor.page.get_by_role("tab", name="Operations").click()
    row = visitor.page.locator("#endpoints tbody tr").first
    expect(row).to_contain_text("direct")
    expect(row).to_contain_text(scripted_triton.grpc)
    expect(row.locator(".state")).to_have_text("up")
    names = visitor.page.locator(".chart-name")
    for name in CHARTS[:3]:
        expect(names.filter(has_text=name)).to_have_count(1)
    visitor.page.get_by_role("tab", name="Chat").click()
    visitor.asks(Script(text="four five six"))
    visitor.page.get_by_role("tab", name="Operations").click()
    expect(names.filter(has_text=CHARTS[3])).to_have_count(1)
    picture = visitor.page.get_by_role("img", name="Tokens generated per second: now")
    expect(picture.locator(".line")).not_to_have_count(0)


def test_what_runs_is_seen(visitor: Visitor) -> None:
    visitor.says(Script(tag="ui-running", text="one two three four", hang_after=6))
    expect(visitor.text).to_contain_text("one")
    visitor.page.get_by_role("tab", name="Operations").click()
    picture = visitor.page.get_by_role("img", name="Requests in flight: now 1")
    expect(picture).to_be_visible()
    expect(visitor.page.locator("#endpoints tbody tr").first.locator(".figure").first).to_have_text("1")
    visitor.page.locator("#of-model").select_option("thinker")
    expect(visitor.page.get_by_role("img", name="Requests in flight: now 1")).to_have_count(0)


def test_an_admin_s_key_sees_it(visit: Open, keyed: Gateway) -> None:
    visitor = visit(keyed).open("#operations", model=None)
    expect(visitor.page.locator("#operations-said")).to_be_visible()
    visitor.page.get_by_role("tab", name="Chat").click()
    visitor.gives_key(ALICE)
    visitor.page.get_by_role("tab", name="Operations").click()
    expect(visitor.page.locator("#endpoints .state")).to_have_text("up")
    expect(visitor.page.locator("#operations-said")).to_be_hidden()


BUCKETS = 'h_bucket{{model="q",le="0.1"}} {}\nh_bucket{{model="q",le="1.0"}} {}\nh_bucket{{model="q",le="+Inf"}} {}\n'
QUANTILES = [
    pytest.param(BUCKETS.format(0, 0, 0), BUCKETS.format(4, 4, 4), 0.05, id="within-the-first"),
    pytest.param(BUCKETS.format(10, 10, 10), BUCKETS.format(11, 13, 13), 0.325, id="only-what-came-since"),
    pytest.param(BUCKETS.format(9, 9, 9), BUCKETS.format(9, 9, 9), None, id="nothing-came"),
    pytest.param(BUCKETS.format(9, 9, 9), BUCKETS.format(2, 2, 2), 0.05, id="started-anew"),
    pytest.param(BUCKETS.format(0, 0, 0), BUCKETS.format(0, 0, 5), 1.0, id="beyond-the-last-edge"),
    pytest.param("", "", None, id="no-such-metric"),
]


@pytest.fixture(scope="module")
def page(browser: Any, gateway: Gateway) -> Any:
    """A page of the gateway's, to run its modules in."""
    page = browser.new_page()
    page.goto(gateway.url)
    yield page
    page.close()


@pytest.mark.parametrize(("before", "now", "median"), QUANTILES)
def test_the_median_of_a_histogram(page: Page, before: str, now: str, median: float | None) -> None:
    found = page.evaluate(
        """async ([before, now]) => {
            const { read, quantile } = await import("./playground/exposition.js");
            return quantile(read(before), read(now), "h", "q", 0.5);
        }""",
        [before, now],
    )
    assert found == (None if median is None else pytest.approx(median))


def test_the_format_s_odd_corners(page: Page) -> None:
    text = '# HELP a b\na{x="1,\\"}\\n",y="z"} 2.5 1700000000\nb 1e3\nb_created{x="1"} +Inf\n\nnonsense\n'
    found = page.evaluate(
        """async (text) => {
            const { read } = await import("./playground/exposition.js");
            return [...read(text)].map(([name, samples]) => [name, samples.map((s) => [s.labels, String(s.value)])]);
        }""",
        text,
    )
    assert found == [
        ["a", [[{"x": '1,"}\n', "y": "z"}, "2.5"]]],
        ["b", [[{}, "1000"]]],
        ["b_created", [[{"x": "1"}, "NaN"]]],
    ]
