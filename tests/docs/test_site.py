"""The site as ``make docs`` makes it: strict, and with nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.docs.pages import GENERATED, borrowed

ROOT = Path(__file__).parents[2]
_LOADED = re.compile(r'<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//|<link[^>]*\shref="(?:https?:)?//')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    for uri in [*pages, *GENERATED, *borrowed().values()]:
        assert (site / uri).with_suffix(".html").is_file(), uri


def test_nothing_comes_from_elsewhere_nor_tells_where_it_was_made(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not _LOADED.search(text), page.name
        assert str(ROOT) not in text, page.name
        assert "<!-- snippet" not in text, page.name
