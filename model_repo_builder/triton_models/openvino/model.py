"""The ``tensorrt_llm`` model on a CPU: Triton's edge of the engine.

It speaks the contract of TensorRT-LLM's model, v0.10.0, in front of OpenVINO GenAI's continuous batching.
Everything of substance is in the modules beside it: ``settings``, ``request``, ``guide``, ``sequence``,
``pipeline``, ``grammar``, ``engine``, ``reply``.
"""

import json
from typing import Any

import triton_python_backend_utils as pb_utils

from .engine import Engine
from .guide_check import GuideChecker, GuideThread
from .pipeline import Pipeline, PipelineError
from .reply import Reply
from .request import RequestError, is_stop, read_request
from .settings import SettingsError, read_settings


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        self._inputs = [entry["name"] for entry in config["input"]]
        self._decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        try:
            self._settings = settings = read_settings(parameters)
            self._engine = Engine(
                lambda: Pipeline(settings),
                cancel_period=settings.cancel_period,
                exclude_input=settings.exclude_input_in_output,
                log=pb_utils.Logger.log_error,
                guides=GuideThread(
                    GuideChecker(settings.model_path, settings.vocab_size, settings.guide_milliseconds),
                    pb_utils.Logger.log_error,
                ),
            )
        except (SettingsError, PipelineError) as error:
            raise pb_utils.TritonModelException(str(error)) from None

    def execute(self, triton_requests: list[Any]) -> None:
        for triton_request in triton_requests:
            reply = Reply(triton_request)
            try:
                self._start(triton_request, reply)
            except RequestError as error:
                reply.refuse(str(error))

    def finalize(self) -> None:
        self._engine.close()

    def _start(self, triton_request: Any, reply: Reply) -> None:
        tensors = {
            name: tensor.as_numpy()
            for name in self._inputs
            if (tensor := pb_utils.get_input_tensor_by_name(triton_request, name)) is not None
        }
        request_id = triton_request.request_id()
        if is_stop(tensors):
            if not request_id:
                raise RequestError("Trying to stop a request but request ID is not provided")
            self._engine.stop(request_id)
            reply.close()
            return
        request = read_request(request_id, tensors, self._settings)
        if request.streaming and not self._decoupled:
            raise RequestError("Streaming is only supported if model is deployed using decoupled mode.")
        self._engine.submit(request, reply)
