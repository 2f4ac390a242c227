"""``python -m loadtest.fleet``: compares policies of balancing over a simulated fleet."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from loadtest.fleet.cost import costs
from loadtest.fleet.policies import NAMES
from loadtest.fleet.report import plot, table
from loadtest.fleet.simulation import Scenario
from loadtest.fleet.study import STUDIES, compared, run


def main(arguments: Sequence[str] | None = None) -> int:
    names = [study.name for study in STUDIES]
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.fleet",
        description="Simulates Tritons under the gateway's own balancing code and compares policies: cached prompt "
        "tokens, waiting, imbalance. The same seeds give the same figures. Nothing is asked over a network.",
        epilog="example: python -m loadtest.fleet --tritons 100 --load 0.8 --policies default 'tokens of two'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--study", nargs="+", choices=[*names, "all"], help="tables of RESULTS.md")
    parser.add_argument("--tritons", type=int, default=32, help="1 to 1000 (32)")
    parser.add_argument("--load", type=float, default=1.0, help="of what they can do without any cache (1.0)")
    parser.add_argument("--seconds", type=float, default=90.0, help="simulated, of which a third is warm-up (90)")
    parser.add_argument("--gateways", type=int, default=1, help="which do not know of each other (1)")
    parser.add_argument("--sessions", action="store_true", help="clients name their conversations")
    parser.add_argument("--slow-share", type=float, default=0.0, help="of Tritons that are five times slower (0)")
    parser.add_argument("--die-share", type=float, default=0.0, help="of Tritons that die and come back (0)")
    parser.add_argument("--policies", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, of which medians are shown (3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write NAME.png there; needs matplotlib")
    parser.add_argument("--quick", action="store_true", help="few requests, one seed: to see that all works")
    parser.add_argument("--cost", action="store_true", help="instead, measure what a lease costs in processor time")
    given = parser.parse_args(arguments)
    if not 1 <= given.tritons <= 1000 or given.seeds < 1 or given.jobs < 1 or given.gateways < 1 or given.seconds <= 0:
        parser.error("--tritons must be 1 to 1000; --seeds, --jobs, --gateways and --seconds must be more than 0")
    if not 0 < given.load <= 10 or not 0 <= given.slow_share <= 1 or not 0 <= given.die_share <= 1:
        parser.error("--load must be above 0, up to 10, and shares between 0 and 1")
    if given.plots is not None and find_spec("matplotlib") is None:
        parser.error("--plots needs matplotlib: pip install '.[bench]'")
    if given.cost:
        print(costs((10, 1000), (64, 1024, 8192), requests=40 if given.quick else 400))
        return 0
    scenario = Scenario(
        tritons=min(given.tritons, 6) if given.quick else given.tritons,
        seconds=20.0 if given.quick else given.seconds,
        warm_seconds=(20.0 if given.quick else given.seconds) / 3,
        load=given.load,
        gateways=given.gateways,
        sessions=given.sessions,
        slow_share=given.slow_share,
        die_share=given.die_share,
    )
    studies = [study for study in STUDIES if "all" in given.study or study.name in given.study] if given.study else []
    studies = studies or [compared("fleet", f"{scenario.tritons} Tritons", scenario, given.policies)]
    seeds = range(1, 2 if given.quick else given.seeds + 1)
    for study in studies:
        labels = [row.label for row in study.rows]
        found = run(study, seeds, jobs=given.jobs, done=_progress(study.name))
        print(f"## {study.title}\n\n{table(labels, found)}\n", flush=True)
        if given.plots is not None:
            given.plots.mkdir(parents=True, exist_ok=True)
            plot(study.title, labels, found, given.plots / f"{study.name}.png")
    return 0


def _progress(name: str) -> Callable[[int, int], None]:
    """A line on stderr that tells how far it is, where somebody sits there."""
    began = time.monotonic()

    def done(number: int, of: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if number == of else ""
            left = (time.monotonic() - began) / number * (of - number)
            sys.stderr.write(f"\r{name}: run {number} of {of}, about {left:.0f} s left   {end}")
            sys.stderr.flush()

    return done


if __name__ == "__main__":
    sys.exit(main())
