"""Deltas → OpenAI's chat completions: the chunks of a stream, and the body of a collected one.

The exact shapes clients rely on: the role only in the first chunk of a choice; id, created and model the same in every
chunk; a call's id and name once, its arguments as the model wrote them; a usage chunk with empty ``choices`` only where
asked for, and then ``usage: null`` in every other chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.reply.collect import Call, Choice, total
from gateway.core.reply.wire import DONE, dumps, frame, quoted, usage
from gateway.core.types import CallStart, Content, Delta, Finish, Part, Reasoning, TokenLogprob, Usage


@dataclass(frozen=True, slots=True)
class ChatStyle:
    """What the client or the operator chose. ``reasoning``: names under which thinking is given out."""

    include_usage: bool = False
    logprobs: bool = False
    reasoning: tuple[str, ...] = ("reasoning_content",)


class ChatStream:
    """The chunks of one streamed chat completion, as SSE frames."""

    def __init__(self, *, id: str, created: int, model: str, choices: int = 1, style: ChatStyle | None = None) -> None:
        """``created``: seconds since the epoch. ``choices``: how many answers were asked for."""
        style = style or ChatStyle()
        self._head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._style = style
        # Constant text around each delta of text: serialising it again for every token would be most of the work.
        head = dumps(self._head)[:-1]
        text = ',"logprobs":null,"finish_reason":null}]' + (',"usage":null}' if style.include_usage else "}") + "\n\n"
        tail = text.encode()
        self._around = [
            (f'data: {head},"choices":[{{"index":{index},"delta":{{"content":'.encode("utf-8", "replace"), b"}" + tail)
            for index in range(choices)
        ]
        self._begun: dict[int, tuple[bytes, bytes]] = {}  # the same, of choices that have their first chunk
        self._finishes: list[Finish | None] = [None] * choices

    def push(self, delta: Delta) -> bytes:
        """The frames of a delta: none for an empty one, and with the last finish everything up to ``[DONE]``."""
        parts, finish, logprobs, index, counts = delta
        around = self._begun.get(index)
        # The usual delta: some text and nothing else.
        if around is not None and len(parts) == 1 and finish is None and counts is None and not logprobs:
            part = parts[0]
            if type(part) is Content:
                before, after = around
                return before + quoted(part.text).encode("utf-8", "replace") + after
        frames: list[bytes] = []
        if around is None:
            self._begun[index] = self._around[index]
            frames.append(self._chunk(index, {"role": "assistant", "content": ""}, counts))
        for part in parts:
            frames.append(self._chunk(index, self._part(part), delta.usage, logprobs))
            logprobs = ()
        if logprobs:
            frames.append(self._chunk(index, {}, delta.usage, logprobs))
        if delta.finish is not None:
            frames.append(self._chunk(index, {}, delta.usage, (), delta.finish.reason))
            frames.append(self._finished(index, delta.finish))
        return b"".join(frames)

    def _part(self, part: Part) -> dict[str, Any]:
        if isinstance(part, Content):
            return {"content": part.text}
        if isinstance(part, Reasoning):
            return dict.fromkeys(self._style.reasoning, part.text)
        if isinstance(part, CallStart):
            function = {"name": part.name, "arguments": ""}
            return {"tool_calls": [{"index": part.index, "id": part.id, "type": "function", "function": function}]}
        return {"tool_calls": [{"index": part.index, "function": {"arguments": part.text}}]}

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        counts: Usage | None,
        logprobs: tuple[TokenLogprob, ...] = (),
        reason: str | None = None,
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs_object(logprobs) if logprobs else None,
            "finish_reason": reason,
        }
        chunk: dict[str, Any] = {**self._head, "choices": [choice]}
        if self._style.include_usage:
            chunk["usage"] = None if counts is None or reason is not None else usage(counts)
        return frame(chunk)

    def _finished(self, index: int, finish: Finish) -> bytes:
        self._finishes[index] = finish
        if None in self._finishes:
            return b""
        if not self._style.include_usage:
            return DONE
        counts = total(self._finishes, len(self._finishes))
        return frame({**self._head, "choices": [], "usage": usage(counts)}) + DONE


def chat_completion(
    choices: Sequence[Choice], *, id: str, created: int, model: str, style: ChatStyle | None = None
) -> dict[str, Any]:
    """The body of a chat completion that was collected from its stream."""
    style = style or ChatStyle()
    finishes = [choice.finish for choice in choices]
    return {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [_choice(index, choice, style) for index, choice in enumerate(choices)],
        "usage": usage(total(finishes, len(finishes))),
    }


def _choice(index: int, choice: Choice, style: ChatStyle) -> dict[str, Any]:
    content = "".join(choice.content)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content if content or not choice.calls else None,
        "refusal": None,
    }
    if choice.reasoning:
        message.update(dict.fromkeys(style.reasoning, "".join(choice.reasoning)))
    if choice.calls:
        message["tool_calls"] = [_call(call) for call in choice.calls]
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs_object(choice.logprobs) if style.logprobs else None,
        "finish_reason": choice.finish.reason if choice.finish else None,
    }


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": "".join(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def logprobs_object(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    """OpenAI's ``logprobs``. The alternatives are empty: the engine tells the chosen token alone."""
    return {
        "content": [
            {"token": token.token, "logprob": token.logprob, "bytes": list(token.bytes), "top_logprobs": []}
            for token in tokens
        ],
        "refusal": None,
    }
