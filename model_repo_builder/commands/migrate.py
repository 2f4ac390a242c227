"""``migrate``: a repository for a TensorRT engine → one for llmapi. No logic of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_repo_builder.gateway_toml import FILE_NAME
from model_repo_builder.migrate import Migration, migrate
from model_repo_builder.repository import write

EXAMPLES = """\
examples:
  the checkpoint lies where the tokenizer is:
    model-repo-builder migrate repository --output new-repository
  it lies elsewhere, and llmapi's own files come from a checkout:
    model-repo-builder migrate repository --output new-repository --model Qwen2.5-7B-Instruct \\
        --official TensorRT-LLM
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "migrate",
        help="make an llmapi repository of one for a TensorRT engine",
        description="Upstream ended TensorRT engines in favour of the llmapi model. Writes a repository for it with "
        "the values of the old one, and lists what is lost. The old repository is not changed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("repository", metavar="REPO", help="repository that serves a TensorRT engine")
    parser.add_argument("--output", metavar="NEW", required=True, help="folder to write; must not exist, or be empty")
    parser.add_argument(
        "--model", metavar="DIR|NAME", help="checkpoint to load; not given: the tokenizer's folder, if it holds one"
    )
    parser.add_argument(
        "--official",
        metavar="DIR",
        help="checkout of TensorRT-LLM, or its folder all_models/llmapi; not given: that of the container",
    )


def run(options: argparse.Namespace) -> int:
    repository, output = Path(options.repository), Path(options.output)
    migration = migrate(repository, options.model, Path(options.official) if options.official else None)
    write(migration.plan, output)
    print("\n".join(_report(migration, output)))
    return 0


def _report(migration: Migration, output: Path) -> list[str]:
    lines = ["Taken over:"]
    lines += [f"  {row.key} = {row.value}  (from {row.source})" for row in migration.taken]
    lines += ["", "Lost:"]
    lines += [f"  {row.feature}: {row.instead}" for row in migration.lost]
    lines += ["", "To do:"]
    lines += [f"  {step}" for step in migration.todo]
    lines += ["", f"{output} is written: then `model-repo-builder launch {output}`, and"]
    lines += [f"`gateway serve --config {output / FILE_NAME}`"]
    return lines
