"""The page's Markdown, in the browser that runs it: what a text becomes, and that it is the same however it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.gateway import Gateway

RENDER = """async (pieces) => {
    const { Markdown } = await import("./playground/markdown.js");
    const root = document.createElement("div");
    const markdown = new Markdown(root);
    for (const piece of pieces) markdown.push(piece);
    markdown.end();
    for (const node of root.querySelectorAll(".code-head")) node.remove();
    for (const node of root.querySelectorAll("*")) {
        for (const { name } of [...node.attributes]) if (!["href", "start"].includes(name)) node.removeAttribute(name);
    }
    return root.innerHTML;
}"""

TEXTS = [
    pytest.param("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>", id="paragraphs"),
    pytest.param("a **b** *c* `d` e", "<p>a <strong>b</strong> <em>c</em> <code>d</code> e</p>", id="inline"),
    pytest.param("**a *b* `**`**", "<p><strong>a <em>b</em> `</strong>`**</p>", id="nested"),
    pytest.param("2*3*4, a ** b, *", "<p>2*3*4, a ** b, *</p>", id="no-emphasis"),
    pytest.param("`` a`b `` and `c", "<p><code>a`b</code> and `c</p>", id="backticks"),
    pytest.param("# A\n### B\ntext", "<h3>A</h3><h5>B</h5><p>text</p>", id="headings"),
    pytest.param(
        "- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>", id="nested-list"
    ),
    pytest.param(
        "1. a\n2. b\n\n3. c", '<ol><li>a</li><li>b</li></ol><ol start="3"><li>c</li></ol>', id="numbers-go-on"
    ),
    pytest.param("> a\n> b", "<blockquote><p>a<br>b</p></blockquote>", id="quote"),
    pytest.param("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>", id="rule"),
    pytest.param(
        "```py\nx = '**'\n\n# y\n```\nz", "<div><pre><code>x = '**'\n\n# y\n</code></pre></div><p>z</p>", id="code"
    ),
    pytest.param("````\n```\n````", "<div><pre><code>```\n</code></pre></div>", id="fence-within-a-fence"),
    pytest.param("```\nnever ends", "<div><pre><code>never ends\n</code></pre></div>", id="fence-without-an-end"),
    pytest.param(
        "1. a:\n   ```\n   x\n     y\n   ```",
        "<ol><li>a:</li></ol><div><pre><code>x\n  y\n</code></pre></div>",
        id="fence-in-a-list",
    ),
    pytest.param(
        "| a | b |\n|---|:-:|\n| 1 | **2** |",
        "<div><table><thead><tr><th>a</th><th>b</th></tr></thead>"
        "<tbody><tr><td>1</td><td><strong>2</strong></td></tr></tbody></table></div>",
        id="table",
    ),
    pytest.param("| no | table |\nat all", "<p>| no | table |</p><p>at all</p>", id="no-table"),
    pytest.param(
        "[a](https://b.c/d?e=f) https://g.h/i. [j](ftp://k)",
        '<p><a href="https://b.c/d?e=f">a</a> <a href="https://g.h/i">https://g.h/i</a>. [j](ftp://k)</p>',
        id="links",
    ),
    pytest.param("<b>&amp;</b>", "<p>&lt;b&gt;&amp;amp;&lt;/b&gt;</p>", id="markup-is-text"),
    pytest.param("你好，**世界**。🙂", "<p>你好，<strong>世界</strong>。🙂</p>", id="chinese"),
    pytest.param("", "", id="nothing"),
    pytest.param("\n\n\n", "", id="only-lines"),
]


@pytest.fixture(scope="module")
def page(browser: Browser, gateway: Gateway) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(gateway.url)
    yield page
    page.close()


def rendered(page: Page, pieces: list[str]) -> Any:
    return page.evaluate(RENDER, pieces)


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_every_split_gives_the_same(page: Page, text: str, expected: str) -> None:
    assert rendered(page, [text]) == expected
    assert rendered(page, list(text)) == expected, "character by character"
    for at in range(1, len(text)):
        assert rendered(page, [text[:at], text[at:]]) == expected, f"cut at {at}"


LONG = [
    pytest.param("word " * 200_000, id="one-line"),
    pytest.param("```\n" + "x" * 1_000_000, id="one-line-of-code"),
    pytest.param("- item **bold**\n" * 20_000, id="list"),
    pytest.param("*" * 300_000, id="stars"),
    pytest.param("`" * 100_000 + " ", id="backticks"),
    pytest.param("[" * 100_000, id="brackets"),
    pytest.param("| " * 100_000, id="bars"),
    pytest.param("- " * 100_000, id="dashes"),
    pytest.param("  " * 100_000 + "x", id="spaces"),
]


@pytest.mark.parametrize("text", LONG)
def test_what_is_long_costs_time_in_proportion(page: Page, text: str) -> None:
    """A megabyte in pieces comes through whole, well within the test's time; in quadratic time it would not."""
    pieces = [text[at : at + 2000] for at in range(0, len(text), 2000)]
    length = page.evaluate(
        """async (pieces) => {
            const { Markdown } = await import("./playground/markdown.js");
            const root = document.createElement("div");
            const markdown = new Markdown(root);
            for (const piece of pieces) markdown.push(piece);
            markdown.end();
            return root.textContent.length;
        }""",
        pieces,
    )
    assert length > len(text) / 3
