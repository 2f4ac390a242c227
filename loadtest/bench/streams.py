"""What a token and a stream cost over the number of streams, from one to a thousand.

It knows how many streams, and that the tokens of all together must stay as many. It must not know goals.
"""

from __future__ import annotations

from dataclasses import replace

from loadtest.ask import CHAT
from loadtest.bench.figures import Figures, Job
from loadtest.bench.fronts import run
from loadtest.bench.place import EMITTER, Place
from loadtest.bench.replay import Pace
from loadtest.bench.section import NOTHING, STAND_IN, Column, Row, Section, pair, rounded

KEY = "streams"
SIZES = (1, 16, 64, 256, 1000)
_TOKENS_PER_SECOND = 1280  # of all streams together, as of 64 with 50 ms between tokens
_LEAST_GAP = 0.005  # what timers can keep to
_SECONDS = 2.0  # of streaming, once all streams have begun; their clients leave then
_TOKENS = 100_000  # more than any of them gets


def gap(streams: int) -> float:
    return max(_LEAST_GAP, streams / _TOKENS_PER_SECOND)


def measure(place: Place) -> Section:
    """A gateway of its own, so that its memory is that of these streams; once, as each size takes its seconds."""
    gateway = place.fresh("h2")
    ours: list[Row] = []
    floors: list[Row] = []
    for streams in SIZES:
        pace = Pace(gap(streams))
        hold = max(1.0 if place.quick else _SECONDS, 2 * pace.gap)
        more = {"streams": streams, "gap_ms": pace.gap * 1000}
        place.progress.tell(f"{KEY}: {streams}, emitter")
        floor = place.measure(EMITTER, pace, streams=streams, requests=streams, tokens=_TOKENS, hold=hold)
        place.progress.tell(f"{KEY}: {streams}, gateway")
        place.stand_in.pace(pace)
        behind = (place.stand_in.pid,)
        pids = tuple(gateway.pids)
        job = Job((gateway.url,), streams, streams, _TOKENS, CHAT, hold=hold, pids=pids, behind=behind)
        figures = run(job)[0]
        floors.append(Row(EMITTER, NOTHING, [floor], [floor], more))
        ours.append(Row("h2", STAND_IN, [_since(figures, ours)], [floor], more))
    gateway.stop()
    late = [
        f"{row.more['streams']} streams at their pace: tokens came at {row.median('steady_rate'):.0f} a second; is the "
        "machine busy?"
        for row in ours
        if not kept(row)
    ]
    title = "Over streams: all asked for at once, as many tokens a second for all"
    return Section(KEY, title, COLUMNS, floors + ours, NOTES, late)


def kept(row: Row) -> bool:
    """Whether tokens came at the pace that was wanted: behind it, or catching up, a token costs something else."""
    streams, rate = row.more["streams"], row.median("steady_rate")
    return isinstance(streams, int) and rate is not None and 0.8 < rate * gap(streams) / streams < 1.2


def _since(figures: Figures, earlier: list[Row]) -> Figures:
    """Memory is counted from what the gateway held before the first of these runs."""
    if not earlier:
        return figures
    return replace(figures, rss_before=earlier[0].runs[0].rss_before)


NOTES = (
    "'streaming' is what a token costs, and tokens/s how many came, while all streams are going. One stream alone has",
    "fewer tokens a second, and pays for the process's idle turns too. kB/stream: the most that was resident, less the",
    "idle gateway.",
)
COLUMNS: tuple[Column, ...] = (
    ("front end", lambda row: row.name),
    ("in front of", lambda row: row.in_front_of),
    ("streams", lambda row: row.more["streams"]),
    ("gap ms", lambda row: row.more["gap_ms"]),
    ("streaming µs/token", lambda row: rounded(row.median("steady_us"), 1)),
    ("× emitter", lambda row: rounded(row.ratio("steady_us"), 2)),
    ("ms/request", lambda row: rounded(row.median("request_ms"), 2)),
    ("kB/stream", lambda row: rounded(row.stream_kb, 0) if row.name != EMITTER else None),
    ("TTFT p50 / p99 ms", lambda row: pair(row.median("ttft_p50"), row.median("ttft_p99"), 0)),
    ("gap p99 ms", lambda row: rounded(row.median("gap_p99"), 1)),
    ("tokens/s", lambda row: rounded(row.median("steady_rate"), 0)),
)
