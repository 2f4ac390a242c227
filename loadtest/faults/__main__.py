"""``python -m loadtest.faults``: plays the matrix and writes its table. 1 where a goal was missed."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from loadtest.engine_repository import NotStarted
from loadtest.faults.result import Result, markdown
from loadtest.faults.scenario import NotHere, Scenario
from loadtest.faults.scenarios import ALL
from loadtest.faults.stage import Scale, Stage

EXAMPLES = """\
examples:
  python -m loadtest.faults --short
      every goal with little load, in about a minute; part of `make test`
  python -m loadtest.faults --output build/faults
      the measured table (minutes; nothing else should run on the machine): build/faults.md and build/faults.json
  python -m loadtest.faults --only kill-midstream --only disconnects
"""


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m loadtest.faults",
        description="Starts real tritonservers and gateways, breaks them in turn, and writes what clients saw.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--short", action="store_true", help="less of everything: shows that nothing is lost")
    root.add_argument("--only", action="append", metavar="NAME", help="this scenario; may be given several times")
    root.add_argument("--list", action="store_true", help="names and what they are, and nothing else")
    root.add_argument("--output", type=Path, metavar="PATH", help="write PATH.md and PATH.json; not given: print only")
    root.add_argument("--keep", type=Path, metavar="DIR", help="put logs and journals there, and leave them")
    root.add_argument(
        "--minutes", type=float, default=15, metavar="N", help="end after so long, the rest not run (default 15)"
    )
    return root


def chosen(names: Sequence[str] | None, *, short: bool) -> list[Scenario]:
    """The scenarios to play. ValueError names one that does not exist."""
    known = {scenario.name: scenario for scenario in ALL}
    if names:
        for name in names:
            if name not in known:
                raise ValueError(f"there is no scenario '{name}'; there are {', '.join(known)}")
        return [known[name] for name in names]
    return [scenario for scenario in ALL if scenario.short or not short]


async def play(stage: Stage, scenarios: Sequence[Scenario], *, until: float) -> list[Result]:
    """One after another; a scenario that fails in itself is a missed goal, and the next one plays."""
    results: list[Result] = []
    for number, scenario in enumerate(scenarios, 1):
        _progress(f"[{number}/{len(scenarios)}] {scenario.name}: {scenario.what}")
        left = until - time.monotonic()
        began = time.monotonic()
        if left <= 0:
            result = Result(scenario.name, skipped="the time for the run was over")
        else:
            try:
                result = await asyncio.wait_for(_played(stage, scenario), min(scenario.timeout, left))
            except NotHere as missing:
                result = Result(scenario.name, skipped=str(missing))
            except asyncio.TimeoutError:
                took = time.monotonic() - began
                result = Result(scenario.name, missed=(f"it was not over after {took:.0f} s",))
            except Exception as exc:  # the next scenario plays all the same
                result = Result(scenario.name, missed=(f"it could not play: {type(exc).__name__}: {exc}",))
        results.append(result)
        _progress(f"    {result.verdict} ({time.monotonic() - began:.1f} s)")
    return results


async def _played(stage: Stage, scenario: Scenario) -> Result:
    await stage.heal()
    return await scenario.play(stage, scenario.name)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if options.list:
        for scenario in ALL:
            print(f"{scenario.name:22} {scenario.what}")
        return 0
    try:
        scenarios = chosen(options.only, short=options.short)
    except ValueError as exc:
        print(f"faults: {exc}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    until = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _progress("starting three Tritons")
            with Stage(folder, Scale(options.short)) as stage:
                results = asyncio.run(play(stage, scenarios, until=until))
        except KeyboardInterrupt:
            print("faults: interrupted; everything was stopped", file=sys.stderr)
            return 130
        except NotStarted as exc:
            print(f"faults: {exc}", file=sys.stderr)
            return 1
    command = shlex.join(["python", "-m", "loadtest.faults", *(sys.argv[1:] if argv is None else argv)])
    report = markdown(results, machine=_machine(), command=command)
    print(report)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.with_suffix(".md").write_text(report, "utf-8")
        rows = [result.json() for result in results]
        options.output.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return 1 if any(result.missed for result in results) else 0


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}."


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
