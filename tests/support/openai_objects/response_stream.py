"""The rules of a streamed response: numbers without gaps, events nested as items and parts are, and at the end the
response that the deltas built."""

from __future__ import annotations

import copy
from typing import Any

from ..sse import Event
from .response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    Failure,
    ItemEvent,
    PartEvent,
    ReasoningDelta,
    ReasoningDone,
    SummaryDelta,
    SummaryDone,
    SummaryPart,
    TextDelta,
    TextDone,
    Whole,
    check_event,
)
from .responses import FunctionCallItem, Response

LAST = ("response.completed", "response.incomplete", "response.failed")
# What may not change between the first and the last picture of the response.
CONSTANT = ("id", "object", "created_at", "model", "instructions", "tools", "tool_choice", "temperature", "top_p")


def check_response_stream(events: list[Event], *, complete: bool = True) -> None:
    """AssertionError where the events break a rule. ``complete``: the stream was read to its end."""
    built = _Built()
    for number, event in enumerate(events):
        data = event.data
        assert isinstance(data, dict), f"not an event: {data!r}"
        assert event.name == data.get("type"), (
            f"the event is named {event.name!r} and has the type {data.get('type')!r}"
        )
        assert data.get("sequence_number") == number, (
            f"event {number} has the sequence_number {data.get('sequence_number')}"
        )
        built.take(number, check_event(data), data)
    if complete:
        assert built.ended, "the stream ends without its last event"


class _Built:
    """What the events so far built."""

    def __init__(self) -> None:
        self.ended = False
        self._failure: Failure | None = None  # the error that comes before response.failed
        self._first: Response | None = None
        self._output: list[dict[str, Any]] = []  # finished items
        self._item: dict[str, Any] | None = None  # the open item, as added, growing
        self._part: dict[str, Any] | None = None  # its open part
        self._text = ""  # of the open part, or the open call's arguments
        self._done = False  # the …done event of the text came

    def take(self, number: int, event: Any, raw: dict[str, Any]) -> None:
        assert not self.ended, f"an event after the last: {raw}"
        if self._failure is not None:
            assert event.type == "response.failed", f"after an error comes response.failed, not {event.type}"
        expected = {0: "response.created", 1: "response.in_progress"}.get(number)
        if expected and event.type != "error":
            assert event.type == expected, f"event {number} is {event.type}, not {expected}"
        if isinstance(event, Whole):
            self._whole(number, event, raw)
        elif isinstance(event, Failure):
            self._failure = event
        elif isinstance(event, ItemEvent):
            self._items(event, raw)
        else:
            self._inside(event, raw)

    def _whole(self, number: int, event: Whole, raw: dict[str, Any]) -> None:
        if number < 2:
            assert event.response.status == "in_progress", f"{event.type} with the status {event.response.status}"
            assert event.response.output == [], f"{event.type} with output"
            self._first = self._first or event.response
            assert event.response == self._first, "response.in_progress is not what response.created was"
            return
        assert event.type in LAST, f"{event.type} comes once, at the beginning"
        assert event.type == f"response.{event.response.status}", (
            f"{event.type} with the status {event.response.status}"
        )
        assert self._first is not None
        for key in CONSTANT:
            assert getattr(event.response, key) == getattr(self._first, key), f"{key} changed on the way"
        if event.type == "response.failed":
            assert event.response.error is not None, "a failed response does not say why"
            assert self._failure is not None, "a failed response without the error that clients raise on"
            assert event.response.error.message == self._failure.message, (
                "the response and the error say different things"
            )
        else:
            assert self._item is None, "the response ends inside of an item"
            assert raw["response"]["output"] == self._output, "the response's output is not what the events built"
            assert event.response.usage is not None, "the finished response has no usage"
        self.ended = True

    def _items(self, event: ItemEvent, raw: dict[str, Any]) -> None:
        assert event.output_index == len(self._output), f"output_index {event.output_index}, not {len(self._output)}"
        if event.type.endswith("added"):
            assert self._item is None, "an item is added inside of another"
            assert getattr(event.item, "status", None) in (None, "in_progress"), "an added item is in progress"
            for key in ("content", "summary", "arguments"):
                assert not raw["item"].get(key), f"an item is added with {key}"
            self._item = copy.deepcopy(raw["item"])
            self._text, self._done = "", not isinstance(event.item, FunctionCallItem)
            return
        assert self._item is not None, "an item is done that was not added"
        assert self._part is None, "an item is done inside of a part"
        assert self._done, "a call is done before its arguments are"
        assert getattr(event.item, "status", None) in (None, "completed", "incomplete"), (
            "a done item is not in progress"
        )
        if isinstance(event.item, FunctionCallItem):
            self._item["arguments"] = self._text
        expected, given = ({**item, "status": None} for item in (self._item, raw["item"]))
        assert given == expected, f"the item is not what its deltas built: {given} is not {expected}"
        self._output.append(raw["item"])
        self._item = None

    def _inside(self, event: Any, raw: dict[str, Any]) -> None:
        assert self._item is not None, f"{event.type} outside of an item"
        assert event.item_id == self._item["id"], f"{event.type} of the item {event.item_id}, not {self._item['id']}"
        assert event.output_index == len(self._output), f"{event.type} has the output_index {event.output_index}"
        if isinstance(event, ArgumentsDelta | ArgumentsDone):
            assert self._item["type"] == "function_call", f"{event.type} in an item of type {self._item['type']}"
            self._grow(event, raw, "arguments")
            return
        key = "summary" if isinstance(event, SummaryPart | SummaryDelta | SummaryDone) else "content"
        parts = self._item.setdefault(key, [])
        index = raw[f"{key}_index"]
        assert index == len(parts), f"{event.type} has the {key}_index {index}, not {len(parts)}"
        if isinstance(event, PartEvent | SummaryPart):
            self._parts(event, raw, parts)
            return
        assert self._part is not None, f"{event.type} outside of a part"
        kinds = {TextDelta: "output_text", TextDone: "output_text", ReasoningDelta: "reasoning_text"}
        kind = kinds.get(type(event), "reasoning_text" if isinstance(event, ReasoningDone) else "summary_text")
        assert self._part["type"] == kind, f"{event.type} in a part of type {self._part['type']}"
        self._grow(event, raw, "text")

    def _parts(self, event: PartEvent | SummaryPart, raw: dict[str, Any], parts: list[Any]) -> None:
        if event.type.endswith("added"):
            assert self._part is None, "a part is added inside of another"
            assert not raw["part"]["text"], "a part is added with text"
            self._part, self._text, self._done = raw["part"], "", False
            return
        assert self._part is not None, "a part is done that was not added"
        assert self._done, "a part is done before its text is"
        assert raw["part"]["type"] == self._part["type"], "a part changed its type"
        assert raw["part"]["text"] == self._text, "the part is not what its deltas built"
        parts.append(raw["part"])
        self._part = None

    def _grow(self, event: Any, raw: dict[str, Any], key: str) -> None:
        if event.type.endswith("delta"):
            assert event.delta, f"{event.type} without text"
            self._text += event.delta
            return
        assert raw[key] == self._text, f"{event.type} is not what the deltas built"
        self._done = True
