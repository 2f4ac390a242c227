"""The way back to the client of a decoupled request, made safe for several threads.

Triton crashes when a sender is asked whether its client has left during or after the final flag, so both take
turns and nothing is asked or sent any more once the final flag is out.
"""

import threading
from typing import Any

import triton_python_backend_utils as pb_utils


class ClientSender:
    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self.finished = threading.Event()

    def send(self, response: Any) -> None:
        with self._lock:
            if not self.finished.is_set():
                self._sender.send(response)

    def finish(self, error: str | None = None) -> None:
        """An error if there was one, then the empty answer that says that this was all. Only the first call counts."""
        with self._lock:
            if self.finished.is_set():
                return
            try:
                if error is not None:
                    self._sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError(error)))
                self._sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            finally:
                self.finished.set()

    def has_left(self) -> bool:
        with self._lock:
            return not self.finished.is_set() and bool(self._sender.is_cancelled())
