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
_SECONDS = 3.0  # of streaming, when all streams have begun …
_BEGIN_SECONDS = 0.005  # … which takes so long for each


def gap(streams: int) -> float:
    return max(_LEAST_GAP, streams / _TOKENS_PER_SECOND)


def measure(place: Place) -> Section:
    """A gateway of its own, so that its memory is that of these streams; once, as each size takes its seconds."""
    gateway = place.fresh("h2")
    ours: list[Row] = []
    floors: list[Row] = []
    for streams in SIZES:
        pace = Pace(gap(streams))
        tokens = max(4, round(((1.0 if place.quick else _SECONDS) + streams * _BEGIN_SECONDS) / pace.gap))
        more = {"streams": streams, "gap_ms": pace.gap * 1000, "tokens": tokens}
        place.progress.tell(f"{KEY}: {streams}, emitter")
        floor = place.measure(EMITTER, pace, streams=streams, requests=streams, tokens=tokens)
        place.progress.tell(f"{KEY}: {streams}, gateway")
        place.stand_in.pace(pace)
        behind = (place.stand_in.pid,)
        job = Job((gateway.url,), streams, streams, tokens, CHAT, pids=tuple(gateway.pids), behind=behind)
        figures = run(job)[0]
        floors.append(Row(EMITTER, NOTHING, [floor], [floor], more))
        ours.append(Row("h2", STAND_IN, [_since(figures, ours)], [floor], more))
    gateway.stop()
    late = [str(row.more["streams"]) for row in ours if row.median("steady_us") is None]
    skipped = (
        [f"{', '.join(late)} streams: the first ones ended before all had begun; is the machine busy?"] if late else []
    )
    title = "Over streams: all asked for at once, as many tokens a second for all"
    return Section(KEY, title, COLUMNS, floors + ours, NOTES, skipped)


def _since(figures: Figures, earlier: list[Row]) -> Figures:
    """Memory is counted from what the gateway held before the first of these runs."""
    if not earlier:
        return figures
    return replace(figures, rss_before=earlier[0].runs[0].rss_before)


NOTES = (
    "'streaming' is what a token costs while all streams are going; one stream alone has fewer tokens a second, and",
    "pays for the process's idle turns too. kB/stream: the most that was resident, less the idle gateway.",
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
    ("tokens/s", lambda row: rounded(row.median("rate"), 0)),
)
