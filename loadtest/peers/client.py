"""One load of our own client in a process of its own, with the averages that aiperf tells.

    python -m loadtest.peers.client http://127.0.0.1:9000 --streams 64 --requests 3 --tokens 200

prints what was seen as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import uvloop

from loadtest.ask import Ask, Seen, chat
from loadtest.bench.fronts import MODEL
from loadtest.client import Client
from loadtest.load import closed_loop
from loadtest.summary import Spread, summarize


async def load(url: str, body: bytes, *, streams: int, requests: int) -> list[Seen]:
    """So many streams at once, each with so many requests, one after another."""
    client = Client(url)
    try:
        return await closed_loop(client, (Ask(body) for _ in range(streams * requests)), clients=streams)
    finally:
        client.close()


def figures(seen: Sequence[Seen]) -> dict[str, Any]:
    """``inter_token``: the mean gap of each answer, over all answers."""
    good = [each for each in seen if each.good and each.gaps]
    means = [sum(each.gaps) / len(each.gaps) for each in good]
    firsts = [each.ttft for each in good if each.ttft is not None]
    inter_token = Spread.of(means)
    return summarize(seen).json() | {
        "inter_token": {"p50": inter_token.p50, "p99": inter_token.p99, "average": _average_ms(means)},
        "ttft_average": _average_ms(firsts),
    }


def _average_ms(seconds: Sequence[float]) -> float | None:
    return sum(seconds) / len(seconds) * 1000 if seconds else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.peers.client", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--requests", type=int, default=1, help="of each stream")
    parser.add_argument("--tokens", type=int, default=200, help="of each answer")
    arguments = parser.parse_args()
    body = chat(MODEL, "Hello", max_tokens=arguments.tokens)
    seen = uvloop.run(load(arguments.url, body, streams=arguments.streams, requests=arguments.requests))
    print(json.dumps(figures(seen)))


if __name__ == "__main__":
    main()
