"""What mkdocs calls while it builds the site: it adds pages, and makes links those of the site."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[2]))  # mkdocs loads this file by its path

from scripts.docs import pages

_MARKER = re.compile(r"^ *<!-- snippets?: .*? -->\n", re.MULTILINE)  # what tests do with a block is not for readers
logger = logging.getLogger("mkdocs.hooks.pages")  # below mkdocs: --strict counts its warnings


def on_files(files: Files, config: Any) -> Files:
    """The pages that do not lie in docs/."""
    for uri, write in pages.GENERATED.items():
        files.append(File.generated(config, uri, content=write()))
    for path, uri in pages.borrowed().items():
        files.append(File.generated(config, uri, content=(pages.ROOT / path).read_text("utf-8")))
    for path, uri in pages.pictures().items():
        files.append(File.generated(config, uri, abs_src_path=str(pages.ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The page with the site's links."""
    uri = page.file.src_uri
    text, dead = pages.in_site(markdown, uri, pages.places())
    for target in dead:
        logger.warning("%s links to %s, which is not in the repository.", pages.source_of(uri), target)
    return _MARKER.sub("", text)
