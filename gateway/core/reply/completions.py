"""Deltas → OpenAI's text completions. It knows the older endpoint's shapes: text in ``text``, log-probabilities in four
lists, ``echo``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.reply.collect import Choice, total
from gateway.core.reply.wire import DONE, frame, usage
from gateway.core.types import Content, Delta, Finish, TokenLogprob


class CompletionStream:
    """The chunks of one streamed text completion, as SSE frames.

    ``n``: answers to each prompt. ``echo``: the prompt of each choice, given out before its text; empty: not asked for.
    """

    def __init__(
        self,
        *,
        id: str,
        created: int,
        model: str,
        choices: int = 1,
        n: int = 1,
        include_usage: bool = False,
        echo: Sequence[str] = (),
    ) -> None:
        self._head = {"id": id, "object": "text_completion", "created": created, "model": model}
        self._n = n
        self._include_usage = include_usage
        self._echo: dict[int, str] = dict(enumerate(echo))
        self._offsets = [len(echo[index]) if echo else 0 for index in range(choices)]
        self._finishes: list[Finish | None] = [None] * choices

    def push(self, delta: Delta) -> bytes:
        """The frames of a delta, and with the last finish everything up to ``[DONE]``."""
        index = delta.choice
        text = self._echo.pop(index, "") + _text(delta)
        frames = b""
        if text or delta.logprobs or delta.finish is not None:
            reason = None if delta.finish is None else delta.finish.reason
            choice = {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
            if delta.logprobs:
                choice["logprobs"], self._offsets[index] = logprobs_object(delta.logprobs, self._offsets[index])
            chunk: dict[str, Any] = {**self._head, "choices": [choice]}
            if self._include_usage:
                chunk["usage"] = None if delta.usage is None or reason is not None else usage(delta.usage)
            frames = frame(chunk)
        if delta.finish is None:
            return frames
        self._finishes[index] = delta.finish
        if None in self._finishes:
            return frames
        if self._include_usage:
            counts = usage(total(self._finishes, self._n))
            frames += frame({**self._head, "choices": [], "usage": counts})
        return frames + DONE


def text_completion(
    choices: Sequence[Choice],
    *,
    id: str,
    created: int,
    model: str,
    n: int = 1,
    logprobs: bool = False,
    echo: Sequence[str] = (),
) -> dict[str, Any]:
    """The body of a text completion that was collected from its stream."""
    return {
        "id": id,
        "object": "text_completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": index,
                "text": (echo[index] if echo else "") + "".join(choice.content),
                "logprobs": logprobs_object(choice.logprobs, len(echo[index]) if echo else 0)[0] if logprobs else None,
                "finish_reason": choice.finish.reason if choice.finish else None,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": usage(total([choice.finish for choice in choices], n)),
    }


def logprobs_object(tokens: Sequence[TokenLogprob], offset: int) -> tuple[dict[str, Any], int]:
    """The four lists, and the offset of the text after these tokens. ``offset``: characters before the first one.

    Characters are counted by bytes that begin one: a character over two tokens is counted with the first.
    """
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += sum(byte & 0xC0 != 0x80 for byte in token.bytes)
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": None,
        "text_offset": offsets,
    }, offset


def _text(delta: Delta) -> str:
    return "".join(part.text for part in delta.parts if isinstance(part, Content))
