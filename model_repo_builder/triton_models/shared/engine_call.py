"""One request to the engine model from inside Triton: tensors in, its answers out, and how to end it early.

Knows the engine's tensor names and Triton's BLS calls. Every call has an id of its own, so that ``stop`` can
name it whatever id the client chose, or none: the client's own where no other has it, by which the client too can stop
the engine: a gRPC cancel that meets the last answer crashes Triton 2.51.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .cancel_watch import CancelWatch
from .engine_stop import stop_engine

Arrays = dict[str, np.ndarray[Any, Any]]

_RANDOM = re.compile("[0-9a-f]{32}")  # 128 bits, as hex: an id that has them is its client's alone


class EngineError(Exception):
    """The engine answered with an error; ``str()`` is its message."""


@dataclass(frozen=True)
class Silence:
    """How many seconds between two answers are too many, and what to do then.

    Triton 2.51 loses an error that a decoupled model sends after its first answer to another model: the
    caller would wait for ever.
    """

    limit: float
    give_up: Callable[[], None]


class EngineCall:
    """Begins when it is made. Iterating gives each answer as a dict of arrays."""

    def __init__(
        self,
        model_name: str,
        tensors: Mapping[str, np.ndarray[Any, Any]],
        outputs: Iterable[str],
        watch: CancelWatch,
        has_left: Callable[[], bool],
        keep: Callable[[Any], None],
        silence: Silence | None = None,
        *,
        client_id: str = "",
    ) -> None:
        """``client_id``: that of the request which this one is the whole of; empty where it is not.

        ``keep`` holds on to ended answers until the next request has ended too.

        Triton 2.51 delivers them from a thread of its own, which may let go of the last one after this process has.
        It then frees Python objects without holding the interpreter's lock, and the process crashes.
        """
        self._model_name = model_name
        self._keep = keep
        self._id = client_id if _RANDOM.search(client_id) else uuid.uuid4().hex
        self._watch = watch
        request = pb_utils.InferenceRequest(
            model_name=model_name,
            request_id=self._id,
            requested_output_names=list(outputs),
            inputs=[pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in tensors.items()],
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        )
        self._running = True
        self._silence = silence
        self._heard: float | None = None
        watch.add(self._id, has_left, self._stop)
        if silence is not None:
            watch.add((self._id, "silence"), self._is_silent, self._give_up)
        try:
            self._responses = request.exec(decoupled=True)  # returns with the first answer
        except pb_utils.TritonModelException as error:
            self._forget()
            raise EngineError(str(error)) from None

    def __iter__(self) -> Iterator[Arrays]:
        for response in self._responses:
            self._heard = time.monotonic()
            if response.has_error():
                self._running = False
                raise EngineError(response.error().message())
            arrays = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
            if "output_ids" in arrays:  # an answer that only says "that was all" has no tensors
                yield arrays
        self._running = False

    def last(self) -> Arrays:
        """The answer of a request that is not streamed."""
        answers = list(self)
        if not answers:
            raise EngineError(f"model {self._model_name} ended the request without an answer")
        return answers[-1]

    def close(self) -> None:
        """Ends it if it still runs. The client is not asked any more whether it has left: that would crash Triton."""
        self._forget()
        self._keep(self._responses)
        if self._running:
            self._stop()
            for _ in self._responses:
                pass

    def _is_silent(self) -> bool:
        # Before the first answer a request may wait in the engine's queue, and its errors do arrive.
        return (
            self._silence is not None
            and self._heard is not None
            and self._heard < time.monotonic() - self._silence.limit
        )

    def _give_up(self) -> None:
        self._forget()
        self._stop()
        if self._silence is not None:
            self._silence.give_up()

    def _forget(self) -> None:
        self._watch.remove(self._id)
        self._watch.remove((self._id, "silence"))

    def _stop(self) -> None:
        stop_engine(self._model_name, self._id, self._keep)
