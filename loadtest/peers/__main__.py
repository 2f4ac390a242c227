"""``python -m loadtest.peers``: installs the peers, measures them beside the gateway, prints one table."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtest.bench.fronts import BrokenRun
from loadtest.bench.replay import Pace
from loadtest.engine_repository import NotStarted
from loadtest.peers import aiperf
from loadtest.peers.catalog import FLOOR, OURS, PEERS, TURN
from loadtest.peers.environments import NotInstalled
from loadtest.peers.peer import Load, Peer
from loadtest.peers.report import document, markdown
from loadtest.peers.turns import Standing, installed, take_turns
from loadtest.progress import Progress

DEFAULT_LOADS = ("paced", "saturated")
EPILOG = """\
The first call installs what PyPI offers of the peers (about 2 GB under build/peers) and takes minutes for that alone.
What cannot be installed or started is named in the table with the reason. Ratios within one run mean something;
machines drift, and nothing else should run meanwhile.

examples:
  python -m loadtest.peers
  python -m loadtest.peers --only dynamo --only sglang-router --runs 1
      these, beside the emitter and the gateway
  python -m loadtest.peers --aiperf
      NVIDIA's aiperf and our own client, one after the other on the same gateway
"""


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m loadtest.peers",
        description="What a streamed token costs the gateway and other front ends, side by side.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--only", action="append", metavar="NAME", help="this peer; may be given several times")
    root.add_argument("--list", action="store_true", help="names and what they are, and nothing else")
    root.add_argument(
        "--load",
        action="append",
        choices=("paced", "stepped", "saturated"),
        help="this one; may be given several times (default paced and saturated)",
    )
    root.add_argument("--streams", type=_positive, default=64, metavar="N", help="at once (default 64)")
    root.add_argument("--tokens", type=_positive, default=200, metavar="N", help="of a paced answer (default 200)")
    root.add_argument(
        "--saturated-tokens", type=_positive, default=1000, metavar="N", help="of an unpaced answer (default 1000)"
    )
    root.add_argument("--runs", type=_positive, default=3, metavar="N", help="in turns; the median counts (default 3)")
    root.add_argument("--output", type=Path, default=Path("build/peers"), metavar="DIR", help="(default build/peers)")
    root.add_argument("--keep", type=Path, metavar="DIR", help="put logs and settings there, and leave them")
    root.add_argument("--aiperf", action="store_true", help="compare NVIDIA's aiperf with our own client instead")
    return root


def chosen(names: Sequence[str] | None) -> list[Peer]:
    """Those asked for, with the floor and ours. ValueError names one that does not exist."""
    known = {peer.name: peer for peer in PEERS}
    for name in names or ():
        if name not in known:
            raise ValueError(f"there is no '{name}'; there are {', '.join(known)}")
    if not names:
        return [peer for peer in PEERS if not peer.by_name]
    return [peer for peer in PEERS if peer.name in (FLOOR, TURN, OURS, *names)]


def loads(options: argparse.Namespace) -> list[Load]:
    known = [
        Load("paced", Pace(0.05), options.tokens, options.streams),
        Load("stepped", Pace(0.05, steps=True), options.tokens, options.streams),
        Load("saturated", Pace(0.0), options.saturated_tokens, options.streams, TURN),
    ]
    return [load for load in known if load.name in (options.load or DEFAULT_LOADS)]


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if options.list:
        for peer in PEERS:
            print(f"{peer.name:16} {peer.does}{'; only with --only' if peer.by_name else ''}")
        return 0
    try:
        peers = chosen(options.only)
    except ValueError as exc:
        print(f"peers: {exc}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # each ends it, and all that it started
        signal.signal(number, signal.default_int_handler)
    options.output.mkdir(parents=True, exist_ok=True)
    measure = _aiperf if options.aiperf else _peers
    try:
        with _folder(options.keep) as folder, Progress() as progress:
            return measure(options, peers, folder, progress)
    except KeyboardInterrupt:
        print("peers: interrupted; everything was stopped", file=sys.stderr)
        return 130
    except (BrokenRun, NotInstalled, NotStarted) as exc:
        print(f"peers: {exc}", file=sys.stderr)
        return 1


def _peers(options: argparse.Namespace, peers: list[Peer], folder: Path, progress: Progress) -> int:
    environments = installed(peers, options.output.absolute(), progress.tell)
    results: dict[Load, list[Standing]] = {}
    for load in loads(options):
        place = folder / load.name
        place.mkdir(exist_ok=True)
        results[load] = take_turns(peers, environments, load, place, runs=options.runs, tell=progress.tell)
        whole = document(results, peers, runs=options.runs, machine=machine())
        (options.output / "results.json").write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    progress.clear()
    print(markdown(results, peers, runs=options.runs, machine=machine()))
    wanting = [
        one for standings in results.values() for one in standings if one.peer in (FLOOR, TURN, OURS) and one.reason
    ]
    return 1 if wanting else 0


def _aiperf(options: argparse.Namespace, peers: list[Peer], folder: Path, progress: Progress) -> int:
    compared = aiperf.compare(options.output.absolute(), folder, options.streams, options.tokens, progress.tell)
    progress.clear()
    (options.output / "aiperf.json").write_text(json.dumps(compared.json(), indent=1) + "\n", "utf-8")
    print(compared.markdown(machine()))
    return 0


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
    else:
        with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}."


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
