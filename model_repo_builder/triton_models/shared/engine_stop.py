"""Ends a running request of the engine: the engine's own ``stop`` input, with the id of the request that is to end.

Triton does not pass a cancellation on to an engine request that a Python model or an ensemble made and that
already runs, so our models say it themselves. Knows the three inputs that the engine requires with ``stop``;
their values do not matter.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


def stop_engine(model_name: str, request_id: str, keep: Callable[[Any], None]) -> None:
    """``keep`` holds on to the ended answers for a while: see ``EngineCall``."""
    one = np.array([[1]], dtype=np.int32)
    request = pb_utils.InferenceRequest(
        model_name=model_name,
        request_id=request_id,
        requested_output_names=["output_ids"],
        inputs=[
            pb_utils.Tensor("input_ids", one),
            pb_utils.Tensor("input_lengths", one),
            pb_utils.Tensor("request_output_len", one),
            pb_utils.Tensor("stop", np.array([[True]])),
        ],
    )
    try:
        answers = request.exec(decoupled=True)
        keep(answers)
        for _ in answers:  # an empty one, or the error that nothing has this id any more
            pass
    except pb_utils.TritonModelException as error:
        pb_utils.Logger.log_warn(f"request {request_id} of {model_name} could not be stopped: {error}")
