"""``gateway completion``: prints the script by which a shell completes the command line."""

from __future__ import annotations

import argparse

from gateway.commands.completion.shells import SHELLS
from gateway.commands.completion.words import places

EXAMPLES = """\
examples:
  gateway completion bash > ~/.local/share/bash-completion/completions/gateway
  gateway completion zsh > "${fpath[1]}/_gateway"
  gateway completion fish > ~/.config/fish/completions/gateway.fish

then open a new shell. For this shell alone, in bash: source <(gateway completion bash)
After an upgrade print it again: the script knows the flags of the version that printed it, and starts nothing itself.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``completion`` to the command line."""
    parser = commands.add_parser(
        "completion",
        help="let the Tab key complete commands",
        description="Prints a script that makes bash, zsh or fish complete this command line.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=tuple(SHELLS), help="the shell it is for")


def run(args: argparse.Namespace, root: argparse.ArgumentParser) -> int:
    """``root``: the command line that shall be completed."""
    print(SHELLS[args.shell](root.prog, list(places(root))), end="")
    return 0
