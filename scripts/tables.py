"""Writes the tables that are made from code and data into the pages that show them; ``--check`` only says whether they
are current: of images into deploy/README.md, of what the gateway supports into README.md.

It knows images.json and releases.json of ``model_repo_builder/contracts``, and where tables stand. It must not know
what a contract says, nor what the gateway can do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.core import capabilities
from scripts.written import written

ROOT = Path(__file__).parents[1]
CONTRACTS = ROOT / "model_repo_builder" / "contracts"
HEAD = """\
| `TRITON_TAG` | TensorRT-LLM | TensorRT | CUDA | Python | models follow |
|---|---|---|---|---|---|
"""


def images() -> str:
    """NVIDIA's images: a row for each, newest first."""
    data = json.loads((CONTRACTS / "images.json").read_text("utf-8"))
    releases = json.loads((CONTRACTS / "releases.json").read_text("utf-8"))
    rows = []
    for image in data["images"]:
        release = image["tensorrt_llm"]
        followed = releases[".".join(release.split(".")[:2])]
        contract = followed["contract"].replace("_", " of ") + (", inferred" if "inferred" in followed else "")
        tag = f"`{image['triton']}{data['suffix']}`"
        if image["triton"] == data["reference"]:
            tag += " (default)"
        rows.append(f"| {tag} | {release} | {image['tensorrt']} | {image['cuda']} | {image['python']} | {contract} |")
    return HEAD + "\n".join(rows) + "\n"


# The name between the marks of each table, its page, and what writes it.
TABLES: dict[str, tuple[Path, Callable[[], str]]] = {
    "capabilities": (ROOT / "README.md", capabilities.markdown),
    "images": (ROOT / "deploy" / "README.md", images),
}


def renewed(name: str, page: str) -> str:
    """The page with today's table of that name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{TABLES[name][1]()}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(written({path: renewed(name, path.read_text("utf-8")) for name, (path, _) in TABLES.items()}))
