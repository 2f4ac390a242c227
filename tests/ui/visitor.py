"""Somebody who uses the playground: what they see and do, in the page's own terms."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, Request, expect

from loadtest.engine.script import Script, script_text


class Visitor:
    """A person at one page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.sent: list[Any] = []  # bodies of the chats that were asked for
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.url.endswith("/v1/chat/completions"):
            self.sent.append(request.post_data_json)

    def open(self, where: str = "", *, model: str | None = "direct") -> Visitor:
        """Goes to the page; with a model, waits until there are models and chooses it."""
        self.page.goto(f"{self.url}/{where}")
        if model is not None:
            self.page.locator("#model").select_option(model)
        return self

    def says(self, what: str | Script) -> None:
        self.prompt.fill(what if isinstance(what, str) else script_text(what))
        self.prompt.press("Enter")

    def asks(self, what: str | Script) -> Locator:
        """Says it and waits for the end of the answer, which it gives."""
        self.says(what)
        self.ended()
        return self.answer

    def ended(self) -> None:
        """Waits until nothing is written any more."""
        expect(self.answer).not_to_have_attribute("aria-busy", "true")
        expect(self.send).to_be_visible()

    def gives_key(self, key: str) -> None:
        self.page.get_by_label("API key", exact=True).fill(key)
        self.page.get_by_role("button", name="Use it").click()

    @property
    def prompt(self) -> Locator:
        return self.page.locator("#prompt")

    @property
    def send(self) -> Locator:
        return self.page.locator("#send")

    @property
    def stop(self) -> Locator:
        return self.page.locator("#stop")

    @property
    def answer(self) -> Locator:
        return self.page.locator("article.answer").last

    @property
    def text(self) -> Locator:
        """The answer's text, as it is shown."""
        return self.answer.locator("> .prose")

    @property
    def failure(self) -> Locator:
        return self.answer.locator(".failure")

    @property
    def figures(self) -> Locator:
        return self.answer.locator(".figures")
