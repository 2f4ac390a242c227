"""A Triton model that gives vectors: for texts one each, for token ids one for every token or for the last one.

It stands in for an embedding model of any backend. What it takes and gives follows from its configuration; what its
numbers are from ``numbers``. Padding, where a mask shows any, gets vectors of 99: who reads them has a wrong vector.

Texts with a meaning: ``hang TAG`` answers nothing until the client is gone, ``fail`` is an error, ``nan`` no number.
Model parameter ``journal``: a file to append to.
"""

import json
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .journal import JournalWriter
from .numbers import SIZE, text_vector, token_vectors


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self._name = config["name"]
        self._takes_text = config["input"][0]["data_type"] == "TYPE_STRING"
        output = config["output"][0]
        self._output = output["name"]
        self._sequence = len(output["dims"]) > 1
        self._type = pb_utils.triton_string_to_numpy(output["data_type"])
        self._batched = int(config["max_batch_size"]) > 0
        self._journal = JournalWriter(config["parameters"]["journal"]["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            values = self._texts(request) if self._takes_text else self._ids(request)
        except ValueError as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        if not self._batched:
            values = values[0]
        return pb_utils.InferenceResponse([pb_utils.Tensor(self._output, values.astype(self._type))])

    def _texts(self, request: Any) -> np.ndarray:
        texts = [each.decode() for each in pb_utils.get_input_tensor_by_name(request, "text").as_numpy().ravel()]
        self._journal.write("batch", self._name, size=len(texts))
        for text in texts:
            if text.startswith("hang "):
                self._hang(request, text.removeprefix("hang "))
            if text == "fail":
                raise ValueError("the script says fail")
        return np.stack([np.full(SIZE, np.nan) if text == "nan" else text_vector(text) for text in texts])

    def _hang(self, request: Any, tag: str) -> None:
        self._journal.write("hang", tag)
        deadline = time.monotonic() + 20
        while not request.is_cancelled():
            if time.monotonic() > deadline:
                raise ValueError("nobody cancelled")
            time.sleep(0.005)
        self._journal.write("cancel", tag)

    def _ids(self, request: Any) -> np.ndarray:
        ids = pb_utils.get_input_tensor_by_name(request, "input_ids").as_numpy()
        mask = pb_utils.get_input_tensor_by_name(request, "attention_mask")
        ids = ids if self._batched else ids.reshape(1, -1)
        lengths = np.full(len(ids), ids.shape[1]) if mask is None else mask.as_numpy().sum(axis=1)
        self._journal.write("batch", self._name, size=len(ids), lengths=lengths.tolist())
        values = np.full((*ids.shape, SIZE), 99.0)
        for row, (given, length) in enumerate(zip(ids, lengths, strict=True)):
            values[row, :length] = token_vectors(given[:length])
        return values if self._sequence else values[np.arange(len(ids)), lengths - 1]

    def finalize(self) -> None:
        self._journal.close()
