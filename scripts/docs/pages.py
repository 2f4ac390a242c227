"""Which pages the site has that do not lie in ``docs/``, and where links between files of the repository lead in it.

Links in Markdown are written for the repository, so that they work where files are read as they are. In the site one
leads to the page that a file became; a file that is no page there loses its link and keeps its words.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gateway.core import capabilities
from scripts.docs import api_page, commands_page, contracts_page, errors_page, metrics_page, settings_page

ROOT = Path(__file__).parents[2]

# Pages that the code writes.
GENERATED: dict[str, Callable[[], str]] = {
    "reference/api.md": api_page.page,
    "reference/settings.md": settings_page.page,
    "reference/metrics.md": metrics_page.page,
    "reference/errors.md": errors_page.page,
    "reference/contracts.md": contracts_page.page,
    "reference/commands.md": commands_page.page,
    "reference/capabilities.md": lambda: (
        "# Capabilities\n\nEvery field of a request, who acts on it, and which input of a Triton model it needs; what "
        f"`gateway capabilities --markdown` prints.\n\n{capabilities.markdown()}"
    ),
}
# Files of the repository that are pages, too.
BORROWED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.zh.md": "zh.md",
    "deploy/README.md": "deploy/index.md",
    "deploy/proxies.md": "deploy/proxies.md",
    "loadtest/RESULTS.md": "results/performance.md",
    "loadtest/faults/RESULTS.md": "results/faults.md",
    "loadtest/fleet/RESULTS.md": "results/fleet.md",
    "model_repo_builder/seedling/README.md": "explanation/seedling.md",
}
# Pictures of such pages, by their folders.
PICTURES = ("loadtest/results", "deploy/grafana")
_FENCE = re.compile(r"^ *(```+|~~~+)")
_LINK = re.compile(r"(?P<image>!?)\[(?P<words>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_ELSEWHERE = re.compile(r"^(?:[a-z]+:|#)")


def borrowed(root: Path = ROOT) -> dict[str, str]:
    """Those of BORROWED that are there."""
    return {path: uri for path, uri in BORROWED.items() if (root / path).is_file()}


def pictures(root: Path = ROOT) -> dict[str, str]:
    """File of a picture → its place in the site."""
    found = (path.relative_to(root).as_posix() for folder in PICTURES for path in (root / folder).glob("*.png"))
    return {path: f"pictures/{path.replace('/', '-')}" for path in sorted(found)}


def source_of(uri: str) -> str:
    """The file of the repository that a page is made of, or would be."""
    return {page: path for path, page in BORROWED.items()}.get(uri, f"docs/{uri}")


def places(root: Path = ROOT) -> dict[str, str]:
    """File of the repository → page or picture of the site."""
    documents = {f"docs/{path.relative_to(root / 'docs').as_posix()}" for path in (root / "docs").rglob("*")}
    return {
        **{path: path.removeprefix("docs/") for path in documents},
        **{f"docs/{uri}": uri for uri in GENERATED},
        **borrowed(root),
        **pictures(root),
    }


def in_site(text: str, uri: str, where: Mapping[str, str], root: Path = ROOT) -> tuple[str, list[str]]:
    """The page with links that lead somewhere in the site, and targets that are nowhere."""
    dead: list[str] = []
    folder = posixpath.dirname(source_of(uri))

    def moved(match: re.Match[str]) -> str:
        target = match["target"]
        if _ELSEWHERE.match(target):
            return match[0]
        path, mark, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, path))
        page = where.get(path)
        if page is None and (root / path / "README.md").is_file():
            page = where.get(f"{path}/README.md")
        if page is not None:
            there = posixpath.relpath(page, posixpath.dirname(uri) or ".")
            return f"{match['image']}[{match['words']}]({there}{mark}{anchor})"
        if not (root / path).exists():
            dead.append(target)
        return match["words"]

    return "".join(part if fenced else _LINK.sub(moved, part) for fenced, part in _parts(text)), dead


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """The text in pieces, each with whether it is a block of code."""
    piece, fence = "", ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            piece += f"{line}\n"
            if mark and mark[1].startswith(fence):
                yield True, piece
                piece, fence = "", ""
            continue
        if mark:
            yield False, piece
            piece, fence = "", mark[1]
        piece += f"{line}\n"
    yield bool(fence), piece
