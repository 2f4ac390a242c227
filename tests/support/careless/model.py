"""A Triton Python model that answers with an output more than anybody asked for, as many do.

It runs only inside Triton.
"""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            sender.send(pb_utils.InferenceResponse([text("out"), text("more")]))  # nobody else holds them
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def text(name):
    return pb_utils.Tensor(name, np.array([b"text"], dtype=np.object_))
