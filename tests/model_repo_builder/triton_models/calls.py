"""Calls of the text models over gRPC streaming, as any client of the official repository would make them."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tritonclient.grpc as grpcclient

PATIENCE = 30
OUTPUTS = ("text_output", "output_ids", "sequence_length")
TYPES = {
    np.dtype(np.int32): "INT32",
    np.dtype(np.float32): "FP32",
    np.dtype(bool): "BOOL",
    np.dtype(np.uint64): "UINT64",
}


class Call:
    """One running request."""

    def __init__(self, client: Any, answers: "queue.Queue[tuple[Any, Any]]") -> None:
        self._client = client
        self._answers = answers

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The answers until the final flag; an error is raised."""
        while True:
            result, error = self._answers.get(timeout=PATIENCE)
            if error is not None:
                raise error
            response = result.get_response()
            if response.outputs:
                yield {output.name: result.as_numpy(output.name) for output in response.outputs}
            if response.parameters["triton_final_response"].bool_param:
                return

    def text(self) -> str:
        return b"".join(answer["text_output"].reshape(-1)[0] for answer in self).decode()

    def cancel(self) -> None:
        self._client.stop_stream(cancel_requests=True)


@contextmanager
def call(
    address: str,
    model: str,
    *prompts: str,
    stream: bool = True,
    max_tokens: int = 400,
    request_id: str = "",
    outputs: tuple[str, ...] = OUTPUTS,
    **inputs: Any,
) -> Iterator[Call]:
    """``inputs`` are further inputs of the model: a value that every row gets."""
    rows = len(prompts)
    arrays = {
        "max_tokens": np.full((rows, 1), max_tokens, np.int32),
        "stream": np.full((rows, 1), stream),
        **{name: np.full((rows, 1), value) for name, value in inputs.items() if not isinstance(value, list)},
    }
    texts = {"text_input": [[prompt.encode()] for prompt in prompts]}
    texts.update(
        {name: [[word.encode() for word in value]] * rows for name, value in inputs.items() if isinstance(value, list)}
    )
    tensors = []
    for name, array in arrays.items():
        tensors.append(grpcclient.InferInput(name, list(array.shape), TYPES[array.dtype]))
        tensors[-1].set_data_from_numpy(array)
    for name, words in texts.items():
        array = np.array(words, dtype=np.object_)
        tensors.append(grpcclient.InferInput(name, list(array.shape), "BYTES"))
        tensors[-1].set_data_from_numpy(array)
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with grpcclient.InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer(
            model,
            tensors,
            request_id=request_id,
            outputs=[grpcclient.InferRequestedOutput(name) for name in outputs],
            enable_empty_final_response=True,
        )
        try:
            yield Call(client, answers)
        finally:
            client.stop_stream(cancel_requests=True)
