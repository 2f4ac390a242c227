"""``python -m loadtest``: load on any OpenAI-compatible server, and the way to the other tools here."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtest.ask import Ask, Seen, chat
from loadtest.client import Client
from loadtest.engine.script import Script, script_text
from loadtest.load import closed_loop, open_loop
from loadtest.measurement import family, usage
from loadtest.summary import summarize, table

EPILOG = """\
examples:
  python -m loadtest http://127.0.0.1:9000 --model qwen --clients 64 --requests 1000
      64 clients, each with one request at a time
  python -m loadtest http://127.0.0.1:9000 --model qwen --rate 20 --requests 1000 --leave 0.2 --pid 4711
      20 requests a second at Poisson's moments, a fifth of the clients leave, CPU of process 4711 and its children

also here (each with --help):
  python -m loadtest.faults     what clients see when Tritons, engines, clients or gateways fail
  python -m loadtest.soak       whether memory and open files stay flat over 100,000 requests
  python -m loadtest.fleet      policies of balancing over simulated Tritons
"""


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Streams chats from a server and measures them: time to the first token, gaps, the end.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("url", metavar="URL", help="of the server, without a path")
    root.add_argument("--model", required=True, metavar="NAME")
    how = root.add_mutually_exclusive_group()
    how.add_argument("--clients", type=_positive, default=16, metavar="N", help="closed loop (default 16)")
    how.add_argument("--rate", type=float, metavar="R", help="open loop: requests a second, on average")
    root.add_argument("--requests", type=_positive, default=200, metavar="N", help="(default 200)")
    root.add_argument("--max-tokens", type=_positive, default=64, metavar="N", help="of each answer (default 64)")
    root.add_argument("--prompt", default="Count from one to a hundred.", metavar="TEXT")
    root.add_argument(
        "--gap-ms", type=float, metavar="MS", help="ask the scripted engine for tokens so far apart, not with --prompt"
    )
    root.add_argument("--leave", type=float, default=0.0, metavar="SHARE", help="of clients, at random moments")
    root.add_argument("--leave-within", type=float, default=1.0, metavar="S", help="(default 1 s)")
    root.add_argument("--key", metavar="KEY", help="API key")
    root.add_argument("--pid", type=int, action="append", default=[], metavar="PID", help="measure it and its children")
    root.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    root.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return root


def asks(options: argparse.Namespace) -> Iterator[Ask]:
    """The requests that the command line wants."""
    generator = random.Random(options.seed)
    prompt = options.prompt
    if options.gap_ms is not None:
        prompt = script_text(Script(text="one two three ", repeat=True, delay_ms=options.gap_ms))
    body = chat(options.model, prompt, max_tokens=options.max_tokens)
    headers = (("authorization", f"Bearer {options.key}"),) if options.key else ()
    for _ in range(options.requests):
        leaves = generator.random() < options.leave
        yield Ask(body, headers=headers, leave_after=generator.uniform(0, options.leave_within) if leaves else None)


async def load(options: argparse.Namespace) -> list[Seen]:
    client = Client(options.url)
    seen: list[Seen] = []
    told = time.monotonic()

    def hear(answer: Seen) -> None:
        nonlocal told
        seen.append(answer)
        if time.monotonic() - told > 5:
            told = time.monotonic()
            print(f"{len(seen)} of {options.requests}", file=sys.stderr, flush=True)

    try:
        if options.rate:
            await open_loop(client, asks(options), rate=options.rate, seed=options.seed, told=hear)
        else:
            await closed_loop(client, asks(options), clients=options.clients, told=hear)
    finally:
        client.close()
    return seen


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    pids = [pid for given in options.pid for pid in family(given)]
    before = usage(pids)
    try:
        summary = summarize(asyncio.run(load(options)))
    except KeyboardInterrupt:
        return 130
    after = usage(pids)
    cpu = after.cpu_seconds - before.cpu_seconds
    figures: dict[str, object] = {
        "asked": summary.asked,
        "saw": ", ".join(f"{count} {kind}" for kind, count in sorted(summary.kinds.items())),
        "frames/s": summary.frames_per_second,
    }
    for name, spread in (("ttft", summary.ttft), ("gap", summary.gap), ("end", summary.end)):
        figures |= {f"{name} p50 ms": spread.p50, f"{name} p99 ms": spread.p99}
    process = {}
    if pids:
        process = {
            "cpu_seconds": round(cpu, 2),
            "cpu_us_per_frame": round(cpu / summary.frames * 1e6, 1) if summary.frames else None,
            "rss_mib_before": round(before.rss_mib, 1),
            "rss_mib_after": round(after.rss_mib, 1),
            "files_before": before.files,
            "files_after": after.files,
        }
    print(table([figures | process]))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        document = summary.json() | {"processes": process}
        options.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return 0 if set(summary.kinds) <= {"ok", "left"} else 1


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
