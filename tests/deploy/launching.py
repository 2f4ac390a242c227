"""What the builder's launcher understands of a command, without launching anything."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from model_repo_builder.commands import launch


def launched(command: Sequence[str]) -> argparse.Namespace:
    """The options of ``model-repo-builder launch ...``. What it does not know ends the test."""
    root = argparse.ArgumentParser(exit_on_error=False)
    launch.add(root.add_subparsers())
    return root.parse_args(command)
