"""A plain client of the ``tensorrt_llm`` tensors: what the gateway's direct route does, without the gateway.

It knows the contract's input types and gRPC's stream. It must not know who answers: TensorRT-LLM, the CPU
engine and the scripted engine look the same from here.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import serialize_byte_tensor, triton_to_np_dtype

INPUT_TYPES = {
    "input_ids": "INT32",
    "input_lengths": "INT32",
    "request_output_len": "INT32",
    "draft_input_ids": "INT32",
    "draft_logits": "FP32",
    "draft_acceptance_threshold": "FP32",
    "end_id": "INT32",
    "pad_id": "INT32",
    "stop_words_list": "INT32",
    "bad_words_list": "INT32",
    "embedding_bias": "FP32",
    "beam_width": "INT32",
    "temperature": "FP32",
    "runtime_top_k": "INT32",
    "runtime_top_p": "FP32",
    "runtime_top_p_min": "FP32",
    "runtime_top_p_decay": "FP32",
    "runtime_top_p_reset_ids": "INT32",
    "len_penalty": "FP32",
    "early_stopping": "BOOL",
    "repetition_penalty": "FP32",
    "min_length": "INT32",
    "beam_search_diversity_rate": "FP32",
    "presence_penalty": "FP32",
    "frequency_penalty": "FP32",
    "random_seed": "UINT64",
    "return_log_probs": "BOOL",
    "return_context_logits": "BOOL",
    "return_generation_logits": "BOOL",
    "stop": "BOOL",
    "streaming": "BOOL",
    "prompt_embedding_table": "FP16",
    "prompt_vocab_size": "INT32",
    "lora_task_id": "UINT64",
    "lora_weights": "FP16",
    "lora_config": "INT32",
    "guided_decoding_guide_type": "BYTES",
    "guided_decoding_guide": "BYTES",
}

FINAL = "triton_final_response"


class EngineError(Exception):
    """The engine answered with an error; the text is Triton's."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response of the stream."""

    outputs: dict[str, NDArray[Any]]
    final: bool

    @property
    def ids(self) -> list[int]:
        return [int(token) for token in self.outputs["output_ids"].reshape(-1)] if self.outputs else []


@dataclass(frozen=True, slots=True)
class Answer:
    """All responses of one request."""

    responses: list[Response] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        return [token for response in self.responses for token in response.ids]

    @property
    def log_probs(self) -> list[float]:
        """The last list: the contract's log-probabilities are cumulative."""
        last = [each for each in self.responses if each.outputs][-1]
        return [float(value) for value in last.outputs["output_log_probs"].reshape(-1)]

    @property
    def cum_log_prob(self) -> float:
        last = [each for each in self.responses if each.outputs][-1]
        return float(last.outputs["cum_log_probs"].reshape(-1)[0])


class Call:
    """A request in flight; iterate to get its responses, ``cancel`` to leave.

    A stream is read to its end even after an error: dropping it cancels it, and a cancel that meets the end of a
    request
    now and then makes Triton keep the request for ever (and wait for it when it is told to exit).
    """

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc

    def __iter__(self) -> Iterator[Response]:
        failure = ""
        for message in self._rpc:
            if message.error_message:
                failure = message.error_message
            else:
                yield _response(message.infer_response)
        if failure:
            raise EngineError(failure)

    def read_all(self) -> Answer:
        return Answer(list(self))

    def cancel(self) -> None:
        self._rpc.cancel()


class EngineClient:
    """Sends requests to one Triton. Safe to share between threads."""

    def __init__(self, address: str, model: str = "tensorrt_llm") -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 64 << 20)])
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._model = model

    def close(self) -> None:
        self._channel.close()

    def start(
        self,
        prompt: Sequence[int],
        max_tokens: int = 16,
        *,
        request_id: str = "",
        timeout: float = 60,
        outputs: Sequence[str] = (),
        **inputs: Any,
    ) -> Call:
        """Send a request; ``inputs`` are more of the contract's tensors, as plain values or arrays."""
        tensors = {
            "input_ids": [list(prompt)],
            "input_lengths": [[len(prompt)]],
            "request_output_len": [[max_tokens]],
            "streaming": [[True]],
            **{name: value if np.ndim(value) else [[value]] for name, value in inputs.items()},
        }
        request = service_pb2.ModelInferRequest(model_name=self._model, id=request_id)
        request.parameters["triton_enable_empty_final_response"].bool_param = True
        for name, value in tensors.items():
            array = np.asarray(value, dtype=triton_to_np_dtype(INPUT_TYPES[name]))
            request.inputs.add(name=name, datatype=INPUT_TYPES[name], shape=array.shape)
            raw = serialize_byte_tensor(array).item() if INPUT_TYPES[name] == "BYTES" else array.tobytes()
            request.raw_input_contents.append(raw)
        for name in outputs:
            request.outputs.add(name=name)
        return Call(self._stub.ModelStreamInfer(iter([request]), timeout=timeout))

    def generate(self, prompt: Sequence[int], max_tokens: int = 16, **inputs: Any) -> Answer:
        return self.start(prompt, max_tokens, **inputs).read_all()

    def stop(self, request_id: str) -> Answer:
        """Stop the request with that id, as the contract does it: another request with ``stop`` set."""
        return self.start([1], 1, request_id=request_id, stop=True).read_all()


def word_list(words: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    """Stop or bad words as the contract packs them: all ids in one row, the end of each word in the other."""
    flat = [token for word in words for token in word]
    ends = list(itertools.accumulate(len(word) for word in words))
    ends += [-1] * (len(flat) - len(ends))
    return np.array([[flat, ends]], dtype=np.int32)


def _response(message: Any) -> Response:
    outputs = {
        each.name: np.frombuffer(raw, dtype=triton_to_np_dtype(each.datatype)).reshape(each.shape)
        for each, raw in zip(message.outputs, message.raw_output_contents, strict=True)
    }
    return Response(outputs, final=message.parameters[FINAL].bool_param)
