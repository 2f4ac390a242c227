"""One request's texts → the arrays that the engine takes: prompt ids, word lists, end and pad id, embedding bias.

Used by preprocessing and by tensorrt_llm_bls, so both give the engine the same. Whole batches: row n of every
array belongs to prompt n. Knows numpy and the tokenizer, nothing of Triton. What a client got wrong is a
ValueError with a sentence for the client.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .tokenizer_folder import QwenTokenizer

Array = np.ndarray[Any, Any]


def refuse(given: Iterable[str], taken: Iterable[str]) -> None:
    """An input that only models with images or an encoder have a use for is not dropped without a word."""
    unknown = sorted(set(given) - set(taken))
    if unknown:
        raise ValueError(f"this model takes text only, so {unknown[0]} has no use here: leave it away")


class PromptTensors:
    def __init__(self, tokenizer: QwenTokenizer, vocab_size: int, end_ids: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._end_ids = list(end_ids) or tokenizer.end_ids

    def prompts(self, texts: Array) -> tuple[Array, Array]:
        """[B, ...] of bytes → ids [B, longest], padded at the end, and lengths [B, 1]."""
        rows = self._tokenizer.prompts(_text(row, "text_input") for row in _one_each(texts, "text_input"))
        for row in rows:
            if not row:
                raise ValueError("text_input is empty: there is nothing to continue")
        lengths = np.array([[len(row)] for row in rows], dtype=np.int32)
        ids = np.full((len(rows), int(lengths.max())), self._pad(), dtype=np.int32)
        for line, row in zip(ids, rows, strict=True):
            line[: len(row)] = row
        return ids, lengths

    def end_and_pad(self, end_id: Array | None, pad_id: Array | None, batch: int) -> tuple[Array, Array]:
        """The request's own ids, or the model's, each [B, 1]."""
        end = self._end_ids[0] if self._end_ids else -1
        return _id_column(end_id, end, batch, "end_id"), _id_column(pad_id, self._pad(), batch, "pad_id")

    def stop_words(self, words: Array | None, end_id: Array | None, batch: int) -> Array:
        """Where the request leaves the end token to the model, the model's other end tokens stop it too."""
        more = [[token] for token in self._end_ids[1:]] if end_id is None else []
        return self._word_lists(words, batch, "stop_words", more)

    def bad_words(self, words: Array | None, batch: int) -> Array:
        return self._word_lists(words, batch, "bad_words", [])

    def embedding_bias(self, words: Array | None, weights: Array | None, batch: int) -> Array:
        """[B, vocabulary of the engine], or [B, 0] where nothing is asked."""
        if (words is None) != (weights is None):
            raise ValueError("embedding_bias_words and embedding_bias_weights go together: give both or neither")
        if words is None:
            return np.zeros((batch, 0), dtype=np.float32)
        words, weights = _rows(words, batch), _rows(weights, batch)
        if words.shape != weights.shape:
            raise ValueError("embedding_bias_words and embedding_bias_weights must have the same shape")
        bias = np.zeros((batch, self._vocab_size), dtype=np.float32)
        for row, texts, values in zip(bias, words, weights, strict=True):
            encoded = self._tokenizer.words(_text(text, "embedding_bias_words") for text in texts)
            for ids, value in zip(encoded, values, strict=True):
                for token in ids:
                    if token >= self._vocab_size:
                        raise ValueError(f"an embedding_bias word has token {token}, which the engine does not have")
                    row[token] += value
        return bias

    def _word_lists(self, words: Array | None, batch: int, name: str, more: Sequence[list[int]]) -> Array:
        """[B, 2, N]: the ids of all words one after another, then where each word ends; padded with 0 and with -1."""
        rows = [[] for _ in range(batch)] if words is None else _rows(words, batch)
        flat, ends = [], []
        for row in rows:
            texts = [text for text in (_text(word, name) for word in row) if text]
            encoded = (self._tokenizer.words(texts) if texts else []) + list(more)
            encoded = [ids for ids in encoded if ids]
            flat.append([token for ids in encoded for token in ids])
            ends.append(np.cumsum([len(ids) for ids in encoded], dtype=np.int32).tolist())
        lists = np.zeros((batch, 2, max((len(ids) for ids in flat), default=0)), dtype=np.int32)
        lists[:, 1] = -1
        for target, ids, offsets in zip(lists, flat, ends, strict=True):
            target[0, : len(ids)] = ids
            target[1, : len(offsets)] = offsets
        return lists

    def _pad(self) -> int:
        return self._end_ids[-1] if self._end_ids else 0


def _one_each(texts: Array, name: str) -> Array:
    rows = texts.reshape(texts.shape[0], -1)
    if rows.shape[1] != 1:
        raise ValueError(f"{name} needs one text per request, not {rows.shape[1]}")
    return rows[:, 0]


def _rows(array: Array, batch: int) -> Array:
    return array.reshape(batch, -1)


def _id_column(given: Array | None, default: int, batch: int, name: str) -> Array:
    if given is None:
        return np.full((batch, 1), default, dtype=np.int32)
    column = _rows(given, batch)
    if column.shape[1] != 1:
        raise ValueError(f"{name} takes one id per request, not {column.shape[1]}")
    return column.astype(np.int32)


def _text(value: bytes | str, name: str) -> str:
    if isinstance(value, str):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8") from None
