"""Writes the table of images into deploy/README.md, from the builder's data; ``--check`` only says whether it is
current.

It knows images.json and releases.json of ``model_repo_builder/contracts``. It must not know what a contract says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "deploy" / "README.md"
CONTRACTS = ROOT / "model_repo_builder" / "contracts"
BEGIN, END = "<!-- images -->\n", "<!-- /images -->"
HEAD = """\
| `TRITON_TAG` | TensorRT-LLM | TensorRT | CUDA | Python | models follow |
|---|---|---|---|---|---|
"""


def table() -> str:
    """A row for each image, newest first."""
    images = json.loads((CONTRACTS / "images.json").read_text("utf-8"))
    releases = json.loads((CONTRACTS / "releases.json").read_text("utf-8"))
    rows = []
    for image in images["images"]:
        release = image["tensorrt_llm"]
        followed = releases[".".join(release.split(".")[:2])]
        contract = followed["contract"].replace("_", " of ") + (", inferred" if "inferred" in followed else "")
        tag = f"`{image['triton']}{images['suffix']}`"
        if image["triton"] == images["reference"]:
            tag += " (default)"
        rows.append(f"| {tag} | {release} | {image['tensorrt']} | {image['cuda']} | {image['python']} | {contract} |")
    return HEAD + "\n".join(rows) + "\n"


def renewed(readme: str) -> str:
    """The page with today's table."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> int:
    current = README.read_text("utf-8")
    new = renewed(current)
    if "--check" in sys.argv:
        return 0 if current == new else 1
    README.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
