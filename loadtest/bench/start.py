"""How long ``gateway serve`` takes from its start until it is ready, with Triton already up.

    python -m loadtest.bench.start --runs 5 --workers 1 2

Ready: every process of it serves, and /readyz says 200. Triton is a stand-in (``stand_in``) that answers at once; the
tokenizer is the one in the package, unless another is given. CPU is of all the gateway's processes, as the operating
system counts it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench.fronts import config, stand_in
from loadtest.engine_repository import SEEDLING, NotStarted
from loadtest.measurement import usage
from loadtest.processes import Gateway

PAUSE_SECONDS = 0.005
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds until it was ready, and what it had cost by then."""

    wall: float
    cpu: float
    rss_mib: float


def start(folder: Path, triton: int, workers: int, tokenizer: str) -> Start:
    """Starts a gateway, and ends it."""
    gateway = Gateway(folder, config(triton, "h2").replace(str(SEEDLING), tokenizer), "--workers", str(workers))
    began = time.perf_counter()
    gateway.launch()
    try:
        # The port is taken before anybody serves: a request waits there, and is answered in the first moment.
        while not (_announced(gateway) and gateway.status("/readyz") == 200):
            if not gateway.running or time.perf_counter() - began > TIMEOUT_SECONDS:
                raise NotStarted(f"the gateway is not ready:\n{gateway.log.read_text('utf-8')[-3000:]}")
            time.sleep(PAUSE_SECONDS)
        wall, used = time.perf_counter() - began, usage(gateway.pids)
    finally:
        gateway.stop()
    return Start(wall, used.cpu_seconds, used.rss_mib)


def _announced(gateway: Gateway) -> bool:
    """Whether it said that all its processes serve."""
    return ", models: " in gateway.log.read_text("utf-8", "replace")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.start", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="after one that warms the page cache; the median counts")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--tokenizer", default=str(SEEDLING), help="folder; default: the one in the package")
    arguments = parser.parse_args()
    found: dict[int, list[Start]] = {count: [] for count in arguments.workers}
    with tempfile.TemporaryDirectory() as folder, stand_in(1, 0) as triton:
        for run in range(-1, arguments.runs):
            for count, starts in found.items():
                print(f"\rstart {run + 1} of {arguments.runs}, {count} workers   ", end="", file=sys.stderr, flush=True)
                made = start(Path(folder), triton, count, arguments.tokenizer)
                if run >= 0:
                    starts.append(made)
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    print(f"from start to ready, median of {arguments.runs}")
    print(f"  {'workers':<9}{'wall s':>8}{'(least, most)':>16}{'CPU s':>8}{'RSS MiB':>9}")
    for count, starts in found.items():
        walls = [each.wall for each in starts]
        print(
            f"  {count:<9}{statistics.median(walls):>8.2f}{f'({min(walls):.2f}, {max(walls):.2f})':>16}"
            f"{statistics.median(each.cpu for each in starts):>8.2f}"
            f"{statistics.median(each.rss_mib for each in starts):>9.0f}"
        )


if __name__ == "__main__":
    main()
