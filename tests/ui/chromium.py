"""Debian's Chromium, and what notices that a page did what none of ours may. It must not know what tests do with it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright

from tests.support.absent import absent

# As root, without a screen, and without asking its maker's hosts for anything.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
PATIENCE = 20_000  # milliseconds for anything that is expected to happen


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Where none is installed, tests skip by its name; in CI they fail."""
    path = shutil.which("chromium")
    if path is None:
        absent("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Watch:
    """Whatever a page did that none of ours may: errors of its scripts, and requests to anybody but its gateway."""

    def __init__(self, page: Page, url: str) -> None:
        self.wrong: list[str] = []
        self._origin = urlsplit(url)[:2]
        page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        page.on("console", self._console)
        page.on("request", lambda request: self._asked(request.url))
        page.on("response", self._answered)

    def _console(self, message: ConsoleMessage) -> None:
        # What it says of refusals and broken connections, which tests bring about.
        expected = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not expected:
            self.wrong.append(f"console: {message.text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url)[:2] != self._origin:
            self.wrong.append(f"asked {url}")

    def _answered(self, response: Response) -> None:
        path = urlsplit(response.url).path
        if response.status >= 400 and (path == "/" or path.startswith("/playground")):
            self.wrong.append(f"{path}: {response.status}")
