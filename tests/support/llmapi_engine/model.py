"""A Triton model with the tensors of TensorRT-LLM's ``llmapi`` model, that says what its prompt scripts.

Facts of that model (read, not run): text in and out, every response carries all the text so far, ``finish_reason`` is
the text of a Python value, the final flag is on the last response with data, ``stop`` under the same id ends a request
with an error. Without ``decoupled`` it answers at once. A character is a token here.
"""

import json
import threading
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .journal import JournalWriter
from .script import Script, find_script

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self._decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        self._inputs = [entry["name"] for entry in config["input"]]
        self._journal = JournalWriter(config["parameters"]["journal"]["string_value"])
        self._stopped: dict[str, threading.Event] = {}

    def execute(self, requests: list[Any]) -> list[Any] | None:
        if not self._decoupled:
            return [self._answer(request) for request in requests]
        for request in requests:
            threading.Thread(target=self._stream, args=(request,), daemon=True).start()
        return None

    def finalize(self) -> None:
        self._journal.close()

    def _read(self, request: Any) -> tuple[dict[str, Any], Script]:
        tensors = {
            name: tensor.as_numpy()
            for name in self._inputs
            if (tensor := pb_utils.get_input_tensor_by_name(request, name)) is not None
        }
        text = tensors["text_input"].reshape(-1)[0].decode()
        script = find_script(text) or Script(text="no script")
        sent = {name: {"values": [str(value) for value in each.reshape(-1)]} for name, each in tensors.items()}
        self._journal.write("start", script.tag, emitted=0, id=request.request_id(), tensors=sent)
        return tensors, script

    def _text(self, tensors: dict[str, Any], script: Script) -> tuple[str, str]:
        most = int(tensors["sampling_param_max_tokens"].reshape(-1)[0])
        return script.text[:most], "length" if len(script.text) > most else "stop"

    def _answer(self, request: Any) -> Any:
        text, reason = self._text(*self._read(request))
        return pb_utils.InferenceResponse(output_tensors=_tensors(text, reason))

    def _stream(self, request: Any) -> None:
        sender, id = request.get_response_sender(), request.request_id()
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in ("stop",)}
        if tensors["stop"] is not None and tensors["stop"].as_numpy().any():
            self._stopped.setdefault(id, threading.Event()).set()
            sender.send(flags=FINAL)
            return
        given, script = self._read(request)
        stopped = self._stopped.setdefault(id, threading.Event())
        text, reason = self._text(given, script)
        for end in range(script.chunk, len(text), script.chunk):
            sender.send(pb_utils.InferenceResponse(output_tensors=_tensors(text[:end], "None")))
            if script.delay_ms and stopped.wait(script.delay_ms / 1000):
                self._journal.write("end", script.tag, emitted=end, reason="cancel")
                error = pb_utils.TritonError("CANCELLED", pb_utils.TritonError.CANCELLED)
                sender.send(pb_utils.InferenceResponse(output_tensors=[], error=error), flags=FINAL)
                return
        self._journal.write("end", script.tag, emitted=len(text), reason="end", at=time.time())
        sender.send(pb_utils.InferenceResponse(output_tensors=_tensors(text, reason)), flags=FINAL)


def _tensors(text: str, reason: str) -> list[Any]:
    values = {"text_output": text, "finish_reason": reason}
    return [pb_utils.Tensor(name, np.array([value.encode()], dtype=object)) for name, value in values.items()]
