"""``diff``: a repository and the official templates → what differs, tensor by tensor. No logic of its own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from model_repo_builder.comparison import Difference, compare, read_folder

EXAMPLES = """\
examples:
  with a checkout of tensorrtllm_backend or of TensorRT-LLM:
    model-repo-builder diff repository tensorrtllm_backend
  with another repository:
    model-repo-builder diff repository other-repository --json

A line begins with + for what only REPO has, - for what only OFFICIAL_DIR has, ~ for what both have, but not alike.
Placeholders such as ${engine_dir} are equal to every value.

exit code: 0 alike, 1 something differs, 2 one of them cannot be read
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    diff = commands.add_parser(
        "diff",
        help="compare a model repository with the official templates",
        description="Compares two sets of models: tensors with their types, dimensions and optionality, parameters, "
        "and the wiring of the ensemble.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    diff.set_defaults(run=run)
    diff.add_argument("repository", metavar="REPO", help="folder of the model repository")
    diff.add_argument("official", metavar="OFFICIAL_DIR", help="checkout of the templates, or another repository")
    diff.add_argument("--json", action="store_true", help="print JSON instead of lines")


def run(options: argparse.Namespace) -> int:
    differences = compare(read_folder(Path(options.repository)), read_folder(Path(options.official)))
    if options.json:
        print(json.dumps([asdict(difference) for difference in differences], ensure_ascii=False, indent=1))
    else:
        print("\n".join(_lines(differences)))
    return 1 if differences else 0


def _lines(differences: Sequence[Difference]) -> list[str]:
    if not differences:
        return ["No differences."]
    lines = []
    for model in dict.fromkeys(difference.model for difference in differences):
        own = [difference for difference in differences if difference.model == model]
        lines += [model, *(f"  {_line(difference)}" for difference in own)]
    return lines


def _line(difference: Difference) -> str:
    if difference.there is None:
        return f"+ {difference.field}: {difference.here}"
    if difference.here is None:
        return f"- {difference.field}: {difference.there}"
    return f"~ {difference.field}: {difference.here}, officially {difference.there}"
