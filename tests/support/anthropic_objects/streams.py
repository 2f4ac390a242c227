"""The rules of a streamed message: start, blocks one after another, the stop reason with the counts, stop."""

from __future__ import annotations

import json

from ..sse import Event
from .objects import (
    BlockDelta,
    BlockStart,
    BlockStop,
    ErrorBody,
    InputDelta,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    check_event,
)

# Type of a block → the deltas it may have.
DELTAS = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}
CUT = ("max_tokens", "model_context_window_exceeded")


def check_message_stream(events: list[Event], *, complete: bool = True) -> None:
    """AssertionError where the events break a rule. ``complete``: the stream was read to its end."""
    built = _Built()
    for event in events:
        data = event.data
        assert isinstance(data, dict), f"not an event: {data!r}"
        assert event.name == data.get("type"), (
            f"the event is named {event.name!r} and has the type {data.get('type')!r}"
        )
        built.take(check_event(data))
    if complete:
        assert built.ended, "the stream ends without message_stop"


def check_message(message: Message) -> None:
    """The rules of a whole message that its types do not say."""
    assert message.stop_reason is not None, "a whole message has a stop_reason"
    assert (message.stop_reason == "stop_sequence") is (message.stop_sequence is not None), (
        "stop_sequence without reason"
    )
    if message.stop_reason == "tool_use":
        assert any(block.type == "tool_use" for block in message.content), "tool_use, and there is no call"


class _Built:
    """Where in the stream we are."""

    def __init__(self) -> None:
        self.ended = False
        self._started = False
        self._stopped = False  # message_delta came
        self._kinds: list[str] = []  # of the blocks begun
        self._open = False
        self._input = ""  # of the last call

    def take(self, event: object) -> None:
        assert not self.ended, f"an event after the last: {event!r}"
        if isinstance(event, ErrorBody):
            self.ended = True
        elif isinstance(event, MessageStart):
            assert not self._started, "message_start comes once"
            self._started = True
            message = event.message
            assert (message.content, message.stop_reason, message.stop_sequence) == ([], None, None), "an empty message"
        elif not isinstance(event, Ping):
            assert self._started, f"{event!r} before message_start"
            self._inside(event)

    def _inside(self, event: object) -> None:
        if isinstance(event, MessageStop):
            assert self._stopped, "message_stop without message_delta"
            self.ended = True
        elif isinstance(event, MessageDelta):
            assert not self._open, "message_delta inside of a block"
            assert not self._stopped, "message_delta comes once"
            self._stopped = True
            delta = event.delta
            if delta.stop_reason not in CUT:
                _check_input(self._input)
            assert (delta.stop_reason == "stop_sequence") is (delta.stop_sequence is not None), (
                "stop_sequence without reason"
            )
            if delta.stop_reason == "tool_use":
                assert "tool_use" in self._kinds, "tool_use, and there is no call"
        elif isinstance(event, BlockStart):
            self._begin(event)
        elif isinstance(event, BlockDelta | BlockStop):
            assert self._open, f"{event.type} outside of a block"
            assert event.index == len(self._kinds) - 1, f"{event.type} with the index {event.index}"
            self._grow(event)

    def _begin(self, event: BlockStart) -> None:
        assert not self._open, "a block inside of another"
        assert not self._stopped, "a block after message_delta"
        assert event.index == len(self._kinds), f"a block with the index {event.index}, not {len(self._kinds)}"
        block = event.content_block.model_dump(exclude={"type", "id", "name"})
        assert not any(block.values()), f"a block begins with content: {block}"
        _check_input(self._input)
        self._kinds.append(event.content_block.type)
        self._open, self._input = True, ""

    def _grow(self, event: BlockDelta | BlockStop) -> None:
        kind = self._kinds[-1]
        if isinstance(event, BlockDelta):
            assert event.delta.type in DELTAS[kind], f"{event.delta.type} in a block of type {kind}"
            if isinstance(event.delta, InputDelta):
                self._input += event.delta.partial_json
            return
        self._open = False


def _check_input(text: str) -> None:
    """Of a call that is over: only the last one may be cut short, where tokens ran out."""
    assert isinstance(json.loads(text or "{}"), dict), f"the input of a call is no object: {text}"
