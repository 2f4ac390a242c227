"""What a request costs before the engine sees it, stage by stage, and how long it holds the event loop.

    python -m loadtest.bench.prompt --tokens 20 4000 --tokenizer Qwen3-8B

The stages are called as the gateway calls them, in one process. Then whole requests are prepared by a gateway's service
while a task beside them wakes up each half millisecond: how late it wakes is how long any stream would have waited. The
first line has what the machine itself does to it, with nothing to prepare.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

from gateway.core.caller import NOBODY
from gateway.core.prompt import build_chat, ignored_fields
from gateway.core.routes import Bound
from gateway.core.schema.chat import parse_chat
from gateway.lineup import Lineup
from gateway.metrics import Metrics
from gateway.offload import LONG_BODY, offloaded
from gateway.serve import SWITCH_SECONDS
from gateway.service import ServedModel, Service
from gateway.settings import Settings
from gateway.triton.h2.infer import encode
from gateway.triton.member import any_bound
from gateway.triton.transport import Call
from gateway.wiring import Wiring
from loadtest.ask import chat
from loadtest.bench.fronts import stand_in
from loadtest.engine_repository import SEEDLING

TEXT = (
    "The gateway reads each token as it comes, turns it into text and passes it on; nothing waits for the end of the "
    "answer. 如何保持正能量？多读书，多运动。 In 2024 it took `<b>12.5 ms</b>`, and if a < b then f(x) = x ** 2.\n"
)
BEAT_SECONDS = 0.0005


def body(tokens: int, model: ServedModel) -> bytes:
    """A chat of one message with so many tokens."""
    ids = model.tokenizer.encode(TEXT * (tokens // 20 + 1))[:tokens]
    content = b"".join(model.tokenizer.table[id] for id in ids).decode("utf-8", "ignore")
    return chat("bench", content, max_tokens=100)


def stages(raw: bytes, model: ServedModel, bound: Bound) -> dict[str, Callable[[], object]]:
    """Each step on the way, by its name."""
    request = parse_chat(raw)
    generate = build_chat(request, model.limits, model.tokenizer, id="chatcmpl-0", seed=1)[0]
    tensors = bound.encode(generate, model.tokenizer)
    call = Call(bound.model, generate.id, tensors, bound.wanted(generate))
    return {
        "parse": lambda: parse_chat(raw),
        "unknown": lambda: ignored_fields(request, model.tokenizer),
        "build": lambda: build_chat(request, model.limits, model.tokenizer, id="chatcmpl-0", seed=1),
        "(tokens)": lambda: model.tokenizer.encode(generate.prompt.text),
        "tensors": lambda: bound.encode(generate, model.tokenizer),
        "message": lambda: encode(call),
    }


def milliseconds(work: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.thread_time()  # of CPU: others may be at work on this machine
        work()
        taken.append(time.thread_time() - began)
    return statistics.median(taken) * 1000


async def held(work: Callable[[], Any], runs: int) -> tuple[list[float], list[float]]:
    """Milliseconds that each run took, and how late the beat was in each, at worst."""
    loop = asyncio.get_running_loop()
    late = 0.0

    async def beat() -> None:
        nonlocal late
        due = loop.time()
        while True:
            due = max(due, loop.time()) + BEAT_SECONDS
            await asyncio.sleep(due - loop.time())
            late = max(late, loop.time() - due)

    beating = asyncio.ensure_future(beat())
    took, worst = [], []
    for _ in range(runs):
        await asyncio.sleep(0.005)
        late, began = 0.0, loop.time()
        await work()
        took.append((loop.time() - began) * 1000)
        await asyncio.sleep(0.002)
        worst.append(late * 1000)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    return took, worst


@contextlib.contextmanager
def settings(tokenizer: str) -> Iterator[Settings]:
    with stand_in(1, 0) as port:
        model = {
            "name": "bench",
            "triton": f"127.0.0.1:{port}",
            "tokenizer": tokenizer,
            "max_model_len": 1_000_000,
            "eos_token_ids": [1],
        }
        yield Settings.read({"models": [model]}, {}, {}, folder=Path.cwd())


async def measured(read: Settings, sizes: Sequence[int], runs: int) -> dict[str, Any]:
    metrics = Metrics()
    wiring = Wiring(read, metrics)
    lineup = Lineup(read, wiring)
    service = Service(lineup.models, metrics, wiring.attempts, wiring.admission)
    await lineup.start()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        model = service.model("bench")
        bound = await any_bound(model.name, model.pool.backends)
        found: dict[str, Any] = {}
        for size in sizes:
            raw = body(size, model)

            async def prepare(raw: bytes = raw) -> None:
                request = await offloaded(lambda: parse_chat(raw), len(raw), long=LONG_BODY)
                await service.chat(request, size=len(raw), origin=NOBODY)

            took, late = await held(prepare, runs)
            steps = {name: milliseconds(work, runs) for name, work in stages(raw, model, bound).items()}
            found[str(size)] = {"steps": steps, "took": took, "late": late, "bytes": len(raw)}
        _, quiet = await held(lambda: asyncio.sleep(0.02), runs)
        return {"sizes": found, "quiet": quiet}
    finally:
        await lineup.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.prompt", description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[20, 4000], help="of each prompt")
    parser.add_argument("--runs", type=int, default=100, help="the median counts, of what is late the worst twentieth")
    parser.add_argument("--tokenizer", default=str(SEEDLING), help="folder; default: the one in the package")
    parser.add_argument("--json", action="store_true", help="everything that was measured")
    arguments = parser.parse_args()
    with settings(arguments.tokenizer) as read:
        found = uvloop.run(measured(read, arguments.tokens, arguments.runs))
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"milliseconds of CPU, median of {arguments.runs}; beat late by, p95 and most (of nothing:"
          f" {_p95(found['quiet']):.1f}, {max(found['quiet']):.1f})")  # fmt: skip
    for size, each in found["sizes"].items():
        steps = "  ".join(f"{name} {took:.2f}" for name, took in each["steps"].items())
        print(f"  {size} tokens, {each['bytes']} bytes: {steps}")
        print(f"    prepared in {statistics.median(each['took']):.2f}, beat late by {_p95(each['late']):.1f},"
              f" {max(each['late']):.1f}")  # fmt: skip


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


if __name__ == "__main__":
    main()
