"""One request to the engine model from inside Triton: tensors in, its answers out, and how to end it early.

Knows the engine's tensor names and Triton's BLS calls. Every call has an id of its own, so that ``stop`` can name it whatever id the
client chose, or none.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .cancel_watch import CancelWatch
from .engine_stop import stop_engine

Arrays = dict[str, np.ndarray[Any, Any]]


class EngineError(Exception):
    """The engine answered with an error; ``str()`` is its message."""


class EngineCall:
    """Begins when it is made. Iterating gives each answer as a dict of arrays."""

    def __init__(
        self,
        model_name: str,
        tensors: Mapping[str, np.ndarray[Any, Any]],
        outputs: Iterable[str],
        watch: CancelWatch,
        has_left: Callable[[], bool],
    ) -> None:
        self._model_name = model_name
        self._id = uuid.uuid4().hex
        self._watch = watch
        request = pb_utils.InferenceRequest(
            model_name=model_name,
            request_id=self._id,
            requested_output_names=list(outputs),
            inputs=[pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in tensors.items()],
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        )
        try:
            self._responses = request.exec(decoupled=True)
        except pb_utils.TritonModelException as error:
            raise EngineError(str(error)) from None
        watch.add(self._id, has_left, self._stop)

    def __iter__(self) -> Iterator[Arrays]:
        try:
            for response in self._responses:
                if response.has_error():
                    raise EngineError(response.error().message())
                arrays = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
                if "output_ids" in arrays:  # an answer that only says "that was all" has no tensors
                    yield arrays
        finally:
            self._watch.remove(self._id)

    def last(self) -> Arrays:
        """The answer of a request that is not streamed."""
        answers = list(self)
        if not answers:
            raise EngineError(f"model {self._model_name} ended the request without an answer")
        return answers[-1]

    def _stop(self) -> None:
        stop_engine(self._model_name, self._id)
