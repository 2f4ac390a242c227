"""The rules of a streamed chat or text completion, which no single chunk shows."""

from __future__ import annotations

from typing import Any

from ..sse import DONE, Event
from .base import ErrorBody
from .chat import ChatCompletionChunk, ChunkChoice
from .completions import CompletionChunk, CompletionChunkChoice

CONSTANT = ("id", "object", "created", "model", "system_fingerprint")


def check_chat_stream(events: list[Event], request: dict[str, Any], *, complete: bool = True) -> None:
    """AssertionError where a stream of chunks breaks a rule. ``complete``: it was read to its end."""
    choices: dict[int, _ChatChoice] = {}
    for chunk in _chunks(events, request, ChatCompletionChunk, complete=complete):
        assert isinstance(chunk, ChatCompletionChunk)
        for part in chunk.choices:
            choices.setdefault(part.index, _ChatChoice(part.index)).take(part, said=bool(part.delta.said))
    _ended(events, choices, int(request.get("n") or 1), complete=complete)


def check_completion_stream(events: list[Event], request: dict[str, Any], *, complete: bool = True) -> None:
    choices: dict[int, _Choice] = {}
    for chunk in _chunks(events, request, CompletionChunk, complete=complete):
        for part in chunk.choices:
            choices.setdefault(part.index, _Choice(part.index)).take(part)
    _ended(events, choices, prompts(request.get("prompt")) * int(request.get("n") or 1), complete=complete)


class _Choice:
    """One answer so far: one finish, and nothing after it."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.reason: str | None = None

    def take(self, part: ChunkChoice | CompletionChunkChoice) -> None:
        assert self.reason is None, f"choice {self.index} goes on after its finish_reason {self.reason!r}"
        self.reason = part.finish_reason


class _ChatChoice(_Choice):
    """Role once and first; calls in the order of their indexes, with id, type and name once."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self._started = False
        self._calls: list[str] = []

    def take(self, part: ChunkChoice | CompletionChunkChoice, *, said: bool = True) -> None:
        """``said``: the delta, extensions among it, is not empty."""
        assert isinstance(part, ChunkChoice)
        super().take(part)
        delta = part.delta
        assert (delta.role is not None) is not self._started, (
            f"choice {self.index}: the role is in the first chunk only"
        )
        self._started = True
        assert said or part.finish_reason or part.logprobs, f"choice {self.index}: a chunk that says nothing"
        for call in delta.tool_calls or ():
            name, arguments = call.function.name, call.function.arguments
            if call.index == len(self._calls):
                assert call.id, f"call {call.index} begins without an id"
                assert call.type == "function", f"call {call.index} begins without its type"
                assert name, f"call {call.index} begins without a name"
                assert arguments is not None, f"call {call.index} begins without arguments, not even empty ones"
                assert call.id not in self._calls, f"the id {call.id} is of two calls"
                self._calls.append(call.id)
            else:
                assert call.index == len(self._calls) - 1, f"call {call.index} comes after call {len(self._calls) - 1}"
                assert (call.id, call.type, name) == (None, None, None), (
                    f"call {call.index}: id, type or name came twice"
                )
                assert arguments, f"call {call.index}: a delta without arguments"
        if part.finish_reason == "tool_calls":
            assert self._calls, "finish_reason is tool_calls, and there is no call"


def _chunks(
    events: list[Event],
    request: dict[str, Any],
    kind: type[ChatCompletionChunk] | type[CompletionChunk],
    *,
    complete: bool,
) -> list[ChatCompletionChunk | CompletionChunk]:
    """The chunks, each a valid object, all of one head, with usage where it was asked for and nowhere else."""
    assert all(event.name is None for event in events), "chunks have no event name"
    payloads = [event.data for event in events]
    if complete:
        assert payloads, "the stream is empty"
        assert payloads[-1] == DONE, "the stream does not end with [DONE]"
    payloads = payloads[:-1] if payloads and payloads[-1] == DONE else payloads
    assert DONE not in payloads, "[DONE] is not the last event"
    if payloads and isinstance(payloads[-1], dict) and "error" in payloads[-1]:
        ErrorBody.model_validate(payloads.pop())
    assert all("error" not in payload for payload in payloads), "an error that is not the end of the stream"
    for payload in payloads:
        head = {key: payload.get(key) for key in CONSTANT}
        assert head == {key: payloads[0].get(key) for key in CONSTANT}, f"the head of the chunks changes: {head}"
    chunks = [kind.model_validate(payload) for payload in payloads]
    _check_usage(payloads, request, finished=complete and not failed(events))
    return list(chunks)


def _check_usage(payloads: list[dict[str, Any]], request: dict[str, Any], *, finished: bool) -> None:
    options = request.get("stream_options") or {}
    asked = bool(options.get("include_usage"))
    for number, payload in enumerate(payloads):
        last = not payload["choices"]
        if last:
            assert asked, "a chunk without choices, and usage was not asked for"
            assert number == len(payloads) - 1, "the usage chunk is not the last"
            assert payload.get("usage"), "the usage chunk has no usage"
        elif options.get("continuous_usage_stats"):
            assert "usage" in payload, "continuous_usage_stats was asked for, and a chunk has no usage"
        else:
            assert ("usage" in payload) is asked, f"usage was {'' if asked else 'not '}asked for: {payload}"
            assert payload.get("usage") is None, "usage before the usage chunk"
    if finished and asked:
        assert not payloads[-1]["choices"], "usage was asked for, and there is no usage chunk"


def _ended(events: list[Event], choices: dict[int, Any], wanted: int, *, complete: bool) -> None:
    if not complete or failed(events):
        return
    assert sorted(choices) == list(range(wanted)), f"{wanted} choices were asked for, and came: {sorted(choices)}"
    for index, choice in choices.items():
        assert choice.reason is not None, f"choice {index} has no finish_reason"


def failed(events: list[Event]) -> bool:
    """Whether the stream ended in an error."""
    return any(isinstance(event.data, dict) and "error" in event.data for event in events)


def prompts(prompt: Any) -> int:
    """How many prompts a completion asks for: a list of texts or of lists of ids, else one."""
    return len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
