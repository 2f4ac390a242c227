"""``python -m loadtest.soak``: many short requests, a fifth of them cancelled; memory and open files stay flat.

A real tritonserver with the scripted engine and a real gateway. It knows what flat means. It must not know why
something grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadtest.ask import Ask, Seen
from loadtest.client import Client
from loadtest.engine_repository import NotStarted
from loadtest.faults.stage import SETTINGS, Scale, Stage
from loadtest.load import closed_loop
from loadtest.measurement import Usage, usage
from loadtest.polling import wait_until
from loadtest.processes import Gateway
from loadtest.summary import table

# Bounded tables fill first, and that is growth too: the one of prefixes is made small, so that it is full soon.
_CONFIG = SETTINGS.replace("[balance]\n", "[balance]\naffinity_entries = 1000\n")
_WARM = 0.2  # share of the requests after which memory must be flat
_FLAT = 0.05
_SPARE_FILES = 4  # more open than before that are no leak: a log, a timer, a connection to Triton
_SAMPLE_SECONDS = 0.5


@dataclass(slots=True)
class Soak:
    """What is known of a run. Memory is MiB."""

    requests: int
    kinds: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    memory: list[tuple[int, float]] = field(default_factory=list)  # requests that were over → resident memory
    files: list[int] = field(default_factory=list)
    files_before: int = 0
    files_after: int = 0
    leaked: int = 0

    def windows(self) -> tuple[float, float]:
        """Median memory just after the warm-up, and at the end."""
        warm = [memory for over, memory in self.memory if over >= self.requests * _WARM]
        tenth = max(1, len(warm) // 8)
        return (statistics.median(warm[:tenth]), statistics.median(warm[-tenth:])) if warm else (0.0, 0.0)

    def missed(self) -> list[str]:
        """Goals that were not reached, as sentences."""
        early, late = self.windows()
        wrong = {kind: count for kind, count in self.kinds.items() if kind not in ("ok", "left")}
        grown = (late - early) / early if early else 1.0
        goals = [
            (not wrong, f"answers that are neither good nor left: {wrong}"),
            (abs(grown) <= _FLAT, f"memory went from {early:.1f} to {late:.1f} MiB, {grown:+.1%} (goal: ±5 %)"),
            (
                self.files_after <= self.files_before + _SPARE_FILES,
                f"open files went from {self.files_before} to {self.files_after}",
            ),
            (self.leaked == 0, f"{self.leaked} generations never ended in the engine"),
        ]
        return [sentence for reached, sentence in goals if not reached]

    def row(self) -> dict[str, object]:
        early, late = self.windows()
        return {
            "requests": sum(self.kinds.values()),
            "clients saw": ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items())),
            "seconds": round(self.seconds),
            "a second": round(sum(self.kinds.values()) / self.seconds) if self.seconds else 0,
            "MiB after warm-up → end": f"{early:.1f} → {late:.1f}",
            "most MiB": round(max((memory for _, memory in self.memory), default=0.0), 1),
            "files before → most → after": f"{self.files_before} → {max(self.files, default=0)} → {self.files_after}",
            "slots leaked": self.leaked,
            "verdict": "; ".join(f"MISSED: {sentence}" for sentence in self.missed()) or "ok",
        }

    def json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": not self.missed()}


async def soak(stage: Stage, gateway: Gateway, requests: int, *, clients: int, cancels: float) -> Soak:
    """``cancels``: the share of clients that leave, at random moments of their short answer."""
    run = Soak(requests)
    client = Client(gateway.url)
    account = stage.account()
    generator = random.Random(100)

    def asks() -> Iterator[Ask]:
        for _ in range(requests):
            leave = generator.uniform(0.0, 0.08) if generator.random() < cancels else None
            yield stage.ask(tokens=6, delay_ms=10, leave_after=leave)

    def told(seen: Seen) -> None:
        run.kinds[seen.kind] = run.kinds.get(seen.kind, 0) + 1

    await closed_loop(client, stage.asks(50, tokens=4, delay_ms=1), clients=clients)
    client.close()
    await asyncio.sleep(1.0)
    run.files_before = _usage(gateway).files
    began = time.monotonic()
    sampler = asyncio.ensure_future(_sample(run, gateway))
    try:
        await closed_loop(client, asks(), clients=clients, told=told)
    finally:
        sampler.cancel()
        client.close()
    run.seconds = time.monotonic() - began
    await wait_until(lambda: not account.running(), 10)
    run.leaked = len(account.running())
    await wait_until(lambda: _usage(gateway).files <= run.files_before + _SPARE_FILES, 10)
    run.files_after = _usage(gateway).files
    return run


async def _sample(run: Soak, gateway: Gateway) -> None:
    told = 0.0
    while True:
        now = _usage(gateway)
        over = sum(run.kinds.values())
        run.memory.append((over, round(now.rss_mib, 2)))
        run.files.append(now.files)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            line = f"{over} of {run.requests}, {now.rss_mib:.0f} MiB, {now.files} files"
            print(line, file=sys.stderr, flush=True)
        await asyncio.sleep(_SAMPLE_SECONDS)


def _usage(gateway: Gateway) -> Usage:
    return usage(gateway.pids)


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m loadtest.soak",
        description="Asks a gateway many short things and says whether its memory and open files stay flat. "
        "100,000 requests take minutes on two quiet cores.",
    )
    root.add_argument("--requests", type=int, default=100_000, metavar="N", help="(default 100000)")
    root.add_argument("--clients", type=int, default=24, metavar="N", help="at once (default 24)")
    root.add_argument("--cancels", type=float, default=0.2, metavar="SHARE", help="of clients that leave (default 0.2)")
    root.add_argument("--output", type=Path, metavar="PATH", help="write PATH.md and PATH.json; not given: print only")
    return root


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # both end it, and all that it started
    try:
        with (
            tempfile.TemporaryDirectory(prefix="soak-") as folder,
            Stage(Path(folder), Scale(False), tritons=1) as stage,
        ):
            gateway = stage.gateway(1, _CONFIG, "--log-level", "warning")
            play = soak(stage, gateway, options.requests, clients=options.clients, cancels=options.cancels)
            run = asyncio.run(play)
    except KeyboardInterrupt:
        print("soak: interrupted; everything was stopped", file=sys.stderr)
        return 130
    except NotStarted as exc:
        print(f"soak: {exc}", file=sys.stderr)
        return 1
    report = table([run.row()])
    print(report)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.with_suffix(".md").write_text(f"# Soak\n\n{report}\n", "utf-8")
        options.output.with_suffix(".json").write_text(json.dumps(run.json(), indent=1) + "\n", "utf-8")
    return 1 if run.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
