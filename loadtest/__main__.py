"""``python -m loadtest``: load on any OpenAI-compatible server, and the way to the other tools here."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from loadtest.ask import Seen
from loadtest.asks import asks
from loadtest.client import Client
from loadtest.lengths import FORMS, Lengths, lengths
from loadtest.load import closed_loop, open_loop
from loadtest.measurement import Usage, family, usage
from loadtest.plots import HOW, can_draw, distributions
from loadtest.progress import Progress
from loadtest.scenario import Scenario, WrongScenario, changed
from loadtest.scenario_file import names, read
from loadtest.summary import Summary, quantiles, summarize, table

N = TypeVar("N", int, float)

EPILOG = f"""\
examples:
  python -m loadtest http://127.0.0.1:9000 --model qwen --clients 64 --requests 1000
      64 clients, each with one request at a time
  python -m loadtest http://127.0.0.1:9000 --model qwen --rate 20 --requests 1000 --leave 0.2 --pid 4711
      20 requests a second at Poisson's moments, a fifth of the clients leave, CPU of process 4711 and its children
  python -m loadtest http://127.0.0.1:9000 --model qwen --scenario chat --plots build/chat
      what a file says (here: {", ".join(names())}), and plots of it; other options go before the file's

lengths: {FORMS}

also here (each with --help):
  python -m loadtest.bench      what a token costs the gateway, with the goals beside the figures
  python -m loadtest.faults     what clients see when Tritons, engines, clients or gateways fail
  python -m loadtest.soak       whether memory and open files stay flat over 100,000 requests
  python -m loadtest.fleet      policies of balancing over simulated Tritons
"""
_LOOK_SECONDS = 0.25


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Streams chats from a server and measures them: time to the first token, gaps, the end.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("url", metavar="URL", type=_url, help="of the server, without a path")
    root.add_argument("--model", required=True, metavar="NAME")
    root.add_argument("--scenario", metavar="FILE", help="what load to make; options given here go first")
    how = root.add_mutually_exclusive_group()
    how.add_argument("--clients", type=_number(int), metavar="N", help="closed loop (default 16)")
    how.add_argument("--rate", type=_number(float), metavar="R", help="open loop: requests a second, on average")
    root.add_argument("--requests", type=_number(int), metavar="N", help="(default 200)")
    root.add_argument("--max-tokens", type=_lengths, dest="tokens", metavar="LEN", help="of each answer (default 64)")
    root.add_argument("--exact", action="store_true", default=None, help="go on after an end token (ignore_eos)")
    what = root.add_mutually_exclusive_group()
    what.add_argument("--prompt", dest="text", metavar="TEXT")
    what.add_argument("--prompt-words", type=_lengths, dest="words", metavar="LEN", help="made-up prompts so long")
    root.add_argument(
        "--gap-ms", type=_number(float), metavar="MS", help="ask our scripted engines for tokens so far apart"
    )
    root.add_argument("--leave", type=_number(float), metavar="SHARE", help="of clients, at random moments")
    root.add_argument("--leave-within", type=_number(float), metavar="S", help="(default 1 s)")
    root.add_argument("--slow", type=_number(float), metavar="SHARE", help="of clients, which read slowly")
    root.add_argument("--timeout", type=_number(float), metavar="S", help="of each answer (default 120 s)")
    root.add_argument("--key", metavar="KEY", help="API key")
    root.add_argument("--pid", type=int, action="append", default=[], metavar="PID", help="measure it and its children")
    root.add_argument("--seed", type=_number(int), metavar="N", help="of all that is random (default 1)")
    root.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    root.add_argument("--plots", type=Path, metavar="DIR", help="draw ttft.png and gap.png there")
    return root


def scenario(options: argparse.Namespace) -> Scenario:
    """WrongScenario says what to change."""
    base = read(options.scenario) if options.scenario else Scenario()
    return changed(base, {each.name: getattr(options, each.name, None) for each in fields(Scenario)})


async def load(
    url: str, model: str, wanted: Scenario, progress: Progress, seen: list[Seen], *, key: str | None = None
) -> None:
    """Fills ``seen``, so that what was seen is there when it is interrupted."""
    client = Client(url)
    headers = (("authorization", f"Bearer {key}"),) if key else ()
    telling = asyncio.ensure_future(_tell(progress, client, seen, wanted.requests))
    try:
        each = asks(wanted, model, headers)
        if wanted.rate:
            await open_loop(client, each, rate=wanted.rate, seed=wanted.seed, told=seen.append)
        else:
            await closed_loop(client, each, clients=wanted.clients, told=seen.append)
    finally:
        telling.cancel()
        client.close()


async def _tell(progress: Progress, client: Client, seen: Sequence[Seen], requests: int) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        rate = client.tally.frames / (time.monotonic() - began)
        failed = sum(not (each.good or each.left) for each in seen)
        progress.tell(f"{len(seen)} of {requests} answers, {failed} of them failed; {rate:.0f} frames a second")


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        wanted = scenario(options)
    except WrongScenario as exc:
        print(f"loadtest: {exc}", file=sys.stderr)
        return 2
    if options.plots and not can_draw():
        print(f"loadtest: {HOW}", file=sys.stderr)
        return 2
    pids = [pid for given in options.pid for pid in family(given)]
    before = usage(pids)
    seen: list[Seen] = []
    interrupted = False
    with Progress() as progress:
        try:
            asyncio.run(load(options.url, options.model, wanted, progress, seen, key=options.key))
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        print(f"loadtest: interrupted after {len(seen)} of {wanted.requests} answers", file=sys.stderr)
    if not seen:
        return 130
    summary = summarize(seen)
    process = _process(before, usage(pids), summary) if pids else {}
    print(table([_figures(summary) | process]))
    _write(options, seen, summary.json() | {"processes": process})
    if interrupted:
        return 128 + signal.SIGINT
    return 0 if set(summary.kinds) <= {"ok", "left"} else 1


def _figures(summary: Summary) -> dict[str, object]:
    figures: dict[str, object] = {
        "asked": summary.asked,
        "saw": ", ".join(f"{count} {kind}" for kind, count in sorted(summary.kinds.items())),
        "frames/s": summary.frames_per_second,
    }
    for name, spread in (("ttft", summary.ttft), ("gap", summary.gap), ("end", summary.end)):
        figures |= {f"{name} p50 ms": spread.p50, f"{name} p99 ms": spread.p99}
    return figures


def _process(before: Usage, after: Usage, summary: Summary) -> dict[str, object]:
    cpu = after.cpu_seconds - before.cpu_seconds
    return {
        "cpu_seconds": round(cpu, 2),
        "cpu_us_per_frame": round(cpu / summary.frames * 1e6, 1) if summary.frames else None,
        "rss_mib_before": round(before.rss_mib, 1),
        "rss_mib_after": round(after.rss_mib, 1),
        "files_before": before.files,
        "files_after": after.files,
    }


def _write(options: argparse.Namespace, seen: Sequence[Seen], document: dict[str, object]) -> None:
    good = [each for each in seen if each.good]
    ttft = quantiles(each.ttft for each in good if each.ttft is not None)
    gap = quantiles(gap for each in good for gap in each.gaps)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        document |= {"ttft_quantiles_ms": ttft, "gap_quantiles_ms": gap}
        options.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    if options.plots:
        for name, steps, words in (
            ("ttft", ttft, "Time to the first token"),
            ("gap", gap, "Time between frames"),
        ):
            if steps:
                distributions(options.plots / f"{name}.png", words, {options.model: steps}, "milliseconds")


def _url(text: str) -> str:
    address = urlsplit(text)
    try:
        good = address.scheme == "http" and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError(f"{text!r} is no address of a server; write http://HOST:PORT")
    return text


def _number(kind: Callable[[str], N]) -> Callable[[str], N]:
    """Bounds are the scenario's."""

    def number(text: str) -> N:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {'whole ' if kind is int else ''}number") from None

    return number


def _lengths(text: str) -> Lengths:
    try:
        return lengths(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


if __name__ == "__main__":
    sys.exit(main())
