"""``python -m loadtest.bench``: the standard set, its table with the goals beside the figures, JSON and plots."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from gateway import __version__
from loadtest.bench import compare, routes, streams, workers
from loadtest.bench.draw import draw
from loadtest.bench.fronts import BrokenRun
from loadtest.bench.goals import Goal, goals
from loadtest.bench.place import Place
from loadtest.bench.section import Section
from loadtest.engine_repository import NotStarted
from loadtest.plots import HOW, can_draw
from loadtest.progress import Progress
from loadtest.summary import table

KEYS = (*compare.KEYS, streams.KEY, routes.KEY, workers.KEY)
EXAMPLES = f"""\
sections: {", ".join(KEYS)}

examples:
  python -m loadtest.bench
      all of it, in about five minutes on two cores; nothing else should run on the machine
  python -m loadtest.bench --only saturated --runs 5
  python -m loadtest.bench --only workers --workers 1,2,4,8
      on a machine with 16 cores
"""
DEFAULT_OUTPUT = Path("build/bench")

Measure = Callable[[Place], Section]


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m loadtest.bench",
        description="Measures what a streamed token costs the gateway, beside an application that only emits the same "
        "bytes, and what it adds to the time that a token takes. Machines drift: compare ratios within one run.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--only", action="append", metavar="SECTION", help="this one; may be given several times")
    root.add_argument("--runs", type=_positive, default=3, metavar="N", help="of each, in turns (default 3)")
    root.add_argument(
        "--workers", type=_counts, default=(1, 2), metavar="N,N", help="of the last section (default 1,2)"
    )
    root.add_argument("--quick", action="store_true", help="little of everything and one run: shows that it works")
    root.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR", help=f"for results and plots ({DEFAULT_OUTPUT})"
    )
    return root


def chosen(names: Sequence[str] | None, counts: Sequence[int]) -> dict[str, Measure]:
    """What to measure. ValueError names a section that does not exist."""
    known: dict[str, Measure] = {load.key: partial(compare.compare, load=load) for load in compare.LOADS}
    known[streams.KEY] = streams.measure
    known[routes.KEY] = routes.measure
    known[workers.KEY] = partial(workers.measure, counts=counts)
    for name in names or ():
        if name not in known:
            raise ValueError(f"there is no section {name!r}; there are {', '.join(known)}")
    return {name: known[name] for name in known if not names or name in names}


def play(place: Place, measures: Mapping[str, Measure]) -> dict[str, Section]:
    """One after another; a section that breaks is a row that says why, and the next one plays."""
    sections: dict[str, Section] = {}
    for name, measure in measures.items():
        try:
            sections[name] = measure(place)
        except (BrokenRun, NotStarted) as exc:
            sections[name] = Section(name, name.capitalize(), (), (), skipped=(str(exc),))
        place.progress.clear()
        print(sections[name].text(), flush=True)
    return sections


def head(command: str, seconds: float) -> list[str]:
    cores, load = os.cpu_count() or 1, os.getloadavg()[2]
    return [
        f"gateway {__version__}, Python {platform.python_version()}, {platform.release()}, {cores} cores;",
        f"`{command}` took {seconds:.0f} s; load average over 15 minutes at its end: {load:.1f}.",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        measures = chosen(options.only, options.workers)
    except ValueError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it, and all that it started
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with it ignored
    began = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Progress() as progress,
            Place(Path(folder), progress, runs=1 if options.quick else options.runs, quick=options.quick) as place,
        ):
            sections = play(place, measures)
    except KeyboardInterrupt:
        print("bench: interrupted; everything was stopped", file=sys.stderr)
        return 130
    command = shlex.join(["python", "-m", "loadtest.bench", *(sys.argv[1:] if argv is None else argv)])
    report(options.output, sections, goals(sections), head(command, time.monotonic() - began))
    return 1 if any(not section.rows for section in sections.values() if section.key != routes.KEY) else 0


def report(folder: Path, sections: Mapping[str, Section], reached: Sequence[Goal], words: Sequence[str]) -> None:
    """Prints the goals, and writes everything."""
    told = "\n".join(["## Goals", "", table([goal.row() for goal in reached]), "", *words])
    print(told)
    folder.mkdir(parents=True, exist_ok=True)
    whole = "\n".join(["# Bench", "", *(section.text() for section in sections.values()), told, ""])
    (folder / "results.md").write_text(whole, "utf-8")
    document = {
        "about": list(words),
        "sections": {name: section.json() for name, section in sections.items()},
        "goals": [{"what": g.what, "goal": g.goal, "figure": g.figure, "reached": g.reached} for g in reached],
    }
    (folder / "results.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    written = [folder / "results.md", folder / "results.json"]
    if can_draw():
        written += draw({name: section for name, section in sections.items() if section.rows}, folder)
    else:
        print(HOW)
    print(f"\nWritten: {', '.join(str(path) for path in written)}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(_positive(each) for each in text.split(","))
    if len(set(counts)) != len(counts):
        raise argparse.ArgumentTypeError(f"{text!r} names a number of workers twice")
    return counts


if __name__ == "__main__":
    sys.exit(main())
