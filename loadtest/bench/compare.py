"""The emitter beside the gateway on each transport, under one load after another.

It knows loads and which front ends get them. It must not know goals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadtest.bench.figures import Figures
from loadtest.bench.place import EMITTER, FLOORS, TURN, Place
from loadtest.bench.replay import Pace
from loadtest.bench.section import NOTHING, STAND_IN, Column, Row, Section, pair, rounded

STREAMS = 64


@dataclass(frozen=True, slots=True)
class Load:
    """``fronts``: which, and how many runs of each at most."""

    key: str
    title: str
    pace: Pace
    tokens: int
    requests: int
    fronts: Mapping[str, int]
    staggered: bool = False
    quick_tokens: int = 40
    notes: tuple[str, ...] = ()


_MANY = 1000
LOADS = (
    Load(
        "paced",
        f"Paced: {STREAMS} streams, all asked for at once, 50 ms between tokens",
        Pace(0.05),
        200,
        STREAMS,
        {EMITTER: _MANY, "h2": _MANY, "grpc": 1},
        notes=(
            "The emitter sends the frames that the gateway sends, of the same bytes, and does nothing else. The CPU is",
            "of the front end's process alone; 'streaming' leaves out the beginning and the end of requests.",
        ),
    ),
    Load(
        "steps",
        f"In steps: {STREAMS} streams whose tokens all come at the same moments, every 50 ms, as from a real batch",
        Pace(0.05, steps=True),
        80,
        STREAMS,
        {EMITTER: 2, "h2": 2},
    ),
    Load(
        "staggered",
        f"Staggered: requests at Poisson's moments, so many that {STREAMS} streams are in flight, 50 ms between tokens",
        Pace(0.05),
        40,
        4 * STREAMS,  # of fewer the 99th percentile is the worst one
        {EMITTER: _MANY, "h2": _MANY},
        staggered=True,
    ),
    Load(
        "saturated",
        f"Saturated: {STREAMS} streams, tokens as fast as they are read",
        Pace(0),
        2000,
        STREAMS,
        {EMITTER: _MANY, TURN: _MANY, "h2": _MANY, "grpc": 1},
        quick_tokens=100,
        notes=(
            "'emitter' writes all frames of a stream in one turn of its event loop, which become few system calls;",
            f"'{TURN}' writes one frame to each stream in a turn. The gateway gets what came together in one",
            "piece and writes it in one piece.",
        ),
    ),
)
KEYS = tuple(load.key for load in LOADS)


def compare(place: Place, load: Load) -> Section:
    """In turns, so that each run of the gateway has one of the emitter beside it."""
    tokens = load.quick_tokens if place.quick else load.tokens
    rate = STREAMS / (tokens * load.pace.gap) if load.staggered else None
    found: dict[str, list[Figures]] = {front: [] for front in load.fronts}
    for number in range(place.runs):
        for front, most in load.fronts.items():
            if number < most:
                place.progress.tell(f"{load.key}: run {number + 1} of {place.runs}, {front}")
                figures = place.measure(
                    front, load.pace, streams=STREAMS, requests=load.requests, tokens=tokens, rate=rate, seed=number + 1
                )
                found[front].append(figures)
    rows = [
        Row(
            front,
            NOTHING if front in FLOORS else STAND_IN,
            runs,
            found[EMITTER],
            {"streams": STREAMS, "tokens": tokens},
        )
        for front, runs in found.items()
    ]
    rows[1:] = [_beside_turn(row, found) for row in rows[1:]]
    columns = SATURATED if load.key == "saturated" else PACED
    return Section(load.key, f"{load.title}, {tokens} tokens each", columns, rows, load.notes)


def _beside_turn(row: Row, found: Mapping[str, list[Figures]]) -> Row:
    """What it costs against the second floor too, where there is one."""
    if TURN not in found or row.name in FLOORS:
        return row
    ratio = Row(row.name, row.in_front_of, row.runs, found[TURN]).ratio("cpu_us")
    return Row(row.name, row.in_front_of, row.runs, row.floor, {**row.more, "turn_ratio": ratio})


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


_BOTH: tuple[Column, ...] = (
    ("front end", lambda row: row.name),
    ("in front of", lambda row: row.in_front_of),
    ("runs", lambda row: len(row.runs)),
    ("CPU µs/token", lambda row: rounded(row.median("cpu_us"), 1)),
    ("× emitter", lambda row: rounded(row.ratio("cpu_us"), 2)),
)
PACED: tuple[Column, ...] = (
    *_BOTH,
    ("streaming µs", lambda row: rounded(row.median("steady_us"), 1)),
    ("× emitter ", lambda row: rounded(row.ratio("steady_us"), 2)),
    ("ms/request", lambda row: rounded(row.median("request_ms"), 2)),
    ("TTFT p50 / p99 ms", lambda row: pair(row.median("ttft_p50"), row.median("ttft_p99"))),
    ("added p99", lambda row: rounded(row.added("ttft_p99"), 1)),
    ("gap p99 ms", lambda row: rounded(row.median("gap_p99"), 1)),
    ("added p99 ", lambda row: rounded(row.added("gap_p99"), 1)),
    ("tokens/s", lambda row: rounded(row.median("rate"), 0)),
    ("bytes/token", lambda row: rounded(row.median("token_bytes"), 0)),
)
SATURATED: tuple[Column, ...] = (
    *_BOTH,
    ("× a turn each", lambda row: rounded(_number(row.more.get("turn_ratio")), 2)),
    ("tokens/s", lambda row: rounded(row.median("rate"), 0)),
    ("TTFT p50 / p99 ms", lambda row: pair(row.median("ttft_p50"), row.median("ttft_p99"))),
    ("tokens/frame", lambda row: rounded(row.median("frame_tokens"), 2)),
    ("bytes/token", lambda row: rounded(row.median("token_bytes"), 0)),
    ("stand-in µs", lambda row: rounded(row.median("behind_us") or None, 1)),
    ("client µs", lambda row: rounded(row.median("client_us"), 1)),
)
