"""A Triton with an in-flight-batching engine, as a model with few events.

It knows slots, a queue, a KV cache with block reuse, and how fast prefill and decode go together; it must not know
gateways or policies. All running requests decode in step, so one number (``_decoded``) tells how many tokens each has
got since; prompts are computed one after another in chunks between the steps, only what is not cached.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

STEP_SECONDS = 0.020  # of one decoding step, and for
STEP_SECONDS_EACH = 0.0002  # each running request more
PREFILL_SECONDS = 0.0002  # of a token of a prompt
CHUNK_TOKENS = 512  # of prompts, computed beside one step
SLOTS = 32
KV_TOKENS = 120_000
NOTICE_TOKENS = 64  # between two notices of progress


@dataclass(slots=True)
class Job:
    """One request on an engine."""

    prompt_tokens: int
    answer_tokens: int
    application: int
    system_tokens: int
    conversation: int
    arrived: float
    cached_tokens: int = 0
    begun: float | None = None  # its prefill
    generated: int = 0
    to_prefill: float = 0.0
    base: float = 0.0  # ``_decoded`` when its first token came
    tag: object = None  # of who sent it


@dataclass(slots=True)
class Engine:
    """Ask ``next_at`` when something happens next; then ``run`` to that time and take what happened."""

    slower: float = 1.0  # times
    now: float = 0.0
    busy_seconds: float = 0.0
    queue: deque[Job] = field(default_factory=deque)
    _prefills: deque[Job] = field(default_factory=deque)
    _running: list[tuple[float, int, Job]] = field(default_factory=list)  # by ``_decoded`` of its next notice
    _decoded: float = 0.0
    _number: int = 0
    _reserved: int = 0
    _cache: OrderedDict[tuple[str, int], int] = field(default_factory=OrderedDict)
    _cached: int = 0

    @property
    def running(self) -> int:
        return len(self._running) + len(self._prefills)

    @property
    def jobs(self) -> list[Job]:
        return [*(job for _, _, job in self._running), *self._prefills, *self.queue]

    def add(self, job: Job, now: float) -> None:
        self._pass(now)
        self.queue.append(job)
        self._admit()

    def next_at(self) -> float | None:
        """When the next token that somebody waits for comes, if nothing else does."""
        step = self._step()
        times = []
        if self._prefills:
            times.append(self._prefills[0].to_prefill * step / CHUNK_TOKENS)
        if self._running:
            times.append(max(0.0, self._running[0][0] - self._decoded) * step)
        return self.now + min(times) if times else None

    def run(self, now: float) -> list[tuple[Job, int, bool]]:
        """What happened until now: the job, new tokens, and whether it is done."""
        self._pass(now)
        happened = []
        while self._prefills and self._prefills[0].to_prefill <= 1e-6:
            job = self._prefills.popleft()
            if self._prefills:
                self._prefills[0].begun = self.now
            job.generated, job.base = 1, self._decoded
            self._keep(job, job.prompt_tokens)
            happened.append((job, 1, job.answer_tokens <= 1))
            self._go_on(job)
        while self._running and self._running[0][0] <= self._decoded + 1e-6:
            _, _, job = heappop(self._running)
            new = min(NOTICE_TOKENS, job.answer_tokens - job.generated)
            job.generated += new
            happened.append((job, new, job.generated >= job.answer_tokens))
            self._go_on(job)
        self._admit()
        return happened

    def die(self, now: float) -> list[Job]:
        """Everything is lost; the jobs that were there."""
        self._pass(now)
        lost = self.jobs
        slower, busy = self.slower, self.busy_seconds
        self.__init__(slower=slower, now=now, busy_seconds=busy)  # type: ignore[misc]
        return lost

    def _step(self) -> float:
        """Seconds of a step as it is now: decoding, and a chunk of a prompt if there is one."""
        decode = STEP_SECONDS + STEP_SECONDS_EACH * len(self._running) if self._running else 0.0
        return self.slower * (decode + (CHUNK_TOKENS * PREFILL_SECONDS if self._prefills else 0.0))

    def _pass(self, now: float) -> None:
        step = self._step()
        if step and now > self.now:
            steps = (now - self.now) / step
            self.busy_seconds += now - self.now
            if self._running:
                self._decoded += steps
            if self._prefills:
                self._prefills[0].to_prefill -= steps * CHUNK_TOKENS
        self.now = max(now, self.now)

    def _go_on(self, job: Job) -> None:
        left = job.answer_tokens - job.generated
        if left > 0:
            self._number += 1
            heappush(self._running, (self._decoded + min(NOTICE_TOKENS, left), self._number, job))
        else:
            self._reserved -= job.prompt_tokens + job.answer_tokens
            self._keep(job, job.prompt_tokens + job.answer_tokens)

    def _admit(self) -> None:
        while self.queue and self.running < SLOTS:
            job = self.queue[0]
            need = job.prompt_tokens + job.answer_tokens
            if self.running and self._reserved + need > KV_TOKENS:
                break
            self.queue.popleft()
            self._reserved += need
            system = min(self._cache.get(("system", job.application), 0), job.prompt_tokens)
            own = self._cache.get(("conversation", job.conversation), 0)
            # The last token of a prompt is always computed.
            job.cached_tokens = min(job.prompt_tokens - 1, job.system_tokens + own if own else system)
            job.to_prefill = float(job.prompt_tokens - job.cached_tokens)
            self._prefills.append(job)
            self._evict()
        if self._prefills and self._prefills[0].begun is None:
            self._prefills[0].begun = self.now

    def _keep(self, job: Job, tokens: int) -> None:
        for key, size in (
            (("system", job.application), job.system_tokens),
            (("conversation", job.conversation), tokens - job.system_tokens),
        ):
            self._cached += size - self._cache.pop(key, 0)
            self._cache[key] = size
        self._evict()

    def _evict(self) -> None:
        """What is running comes first; the rest of the memory is cache, of which the oldest goes first."""
        while self._cache and self._cached > max(0, KV_TOKENS - self._reserved):
            _, size = self._cache.popitem(last=False)
            self._cached -= size
