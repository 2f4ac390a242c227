"""Answers of the engine → outputs of tensorrt_llm_bls: the text added, the rest passed on.

Knows arrays, nothing of Triton.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .utf8_stream import TokenBytes, Utf8Stream

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
SEQUENCE = "sequence_index"


class Answers:
    """The stream of one request. A decoder per beam of each returned sequence lives as long as the stream."""

    def __init__(self, token_bytes: TokenBytes, accumulate: bool) -> None:
        self._token_bytes = token_bytes
        self._accumulate = accumulate
        self._decoders: dict[int, list[Utf8Stream]] = {}
        self._so_far: dict[int, list[str]] = {}

    def of(self, answers: Iterable[Arrays]) -> Iterator[Arrays]:
        for answer in answers:
            yield self._with_text(answer)
        for index, decoders in self._decoders.items():
            rest = [decoder.flush() for decoder in decoders]
            if any(rest):
                # The last character was never finished, and nobody knew that there would be no more tokens.
                beams = len(rest)
                outputs = {
                    "text_output": self._texts(index, rest),
                    "output_ids": np.zeros((1, beams, 0), dtype=np.int32),
                    "sequence_length": np.zeros((1, beams), dtype=np.int32),
                }
                yield {**outputs, SEQUENCE: np.array([[index]], dtype=np.int32)} if index else outputs

    @staticmethod
    def whole(answer: Arrays, token_bytes: TokenBytes) -> Arrays:
        """The one answer of a request that is not streamed."""
        return {"text_output": _object_array([[token_bytes.text(ids) for ids in _sequences(answer)]]), **answer}

    def _with_text(self, answer: Arrays) -> Arrays:
        sequences = _sequences(answer)
        # A request for several sequences gets their answers mixed, each with its number.
        index = int(answer[SEQUENCE].reshape(-1)[0]) if SEQUENCE in answer else 0
        decoders, so_far = self._decoders.setdefault(index, []), self._so_far.setdefault(index, [])
        while len(decoders) < len(sequences):
            decoders.append(Utf8Stream(self._token_bytes))
            so_far.append("")
        texts = [decoder.push(ids) for decoder, ids in zip(decoders, sequences, strict=False)]
        return {"text_output": self._texts(index, texts), **answer}

    def _texts(self, index: int, texts: list[str]) -> Array:
        if self._accumulate:
            so_far = self._so_far[index]
            texts = self._so_far[index] = [before + text for before, text in zip(so_far, texts, strict=True)]
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
