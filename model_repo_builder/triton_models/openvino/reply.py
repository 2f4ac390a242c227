"""Deltas → the contract's output tensors → Triton's response sender.

One thread uses a reply at a time. After the final response the sender is never touched again: asking it for
cancellation then would bring tritonserver down.

It knows names and shapes of the outputs. It must not know the pipeline.
"""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .request import Request
from .sequence import Delta

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class Reply:
    """The way back to the client of one request."""

    def __init__(self, triton_request: Any) -> None:
        self._sender = triton_request.get_response_sender()
        self._outputs = set(triton_request.requested_output_names())
        self._closed = False
        self._lost = False

    def send(self, request: Request, delta: Delta, prefix: tuple[int, ...] = ()) -> None:
        """Send a delta; ``prefix`` is the prompt where the answer contains it."""
        values = output_values(request, delta, prefix)
        tensors = [pb_utils.Tensor(name, value) for name, value in values.items() if name in self._outputs]
        self._respond(pb_utils.InferenceResponse(output_tensors=tensors), final=delta.final)

    def refuse(self, reason: str) -> None:
        """The client's fault."""
        self._end_with(pb_utils.TritonError(reason, pb_utils.TritonError.INVALID_ARG))

    def fail(self, reason: str) -> None:
        """The engine's fault."""
        self._end_with(pb_utils.TritonError(reason, pb_utils.TritonError.INTERNAL))

    def close(self) -> None:
        """The empty final response."""
        if not self._closed:
            self._closed = True
            self._sender.send(flags=FINAL)

    def is_cancelled(self) -> bool:
        """Whether nobody waits for more: the client left, or could not be sent to."""
        return self._lost or (not self._closed and bool(self._sender.is_cancelled()))

    def _end_with(self, error: Any) -> None:
        self._respond(pb_utils.InferenceResponse(output_tensors=[], error=error), final=True)

    def _respond(self, response: Any, *, final: bool) -> None:
        if self._closed:
            return
        self._closed = final
        try:
            self._sender.send(response, flags=FINAL if final else 0)
        except pb_utils.TritonModelException:
            self._closed = self._lost = True


def output_values(request: Request, delta: Delta, prefix: tuple[int, ...]) -> dict[str, Any]:
    """All outputs; what was not asked for is a dummy of zeros, as v0.10.0 has it."""
    ids = prefix + delta.ids
    log_probs = delta.log_probs if request.log_probs else (0.0,)
    return {
        "output_ids": np.array(ids, dtype=np.int32).reshape(1, 1, -1),
        "sequence_length": np.array([[len(ids)]], dtype=np.int32),
        "cum_log_probs": np.array([[sum(log_probs)]], dtype=np.float32),
        "output_log_probs": np.array(log_probs, dtype=np.float32).reshape(1, 1, -1),
        "context_logits": np.zeros((1, 1, 1), dtype=np.float32),
        "generation_logits": np.zeros((1, 1, 1, 1), dtype=np.float32),
    }
