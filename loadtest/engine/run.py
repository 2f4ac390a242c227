"""One request of the scripted engine, played from its first token to its last.

It knows the shapes of the contract's outputs and TensorRT-LLM's rules of ending. It must not know where
requests come from.
"""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .control import Control
from .journal import JournalWriter
from .script import Script


@dataclass(frozen=True, slots=True)
class Request:
    """The inputs that decide how a script ends and what an answer looks like."""

    id: str
    prompt: list[int]
    max_tokens: int
    end_id: int | None
    stop_words: list[list[int]]
    streaming: bool
    log_probs: bool
    exclude_input: bool
    outputs: frozenset[str]

    @classmethod
    def read(
        cls,
        request_id: str,
        tensors: dict[str, Any],
        prompt: list[int],
        room: int,
        *,
        exclude_input: bool,
        outputs: frozenset[str],
    ) -> "Request":
        """``exclude_input`` is the model's own, which later releases let a request change."""

        def scalar(name: str, default: Any) -> Any:
            return tensors[name].reshape(-1)[0].item() if name in tensors else default

        words = tensors.get("stop_words_list", np.zeros((1, 2, 0), dtype=np.int32)).reshape(2, -1)
        ends = [end for end in words[1].tolist() if end > 0]
        return cls(
            id=request_id,
            prompt=prompt,
            max_tokens=min(scalar("request_output_len", 0), room),
            end_id=scalar("end_id", None),
            stop_words=[words[0, start:end].tolist() for start, end in itertools.pairwise([0, *ends])],
            streaming=scalar("streaming", False),
            log_probs=scalar("return_log_probs", False),
            exclude_input=scalar("exclude_input_in_output", exclude_input),
            outputs=outputs,
        )


class Sender:
    """Triton's response sender, made safe.

    Asking it whether the client is gone after (or while) the final response is sent crashes tritonserver:
    both take turns, and nothing is asked once the final flag is out.
    """

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self._closed = False

    def send(self, tensors: list[Any] | None, *, final: bool, error: str = "") -> None:
        response = None
        if tensors is not None or error:
            failure = pb_utils.TritonError(error) if error else None
            response = pb_utils.InferenceResponse(output_tensors=tensors or [], error=failure)
        flags = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if final else 0
        with self._lock:
            self._closed = self._closed or final
            if response is None:
                self._sender.send(flags=flags)
            else:
                self._sender.send(response, flags=flags)

    def is_cancelled(self) -> bool:
        with self._lock:
            return not self._closed and bool(self._sender.is_cancelled())


class ScriptedFailure(Exception):
    """The script says that the engine fails here."""


class Run:
    """Plays a script into a response sender, in a thread of its own."""

    def __init__(
        self,
        script: Script,
        ids: list[int],
        request: Request,
        sender: Sender,
        journal: JournalWriter,
        control: Control,
        slots: threading.BoundedSemaphore | None,
    ) -> None:
        """``slots`` is shared by all runs of the server; a run waits for one as it would in a batch manager's queue."""
        self.script, self.ids, self.request, self.sender = script, ids, request, sender
        self.cancel_seen = False
        self._journal, self._control, self._slots = journal, control, slots
        self._cancelled = threading.Event()
        self._emitted: list[int] = []
        self._announced = False

    def cancel(self, how: str) -> None:
        """Note that somebody wants the run to end, and end it unless the script ignores that."""
        self.cancel_seen = True
        self._note("cancel", how=how)
        if not self.script.ignore_cancel:
            self._cancelled.set()

    def play(self) -> None:
        if self._slots is None:
            return self._play()
        while not self._slots.acquire(timeout=0.1):
            if self._cancelled.is_set():
                self._finish([], "cancel")
                return self._note("end", reason="cancel")
        try:
            self._play()
        finally:
            self._slots.release()

    def _play(self) -> None:
        self._pause(self.script.first_delay_ms)
        try:
            rest, reason = self._produce()
        except ScriptedFailure as failure:
            self.sender.send(None, final=True, error=str(failure))
            reason = "error"
        else:
            self._finish(rest, reason)
        self._note("end", reason=reason)

    def _produce(self) -> tuple[list[int], str]:
        """Stream chunk after chunk; return what is left for the last response, and why it is the last."""
        script = self.script
        sizes = itertools.chain(script.chunks, itertools.repeat(script.chunk))
        tokens = self._tokens()
        chunk: list[int] = []
        size = next(sizes)
        while True:
            count = len(self._emitted) + len(chunk)
            mood = self._control.mood()
            if mood.fail:
                self._emit(chunk)
                raise ScriptedFailure("the engine's executor failed")
            if mood.hang:
                self._emit(chunk)
                chunk = []
                self._note("hang")
                while self._control.mood().hang and not self._cancelled.wait(0.05):
                    pass
            if count in (script.error_after, script.hang_after):
                self._emit(chunk)
                chunk = []
            if count == script.error_after:
                raise ScriptedFailure(script.error)
            if count == script.hang_after:
                self._note("hang")
                self._cancelled.wait()
            if self._cancelled.is_set():
                return [], "cancel"
            token = next(tokens, None)
            if token is None:
                return chunk, "end"
            chunk.append(token)
            produced = self._emitted + chunk
            if any(produced[-len(word) :] == word for word in self.request.stop_words):
                return chunk, "stop_word"
            if len(produced) >= self.request.max_tokens:
                return chunk, "length"
            if len(chunk) >= size and not (script.glue_end and self._ends_at(len(produced))):
                self._emit(chunk)
                chunk, size = [], next(sizes)
                self._pause(script.delay_ms)

    def _tokens(self) -> Iterator[int]:
        """The script's ids up to the end id, which TensorRT-LLM neither sends nor counts."""
        source = itertools.cycle(self.ids) if self.script.repeat else iter(self.ids)
        return itertools.takewhile(lambda token: token != self.request.end_id, source)

    def _ends_at(self, count: int) -> bool:
        return not self.script.repeat and (count >= len(self.ids) or self.ids[count] == self.request.end_id)

    def _emit(self, chunk: list[int]) -> None:
        self._emitted += chunk
        if chunk and self.request.streaming:
            self._send(chunk, final=False)
        if chunk and not self._announced:
            self._announced = True
            self._note("first")

    def _finish(self, rest: list[int], reason: str) -> None:
        flag_only = self.script.final == "empty"
        if not self.request.streaming:
            self._emitted += rest
            prompt = [] if self.request.exclude_input else self.request.prompt
            self._send(prompt + self._emitted, final=not flag_only)
        elif flag_only:
            self._emit(rest)
        else:
            self._emitted += rest
            self._send(rest, final=True)
        if flag_only:
            self.sender.send(None, final=True)

    def _send(self, ids: list[int], *, final: bool) -> None:
        if self.script.repeat_last and final and self.request.streaming:
            self.sender.send(self._tensors(ids), final=False)
        self.sender.send(self._tensors(ids), final=final)

    def _tensors(self, ids: list[int]) -> list[Any]:
        """All outputs of the contract; log-probabilities are cumulative, and zeros where nobody asked."""
        log_probs = [0.0]
        if self.request.log_probs:
            log_probs = [self.script.log_prob(index) for index in range(len(self._emitted))]
        values = {
            "output_ids": np.array([[ids]], dtype=np.int32).reshape(1, 1, len(ids)),
            "sequence_length": np.array([[len(ids)]], dtype=np.int32),
            "cum_log_probs": np.array([[sum(log_probs)]], dtype=np.float32),
            "output_log_probs": np.array([[log_probs]], dtype=np.float32).reshape(1, 1, len(log_probs)),
            "context_logits": np.zeros((1, 1, 1), dtype=np.float32),
            "generation_logits": np.zeros((1, 1, 1, 1), dtype=np.float32),
            "batch_index": np.zeros((1, 1), dtype=np.int32),
            "sequence_index": np.zeros((1, 1), dtype=np.int32),
        }
        return [pb_utils.Tensor(name, value) for name, value in values.items() if name in self.request.outputs]

    def _pause(self, milliseconds: float) -> None:
        """A delay that a cancel cuts short, as it would an engine between two steps."""
        if milliseconds:
            self._cancelled.wait(milliseconds * self._control.mood().slower / 1000)

    def _note(self, event: str, **more: Any) -> None:
        self._journal.write(event, self.script.tag, emitted=len(self._emitted), **more)
