"""The output items of a response while they grow: a message, thinking, a call of a function.

Each knows its own JSON, and the events that tell of it: what was added, what is new, what is done. It must not know
which item comes next, nor the numbers of events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from gateway.core.types import CallStart, TokenLogprob

Status = Literal["in_progress", "completed", "incomplete"]
Told = tuple[str, dict[str, Any]]  # an event's type, and its fields but for the number


@dataclass(frozen=True, slots=True)
class TextKind:
    """Where items of text differ. ``event`` begins the types of the events about the text."""

    item: str
    prefix: str
    part: str
    event: str


MESSAGE = TextKind("message", "msg", "output_text", "response.output_text")
THINKING = TextKind("reasoning", "rs", "reasoning_text", "response.reasoning_text")


class TextItem:
    """A message, or the model's thinking. It has one part, the text."""

    def __init__(self, kind: TextKind, stem: str, index: int) -> None:
        """``stem``: what is unique in the response's id. ``index``: of the item in the output."""
        self.kind = kind
        self._id = f"{kind.prefix}_{stem}{index:02}"
        self._index = index
        self._at = {"item_id": self._id, "output_index": index, "content_index": 0}
        self._texts: list[str] = []
        self._tokens: list[TokenLogprob] = []

    def added(self) -> list[Told]:
        return [
            ("response.output_item.added", {"output_index": self._index, "item": self._item("in_progress", [])}),
            ("response.content_part.added", {**self._at, "part": self._part("", [])}),
        ]

    def more(self, text: str, tokens: Iterable[TokenLogprob] = ()) -> Told:
        self._texts.append(text)
        self._tokens += tokens
        return f"{self.kind.event}.delta", {**self._at, "delta": text, **self._logprobs(tokens)}

    def done(self, status: Status) -> list[Told]:
        text = "".join(self._texts)
        return [
            (f"{self.kind.event}.done", {**self._at, "text": text, **self._logprobs(self._tokens)}),
            ("response.content_part.done", {**self._at, "part": self._part(text, self._tokens)}),
            ("response.output_item.done", {"output_index": self._index, "item": self.body(status)}),
        ]

    def body(self, status: Status) -> dict[str, Any]:
        """The item as it is now."""
        return self._item(status, [self._part("".join(self._texts), self._tokens)])

    def _item(self, status: Status, content: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self._id, "type": self.kind.item, "status": status}
        if self.kind is THINKING:  # a summary would be somebody's who read it; the thinking itself is there
            return {**head, "summary": [], "content": content}
        return {**head, "role": "assistant", "content": content}

    def _part(self, text: str, tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
        if self.kind is THINKING:
            return {"type": self.kind.part, "text": text}
        logprobs = [{**_logprob(token), "bytes": list(token.bytes)} for token in tokens]
        return {"type": self.kind.part, "text": text, "annotations": [], "logprobs": logprobs}

    def _logprobs(self, tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
        return {} if self.kind is THINKING else {"logprobs": [_logprob(token) for token in tokens]}


class CallItem:
    """A call of a function."""

    def __init__(self, start: CallStart, stem: str, index: int) -> None:
        self._start = start
        self._id = f"fc_{stem}{index:02}"
        self._index = index
        self._at = {"item_id": self._id, "output_index": index}
        self._arguments: list[str] = []

    def added(self) -> list[Told]:
        return [("response.output_item.added", {"output_index": self._index, "item": self.body("in_progress")})]

    def more(self, text: str) -> Told:
        self._arguments.append(text)
        return "response.function_call_arguments.delta", {**self._at, "delta": text}

    def done(self, status: Status) -> list[Told]:
        item = self.body(status)
        told = {**self._at, "name": item["name"], "arguments": item["arguments"]}
        return [
            ("response.function_call_arguments.done", told),
            ("response.output_item.done", {"output_index": self._index, "item": item}),
        ]

    def body(self, status: Status) -> dict[str, Any]:
        """The item as it is now."""
        return {
            "id": self._id,
            "type": "function_call",
            "status": status,
            "call_id": self._start.id,
            "name": self._start.name,
            "arguments": "".join(self._arguments),
        }


Item = TextItem | CallItem


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    """The alternatives are empty: the engine tells the chosen token alone."""
    return {"token": token.token, "logprob": token.logprob, "top_logprobs": []}
