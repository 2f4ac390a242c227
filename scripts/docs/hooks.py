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


def on_config(config: Any) -> Any:
    """The list of pages, without those whose file is not there."""
    missing = {pages.BORROWED[path] for path in pages.MAY_BE_MISSING if not (pages.ROOT / path).is_file()}
    config.nav = _without(config.nav, missing)
    return config


def on_files(files: Files, config: Any) -> Files:
    """The pages that do not lie in docs/."""
    for uri, write in pages.GENERATED.items():
        files.append(File.generated(config, uri, content=write()))
    for path, uri in pages.borrowed().items():
        files.append(File.generated(config, uri, content=(pages.ROOT / path).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The page with the site's links."""
    uri = page.file.src_uri
    text, dead = pages.in_site(markdown, uri, pages.places())
    for target in dead:
        logger.warning("%s links to %s, which is not in the repository.", pages.source_of(uri), target)
    return _MARKER.sub("", text)


def _without(entries: list[Any], missing: set[str]) -> list[Any]:
    kept = []
    for entry in entries:
        [(title, below)] = entry.items()
        if isinstance(below, list):
            kept.append({title: _without(below, missing)})
        elif below not in missing:
            kept.append(entry)
    return kept
