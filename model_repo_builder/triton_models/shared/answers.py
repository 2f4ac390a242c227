"""Answers of the engine → outputs of tensorrt_llm_bls: the text added, the rest passed on.

Knows arrays, nothing of Triton.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .utf8_stream import TokenBytes, Utf8Stream

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


class Answers:
    """The stream of one request. A decoder per beam lives as long as the stream."""

    def __init__(self, token_bytes: TokenBytes, accumulate: bool) -> None:
        self._token_bytes = token_bytes
        self._accumulate = accumulate
        self._decoders: list[Utf8Stream] = []
        self._so_far: list[str] = []

    def of(self, answers: Iterable[Arrays]) -> Iterator[Arrays]:
        for answer in answers:
            yield self._with_text(answer)
        rest = [decoder.flush() for decoder in self._decoders]
        if any(rest):
            # The last character was never finished, and nobody knew that there would be no more tokens.
            beams = len(rest)
            yield {
                "text_output": self._texts(rest),
                "output_ids": np.zeros((1, beams, 0), dtype=np.int32),
                "sequence_length": np.zeros((1, beams), dtype=np.int32),
            }

    @staticmethod
    def whole(answer: Arrays, token_bytes: TokenBytes) -> Arrays:
        """The one answer of a request that is not streamed."""
        return {"text_output": _object_array([[token_bytes.text(ids) for ids in _sequences(answer)]]), **answer}

    def _with_text(self, answer: Arrays) -> Arrays:
        sequences = _sequences(answer)
        while len(self._decoders) < len(sequences):
            self._decoders.append(Utf8Stream(self._token_bytes))
            self._so_far.append("")
        return {
            "text_output": self._texts([d.push(ids) for d, ids in zip(self._decoders, sequences, strict=False)]),
            **answer,
        }

    def _texts(self, texts: list[str]) -> Array:
        if self._accumulate:
            self._so_far = [before + text for before, text in zip(self._so_far, texts, strict=True)]
            texts = self._so_far
        return _object_array([texts])


def joined(rows: Sequence[Arrays]) -> Arrays:
    """The outputs of several requests as one batch; shorter rows are filled with zeros."""
    if len(rows) == 1:
        return rows[0]
    return {name: _stacked([row[name] for row in rows]) for name in rows[0] if all(name in row for row in rows)}


def _stacked(arrays: Sequence[Array]) -> Array:
    shape = [max(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True)]
    whole = np.zeros([len(arrays), *shape[1:]], dtype=arrays[0].dtype)
    for place, array in enumerate(arrays):
        whole[(place, *(slice(size) for size in array.shape[1:]))] = array[0]
    return whole


def _sequences(answer: Mapping[str, Array]) -> list[list[int]]:
    """The ids of each beam of [1, beams, N]."""
    lengths = answer["sequence_length"].reshape(-1)
    return [ids[: max(0, int(length))].tolist() for ids, length in zip(answer["output_ids"][0], lengths, strict=True)]


def _object_array(texts: Sequence[Sequence[str]]) -> Array:
    return np.array([[text.encode("utf-8") for text in row] for row in texts], dtype=np.object_)
