"""One thread that steps the pipeline; requests join and leave between two steps.

All work on the pipeline and on replies happens in that thread, so neither needs a lock; only the inbox has
one. The guide of a request is compiled by another thread, which hands the request back; while it compiles, no
request that would need the compiler in its first step joins. Nothing runs while there is nothing to do. A
request that fails never hurts another; when the pipeline itself fails, those in flight get the reason and a
new pipeline takes over.

It knows order and ownership. It must not know tensors or Triton's API.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .guide import Guide
from .guide_check import GuideThread, Order
from .pipeline import Handle, Pipeline, PipelineError
from .request import Request
from .sequence import Delta, Sequence

LONGEST_WAIT = 30
"""Seconds that compiling a guide waits for others: a request may wait long for its place."""
FULL = "the KV cache is full: send fewer requests at once, or raise max_tokens_in_paged_kv_cache"
FORGET_AFTER = 200
"""Guides after which the compiler's memory of them is given back: it has no limit of its own."""
UNLOADED = "the model is being unloaded"


class Reply(Protocol):
    """Where the tokens of a request go."""

    def send(self, request: Request, delta: Delta, prefix: tuple[int, ...] = ()) -> None: ...
    def refuse(self, reason: str) -> None: ...
    def fail(self, reason: str) -> None: ...
    def is_cancelled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Flight:
    """A request inside the pipeline, and who waits for it."""

    sequence: Sequence
    handle: Handle
    reply: Reply


class Engine:
    def __init__(
        self,
        make_pipeline: Callable[[], Pipeline],
        *,
        cancel_period: float,
        exclude_input: bool,
        log: Callable[[str], None],
        guides: GuideThread | None = None,
    ) -> None:
        """Without ``guides`` whoever sends a guide is refused."""
        self._make_pipeline = make_pipeline
        self._pipeline: Pipeline | None = make_pipeline()
        self._cancel_period = cancel_period
        self._exclude_input = exclude_input
        self._log = log
        self._wake = threading.Condition()
        self._guides = guides
        self._arrived: list[tuple[Request, Reply]] = []
        self._waiting: list[tuple[Request, Reply]] = []
        """For their guides. Of the engine's thread alone, as the flights are."""
        self._guided: list[tuple[Request, Reply, str]] = []
        """Back from the guides, with what is wrong."""
        self._compiler_needed = False
        """A request with a guide is about to make its first step."""
        self._prepared = 0
        self._stops: set[str] = set()
        self._closing = False
        self._flights: list[Flight] = []
        self._looked = 0.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request, reply: Reply) -> None:
        with self._wake:
            if not self._closing:
                self._arrived.append((request, reply))
                self._wake.notify_all()
                return
        reply.fail(UNLOADED)

    def stop(self, request_id: str) -> None:
        """End the request with that id; one that is not there is nothing to stop."""
        with self._wake:
            self._stops.add(request_id)
            self._wake.notify_all()

    def close(self, timeout: float = 30) -> None:
        """Fail what is in flight and end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(timeout)
        if self._guides is not None:
            self._guides.close()

    def _run(self) -> None:
        while self._wait():
            try:
                self._join_and_leave()
                self._step()
            except Exception as error:  # whatever it is, those in flight hear of it and the thread goes on
                self._recover(str(error))
        self._unload()

    def _unload(self) -> None:
        flights, self._flights = self._flights, []
        for flight in flights:
            flight.reply.fail(UNLOADED)
            flight.handle.drop()
        for _, reply in (*self._arrived, *self._waiting):
            reply.fail(UNLOADED)
        with contextlib.suppress(PipelineError):
            self._step()  # gives their places away, so that the pipeline ends with nothing in it

    def _wait(self) -> bool:
        """Sleep until there is something to do; False when it is time to end."""
        with self._wake:
            self._wake.wait_for(
                lambda: (
                    self._closing
                    or self._arrived
                    or self._guided
                    or self._stops
                    or self._flights
                    or self._is_busy()
                    or self._is_full_of_guides()
                ),
                timeout=self._cancel_period if self._waiting else None,
            )
            return not self._closing

    def _is_busy(self) -> bool:
        return self._pipeline is not None and self._pipeline.is_busy()

    def _is_full_of_guides(self) -> bool:
        return self._prepared >= FORGET_AFTER and not self._compiler_needed

    def _join_and_leave(self) -> None:
        with self._wake:
            arrived, self._arrived = self._arrived, []
            guided, self._guided = self._guided, []
            stops, self._stops = self._stops, set()
            if self._pipeline is not None and self._is_full_of_guides():
                self._pipeline.forget_guides()  # under the lock: nobody begins to prepare one meanwhile
                self._prepared = 0
                self._wake.notify_all()
        for request, reply, wrong in guided:
            self._join_guided(request, reply, wrong)
        for request, reply in arrived:
            self._admit(request, reply)
        self._look_at_waiting(stops)
        for flight in self._flights:
            if flight.sequence.request.id in stops:
                flight.sequence.finished = True
        now = time.monotonic()
        if now - self._looked >= self._cancel_period:
            self._looked = now
            for flight in self._flights:
                if flight.reply.is_cancelled():
                    flight.sequence.finished = True
        self._deliver()

    def _admit(self, request: Request, reply: Reply) -> None:
        running = (*(flight.sequence.request for flight in self._flights), *(waiting for waiting, _ in self._waiting))
        if request.id and any(each.id == request.id for each in running):
            return reply.refuse(f"request ID {request.id!r} is already in flight: send another one")
        if request.guide is None:
            return self._join(request, reply)
        if self._guides is None:
            return reply.refuse("guided_decoding_guide_type cannot be honoured here: leave it out")
        self._waiting.append((request, reply))
        self._guides.order(Order(request.guide, self._prepare, lambda wrong: self._come_back(request, reply, wrong)))

    def _prepare(self, guide: Guide) -> str:
        """In the thread of the guides: wait until no step needs the compiler, which has one lock, then compile."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._closing or not (self._compiler_needed or self._prepared >= FORGET_AFTER),
                timeout=LONGEST_WAIT,
            )
            pipeline = self._pipeline
        return "" if pipeline is None else pipeline.prepare(guide)

    def _come_back(self, request: Request, reply: Reply, wrong: str) -> None:
        """In the thread of the guides: hand the request to the engine's thread."""
        with self._wake:
            self._guided.append((request, reply, wrong))
            self._compiler_needed = True
            self._prepared += 1
            self._wake.notify_all()

    def _join_guided(self, request: Request, reply: Reply, wrong: str) -> None:
        waiting = len(self._waiting)
        self._waiting = [(other, its) for other, its in self._waiting if its is not reply]
        if len(self._waiting) == waiting:
            return  # it left meanwhile
        if wrong:
            return reply.refuse(f"guided_decoding_guide {wrong}")
        self._join(request, reply)

    def _look_at_waiting(self, stops: set[str]) -> None:
        """Who waits for a guide can leave, too."""
        staying = []
        for request, reply in self._waiting:
            if request.id in stops or reply.is_cancelled():
                reply.send(request, Delta((), (), final=True))
            else:
                staying.append((request, reply))
        self._waiting = staying

    def _join(self, request: Request, reply: Reply) -> None:
        try:
            if self._pipeline is None:
                self._pipeline = self._make_pipeline()
            handle = self._pipeline.add(request)
        except PipelineError as error:
            return reply.fail(str(error))
        self._flights.append(Flight(Sequence(request), handle, reply))

    def _step(self) -> None:
        if self._pipeline is not None and self._pipeline.is_busy():
            self._step_once(self._pipeline)
        with self._wake:
            begins = (flight for flight in self._flights if flight.sequence.request.guide and not flight.handle.begun)
            self._compiler_needed = bool(self._guided) or any(begins)
            if not self._compiler_needed:
                self._wake.notify_all()

    def _step_once(self, pipeline: Pipeline) -> None:
        pipeline.step()
        is_idle = not pipeline.is_busy()
        for flight in self._flights:
            tokens = flight.handle.read()
            flight.sequence.push(tokens.ids, tokens.log_probs)
            # Nothing more will come: never wait for what the pipeline has ended by its own rules.
            flight.sequence.finished |= (is_idle and not flight.handle.was_given_up()) or flight.handle.is_done()
        self._deliver()

    def _deliver(self) -> None:
        """Send what is new; let go of what is finished."""
        staying = []
        for flight in self._flights:
            sequence = flight.sequence
            if not sequence.finished and flight.handle.was_given_up():
                flight.reply.fail(FULL)
                continue
            delta = sequence.take()
            if delta is not None:
                whole = sequence.request.streaming or self._exclude_input
                flight.reply.send(sequence.request, delta, () if whole else sequence.request.prompt)
            if sequence.finished:
                flight.handle.drop()
            else:
                staying.append(flight)
        self._flights = staying

    def _recover(self, reason: str) -> None:
        """A pipeline that failed once keeps its broken requests for ever: start over with a new one."""
        self._log(f"{reason}; {len(self._flights)} requests in flight failed, starting a new pipeline")
        for flight in self._flights:
            flight.reply.fail(reason)
        self._flights = []
        with self._wake:
            self._pipeline = None
            self._prepared = 0
            self._compiler_needed = bool(self._guided)
            self._wake.notify_all()
