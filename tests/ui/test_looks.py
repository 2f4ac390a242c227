"""How the page looks and reads: languages, light and dark, a phone's width, and what people need who do not see it."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from loadtest.engine.script import Script
from tests.support.gateway import Gateway
from tests.ui.conftest import Open
from tests.ui.visitor import Visitor

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
PHONE: Any = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


def test_the_browser_s_language_comes_first_and_the_chosen_one_stays(visit: Open, gateway: Gateway) -> None:
    visitor = visit(gateway, locale="zh-CN").open()
    page = visitor.page
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(visitor.send).to_have_text("发送")
    visitor.says(Script(text="one two three four", error_after=5))
    expect(visitor.failure).to_contain_text("模型服务器在回答途中出错")
    page.get_by_role("button", name="中文 / 英文").click()
    expect(visitor.failure).to_contain_text("in the middle of the answer")
    expect(visitor.send).to_have_text("Send")
    expect(page.locator("#sampling-temperature")).to_have_attribute("placeholder", "default")
    expect(visitor.figures).to_contain_text("first token")
    page.reload()
    expect(visitor.send).to_have_text("Send")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def ground(page: Page) -> int:
    """How light the page's background is, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_light_and_dark(visit: Open, gateway: Gateway) -> None:
    visitor = visit(gateway, color_scheme="dark").open()
    assert ground(visitor.page) < 60
    visitor.page.get_by_role("button", name="Light or dark").click()
    assert ground(visitor.page) > 200
    visitor.page.reload()
    assert ground(visitor.page) > 200, "the chosen one stays"
    assert ground(visit(gateway, color_scheme="light").open().page) > 200


def wide(page: Page) -> int:
    """How wide the page is. On a phone a page that is too wide makes its own window wider, so that is no measure."""
    return int(page.evaluate("Math.max(document.documentElement.scrollWidth, innerWidth)"))


def test_a_phone(visit: Open, gateway: Gateway) -> None:
    visitor = visit(gateway, **PHONE)
    page = visitor.page
    visitor.open(model=None)
    page.get_by_role("button", name="Settings").tap()
    page.locator("#model").select_option("direct")
    page.get_by_role("button", name="Close").first.tap()
    expect(page.locator("#panel")).to_be_hidden()
    visitor.asks(Script(text=f"{'long' * 60} and\n\n```\n{'code ' * 40}\n```"))
    assert wide(page) == PHONE["viewport"]["width"]
    for button in (visitor.send, page.locator("#clear"), page.locator("#open-code")):
        expect(button).to_be_in_viewport(ratio=1)
    page.get_by_role("tab", name="Operations").tap()
    expect(page.locator("#endpoints .state").first).to_be_visible()
    assert wide(page) == PHONE["viewport"]["width"]


# axe-core's: those of WCAG 2.2 A and AA and good practice; of colours there is but one.
RULES = {"light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "dark": ["color-contrast"]}


def violations(page: Page, rules: list[str]) -> list[str]:
    """What axe-core finds."""
    found: Any = page.evaluate(
        """async ([axe, rules]) => {
            if (!window.axe) (0, eval)(axe);
            const found = await window.axe.run(document, { runOnly: rules });
            return [found.violations, found.passes.flatMap((rule) => rule.nodes).length];
        }""",
        [AXE, rules],
    )
    broken, kept = found
    assert kept > 3, "it looked"
    return [f"{each['id']}: {node['html'][:200]} {node['any'][:1]}" for each in broken for node in each["nodes"]]


EVERY_BLOCK = """# Head

Some **bold** `code` https://example.com

- one
- two

> quoted

```py
x = 1
```

| a | b |
|---|---|
| 1 | 2 |
"""


@pytest.mark.parametrize("scheme", RULES)
def test_rules_of_accessibility(visit: Open, gateway: Gateway, scheme: str) -> None:
    visitor = visit(gateway, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True).open()
    page = visitor.page
    found = violations(page, RULES[scheme])
    page.get_by_role("button", name="Example").click()
    visitor.asks(Script(text=EVERY_BLOCK))
    page.get_by_label("Log-probabilities of tokens").check()
    visitor.asks(Script(text="hello world, hello", log_probs=[-0.01, -0.4, -1.0, -2.0, -5.0]))
    page.get_by_label("Log-probabilities of tokens").uncheck()
    visitor.asks(Script(text=CALL))
    visitor.says(Script(text="one two three four", error_after=5))
    expect(visitor.failure).to_be_visible()
    page.locator("#open-key").click()
    page.locator("#tools").fill("[")
    visitor.says("hello")
    expect(page.locator("#composer-note")).to_be_visible()
    found += violations(page, RULES[scheme])
    page.locator("#open-code").click()
    found += violations(page, RULES[scheme])
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Operations").click()
    expect(page.locator(".chart").nth(2)).to_be_visible()
    found += violations(page, RULES[scheme])
    assert not found, "\n".join(found)


def test_what_is_heard_of_an_answer(visitor: Visitor) -> None:
    spoken = visitor.page.locator("#spoken")
    expect(spoken).to_have_attribute("aria-live", "polite")
    visitor.asks(Script(text="Short and good."))
    expect(spoken).to_have_text("Short and good. End of the answer.")


def test_the_keyboard_reaches_everything_in_order(visitor: Visitor) -> None:
    page = visitor.page
    page.locator(".skip").focus()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    order = [name for name in reached if name in ("tab-chat", "open-key", "prompt", "send", "model", "tools")]
    assert order[:6] == ["tab-chat", "open-key", "prompt", "send", "model", "tools"]
