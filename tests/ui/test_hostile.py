"""What a model or a person may put in: markup that must stay text, and more than fits. Nothing of it may run."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Locator, expect

from loadtest.engine.script import Script
from tests.gateway.core.test_keys import ALICE
from tests.support.gateway import Gateway
from tests.ui.conftest import Open
from tests.ui.visitor import Visitor

MARKUP = [
    '<script>window.pwned = "script"</script>',
    "</script><script>window.pwned = 1</script>",
    '<img src="x" onerror="window.pwned = 1">',
    '<svg onload="window.pwned = 1"></svg>',
    "[click](javascript:window.pwned=1)",
    "[click]( JaVaScRiPt:window.pwned=1 )",
    "[click](data:text/html,<script>window.pwned=1</script>)",
    '<a href="javascript:window.pwned=1">click</a>',
    '<iframe srcdoc="<script>parent.pwned = 1</script>"></iframe>',
    '<style>body { display: none }</style><b style="position: fixed; inset: 0">over all</b>',
    '<base href="https://elsewhere.invalid/"><form action="/x"><button>go</button></form>',
    '"><textarea autofocus onfocus="window.pwned = 1">',
]
PLACES = [
    pytest.param("{}", id="text"),
    pytest.param("# {}\n\n- **{}**\n\n> {}", id="blocks"),
    pytest.param("```html\n{}\n```\n\n`{}`", id="code"),
    pytest.param("| a | b |\n|---|---|\n| {} | {} |", id="table"),
    pytest.param("<think>\n{}\n</think>\n\n{}", id="thinking"),
]
# What the page itself never has in an answer.
MARKS = "script, img, svg, iframe, style, base, b, i, form:not(.call-card), [onerror], [onload], [onfocus], [style]"


def nothing_ran(visitor: Visitor, where: Locator) -> None:
    expect(where.locator(MARKS)).to_have_count(0)
    links = where.locator("a").evaluate_all("all => all.map(a => a.protocol)")
    assert set(links) <= {"https:", "http:"}, links
    for link in where.get_by_text("click").all():
        link.click(force=True)
    assert visitor.page.evaluate("window.pwned") is None
    expect(visitor.prompt).to_be_visible()


@pytest.mark.parametrize("place", PLACES)
def test_markup_of_a_model_is_text(visit: Open, gateway: Gateway, place: str) -> None:
    visitor = visit(gateway).open(model="thinker")
    for at in range(0, len(MARKUP), 3):
        some = MARKUP[at : at + 3]
        visitor.page.get_by_role("button", name="New chat").click()
        visitor.asks(Script(text="\n\n".join(place.replace("{}", markup) for markup in some)))
        if visitor.answer.locator("details").is_visible():
            visitor.answer.locator("summary").click()
        for markup in some:
            expect(visitor.answer).to_contain_text(markup[:9])
        nothing_ran(visitor, visitor.answer)


def test_markup_in_calls_tokens_and_a_person_s_own_words(visitor: Visitor) -> None:
    markup = '<img src="x" onerror="window.pwned = 1">'
    call = {"name": "f", "arguments": {"x": markup, "</script><script>window.pwned = 2</script>": 1}}
    visitor.page.get_by_role("button", name="Example").click()
    visitor.asks(Script(text=f"<tool_call>\n{json.dumps(call)}\n</tool_call>"))
    expect(visitor.answer.locator(".call pre")).to_contain_text("onerror")
    nothing_ran(visitor, visitor.answer)
    visitor.page.get_by_role("button", name="New chat").click()
    visitor.page.get_by_label("Log-probabilities of tokens").check()
    visitor.asks(markup)  # the engine says it again
    expect(visitor.answer.locator(".token-strip")).to_have_text(markup)
    nothing_ran(visitor, visitor.answer)
    nothing_ran(visitor, visitor.page.locator("article.user").last)
    visitor.page.get_by_role("button", name="Code", exact=True).click()
    expect(visitor.page.locator("#code-text")).to_contain_text("onerror")
    nothing_ran(visitor, visitor.page.locator("#code-dialog"))


def test_the_page_s_policy_would_stop_what_the_page_missed(browser: Browser, gateway: Gateway) -> None:
    page = browser.new_page()
    page.goto(gateway.url)
    refused = page.evaluate(
        """() => {
            const node = document.createElement("div");
            document.body.append(node);
            try { node.innerHTML = "<img src=x onerror='window.pwned = 1'>"; return null; }
            catch (error) { return error.name; }
            finally { node.remove(); }
        }"""
    )
    page.close()
    assert refused == "TypeError", "assigning markup"


def paste(visitor: Visitor, megabytes: float) -> None:
    """Puts as much text on the clipboard and pastes it, as a person does."""
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.page.evaluate(
        "bytes => navigator.clipboard.writeText('lorem ipsum '.repeat(Math.ceil(bytes / 12)).slice(0, bytes))",
        round(megabytes * 1e6),
    )
    visitor.prompt.focus()
    visitor.page.keyboard.press("Control+v")


def test_ten_megabytes_are_attached_and_the_page_goes_on(visitor: Visitor) -> None:
    paste(visitor, 10)
    chip = visitor.page.locator(".chip")
    expect(chip).to_contain_text("Pasted text, 10.0 MB")
    expect(visitor.prompt).to_have_value("")
    visitor.prompt.type("what is this?")
    visitor.send.click()
    expect(visitor.failure).to_have_attribute("data-kind", "too_long")
    expect(visitor.page.locator("article.user")).to_contain_text("Shown in part; all 10.0 MB of it was sent")
    expect(chip).to_have_count(0)
    visitor.page.get_by_role("button", name="Edit").click()
    expect(chip).to_contain_text("10.0 MB")
    chip.get_by_role("button", name="Remove").click()
    visitor.asks("something shorter")
    expect(visitor.text).to_have_text("something shorter")


def test_more_than_the_gateway_takes_is_refused_in_a_sentence(visitor: Visitor) -> None:
    paste(visitor, 17)
    note = visitor.page.locator("#composer-note")
    expect(note).to_contain_text("17.0 MB; this gateway takes requests of at most 16.8 MB")
    expect(visitor.page.locator(".chip")).to_have_count(0)
    visitor.prompt.fill("on")
    expect(note).to_be_hidden()


def test_a_request_that_would_be_too_large_is_not_sent(visit: Open, keyed: Gateway) -> None:
    visitor = visit(keyed).open(model=None)
    visitor.gives_key(ALICE)
    visitor.page.locator("#model").select_option("direct")
    for _ in range(2):
        paste(visitor, 0.06)
    expect(visitor.page.locator(".chip")).to_have_count(2)
    visitor.send.click()
    note = visitor.page.locator("#composer-note")
    expect(note).to_contain_text("The request would have 120.1 kB; this gateway takes at most 100.0 kB")
    assert not visitor.sent
    expect(visitor.page.locator(".chip")).to_have_count(2)


def test_a_long_answer_does_not_freeze_the_page(visitor: Visitor) -> None:
    # As much as the context holds, in one line without an end, as fast as it comes.
    visitor.says(Script(text="word ", repeat=True, chunk=50))
    visitor.prompt.fill("typed meanwhile")
    expect(visitor.prompt).to_have_value("typed meanwhile")
    visitor.ended()
    words = visitor.text.inner_text().split()
    assert len(words) > 400
    assert set(words[:-1]) == {"word"}
