"""What is asked of one run and what is known after it. Values only; both cross a process boundary as JSON.

It must not know what is measured, nor how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtest.summary import percentile

GRID = 200  # steps of a distribution


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one client process. ``tokens``: of each answer, which the server is trusted to keep to."""

    urls: tuple[str, ...]
    streams: int
    requests: int  # in all
    tokens: int
    path: str = "/v1/chat/completions"
    model: str = "bench"
    prompt: str = "Hello"
    hold: float | None = None  # closed loop, one request each: all leave so long after the last one has begun
    rate: float | None = None  # open loop: requests a second at Poisson's moments; None: closed loop
    seed: int = 1
    pids: tuple[int, ...] = ()  # whose CPU and memory are wanted
    behind: tuple[int, ...] = ()  # and whose CPU beside those


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of one measure, in milliseconds: so many values as it has steps, from the least to the most."""

    steps: tuple[float, ...] = ()
    p50: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Distribution:
        if not seconds:
            return cls()
        ordered = sorted(1000 * value for value in seconds)
        steps = tuple(round(percentile(ordered, n / GRID) or 0.0, 3) for n in range(GRID + 1))
        return cls(steps, percentile(ordered, 0.5), percentile(ordered, 0.99))


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run. Seconds, bytes and counts as they were measured; what is derived is a property."""

    requests: int
    tokens: int
    frames: int
    bytes: int
    seconds: float
    cpu: float  # seconds, from before the first request to after the last
    behind_cpu: float
    client_cpu: float
    ttft: Distribution
    gap: Distribution
    steady_cpu: float = 0.0  # while every stream was going …
    steady_frames: int = 0  # … and what was sent meanwhile …
    steady_seconds: float = 0.0  # … which took so long
    rss_before: int = 0
    rss_most: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    error: str = ""  # of one that failed

    @property
    def cpu_us(self) -> float:
        """Per token, requests included."""
        return self.cpu / self.tokens * 1e6

    @property
    def steady_us(self) -> float | None:
        """Per frame while all streams were going and none began or ended."""
        return self.steady_cpu / self.steady_frames * 1e6 if self.steady_frames else None

    @property
    def steady_rate(self) -> float:
        """Frames a second while all streams were going; where they never were, of the whole run."""
        return self.steady_frames / self.steady_seconds if self.steady_seconds else self.rate

    @property
    def request_ms(self) -> float | None:
        """What a request cost beside its tokens."""
        steady = self.steady_us
        return None if steady is None else (self.cpu - steady * self.frames / 1e6) / self.requests * 1e3

    @property
    def behind_us(self) -> float:
        return self.behind_cpu / self.tokens * 1e6

    @property
    def client_us(self) -> float:
        return self.client_cpu / self.tokens * 1e6

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds

    @property
    def ttft_p50(self) -> float | None:
        return self.ttft.p50

    @property
    def ttft_p99(self) -> float | None:
        return self.ttft.p99

    @property
    def gap_p99(self) -> float | None:
        return self.gap.p99

    @property
    def frame_tokens(self) -> float:
        """Tokens in a frame: more than one where deltas were merged."""
        return self.tokens / self.frames if self.frames else 0.0

    @property
    def token_bytes(self) -> float:
        return self.bytes / self.tokens


def figures(document: dict[str, object]) -> Figures:
    """From JSON. The names are those of ``asdict``."""
    values = dict(document)
    for name in ("ttft", "gap"):
        given = values[name]
        assert isinstance(given, dict)
        values[name] = Distribution(tuple(given["steps"]), given["p50"], given["p99"])
    return Figures(**values)  # type: ignore[arg-type]
