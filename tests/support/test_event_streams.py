"""The judges of Responses' and Messages' event streams can say no: a good stream, and each rule broken once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.anthropic_objects.streams import check_message_stream
from tests.support.openai_objects.response_stream import check_response_stream
from tests.support.sse import Event
from tests.support.test_replies import CLAUDE, RESPONSE

Payloads = list[dict[str, Any]]

TEXT = {"type": "output_text", "text": "hi", "annotations": []}
REASON = {"type": "reasoning_text", "text": "hm"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [REASON], "status": "completed"}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": "{}",
    "status": "completed",
}


def item(index: int, whole: dict[str, Any], kind: str, part: dict[str, Any] | None, deltas: list[str]) -> Payloads:
    """All events of one item. ``kind``: what its deltas are called."""
    of = {"item_id": whole["id"], "output_index": index, **({"content_index": 0} if part else {})}
    logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
    key = "text" if part else "arguments"
    events: Payloads = [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**whole, "status": "in_progress", **({"content": []} if part else {"arguments": ""})},
        }
    ]
    if part:
        events.append({"type": "response.content_part.added", **of, "part": {**part, "text": ""}})
    events += [{"type": f"response.{kind}.delta", **of, "delta": delta, **logprobs} for delta in deltas]
    events.append({"type": f"response.{kind}.done", **of, key: "".join(deltas), **logprobs})
    if part:
        events.append({"type": "response.content_part.done", **of, "part": part})
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": whole}]


def numbered(payloads: Payloads) -> Payloads:
    return [{**payload, "sequence_number": number} for number, payload in enumerate(payloads)]


BEGUN = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
# Through JSON, so that no two events share a part.
GOOD: Payloads = json.loads(
    json.dumps(
        numbered(
            [
                {"type": "response.created", "response": BEGUN},
                {"type": "response.in_progress", "response": BEGUN},
                *item(0, THOUGHT, "reasoning_text", REASON, ["h", "m"]),  # 2 to 8
                *item(1, MESSAGE, "output_text", TEXT, ["h", "i"]),  # 9 to 15
                *item(2, CALL, "function_call_arguments", None, ["{", "}"]),  # 16 to 20
                {"type": "response.completed", "response": {**RESPONSE, "output": [THOUGHT, MESSAGE, CALL]}},  # 21
            ]
        )
    )
)
FLAT = {"code": "upstream_error", "message": "m", "param": None}
ERROR = {"type": "error", **FLAT, "error": {**FLAT, "type": "server_error"}}
WHY = {"code": "server_error", "message": "m"}
FAILED = {"type": "response.failed", "response": {**BEGUN, "status": "failed", "error": WHY}}


def without(*numbers: int) -> Callable[[Payloads], Payloads]:
    return lambda events: numbered([event for number, event in enumerate(events) if number not in numbers])


def swapped(first: int, second: int) -> Callable[[Payloads], Payloads]:
    def swap(events: Payloads) -> Payloads:
        events[first], events[second] = events[second], events[first]
        return numbered(events)

    return swap


def put(number: int, *path: str | int, value: Any) -> Callable[[Payloads], Payloads]:
    def change(events: Payloads) -> Payloads:
        place: Any = events[number]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return events

    return change


def cut(number: int, *more: dict[str, Any]) -> Callable[[Payloads], Payloads]:
    return lambda events: numbered([*events[:number], *more])


RESPONSES = {
    "a-number-skipped": (put(5, "sequence_number", value=9), "sequence_number"),
    "not-created": (without(0), "response.created"),
    "not-in-progress": (without(1), "response.in_progress"),
    "created-with-output": (put(0, "response", "output", value=[MESSAGE]), "with output"),
    "two-beginnings-differ": (put(1, "response", "temperature", value=0.5), "not what response.created was"),
    "no-end": (without(21), "without its last event"),
    "an-error-alone": (cut(12, ERROR), "without its last event"),
    "failed-without-the-error": (cut(12, FAILED), "without the error"),
    "more-after-an-error": (cut(12, ERROR, GOOD[12]), "comes response.failed"),
    "error-and-failed-differ": (
        cut(12, ERROR, {**FAILED, "response": {**FAILED["response"], "error": {**WHY, "message": "n"}}}),
        "different things",
    ),
    "after-the-end": (lambda events: numbered([*events, ERROR]), "after the last"),
    "item-not-added": (without(9), "outside of an item"),
    "item-not-done": (without(15), r"output_index 2, not 1|inside of another"),
    "part-not-added": (without(10), "outside of a part"),
    "part-not-done": (without(14), "inside of a part"),
    "text-not-done": (without(13), "before its text"),
    "a-delta-lost": (without(11), "not what the deltas built"),
    "deltas-swapped": (swapped(11, 12), "not what the deltas built"),
    "an-empty-delta": (put(11, "delta", value=""), "without text"),
    "arguments-not-done": (without(19), "before its arguments"),
    "arguments-lost": (without(18), "not what the deltas built"),
    "added-with-arguments": (put(16, "item", "arguments", value="{"), "added with arguments"),
    "added-as-completed": (put(9, "item", "status", value="completed"), "in progress"),
    "done-as-in-progress": (put(15, "item", "status", value="in_progress"), "in progress"),
    "other-item-id": (put(11, "item_id", value="msg_2"), "of the item msg_2"),
    "other-output-index": (put(11, "output_index", value=0), "output_index"),
    "other-content-index": (put(11, "content_index", value=1), "content_index"),
    "text-in-reasoning": (put(3, "part", "type", value="output_text"), "in a part of type|annotations"),
    "item-differs": (put(15, "item", "id", value="msg_9"), "not what its deltas built"),
    "response-differs": (
        put(21, "response", "output", 1, "content", 0, "text", value="ho"),
        "not what the events built",
    ),
    "response-changes": (put(21, "response", "top_p", value=0.5), "top_p changed"),
    "no-usage": (put(21, "response", "usage", value=None), "no usage"),
    "status-and-type": (put(21, "response", "status", value="incomplete"), "status incomplete"),
    "unknown-event": (put(11, "type", value="response.text.delta"), "response.text.delta"),
    "unknown-key": (put(11, "obfuscation", value="x"), "Extra inputs"),
}


def response_stream(payloads: Payloads, **how: bool) -> None:
    check_response_stream([Event(payload, payload["type"]) for payload in payloads], **how)


def test_a_good_response_stream() -> None:
    response_stream(GOOD)
    response_stream(numbered([*GOOD[:12], ERROR, FAILED]))
    for end in range(len(GOOD)):
        response_stream(GOOD[:end], complete=False)


@pytest.mark.parametrize(("change", "message"), RESPONSES.values(), ids=RESPONSES)
def test_a_bad_response_stream(change: Callable[[Payloads], Payloads], message: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=message):
        response_stream(change(copy.deepcopy(GOOD)))


def test_the_event_s_name_is_its_type() -> None:
    with pytest.raises(AssertionError, match="is named None"):
        check_response_stream([Event(GOOD[0])])


def block(index: int, empty: dict[str, Any], *deltas: dict[str, Any]) -> Payloads:
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


STOPPED = {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}}
MESSAGES: Payloads = [
    {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s"},
    ),  # 1 to 4
    *block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "hi"}),  # 5 to 7
    *block(
        2,
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        {"type": "input_json_delta", "partial_json": "{"},
        {"type": "input_json_delta", "partial_json": "}"},
    ),  # 8 to 11
    {**STOPPED, "usage": {"output_tokens": 3}},  # 12
    {"type": "message_stop"},
]


def drop(*numbers: int) -> Callable[[Payloads], Payloads]:
    return lambda events: [event for number, event in enumerate(events) if number not in numbers]


BAD_MESSAGES = {
    "no-start": (drop(0), "before message_start"),
    "two-starts": (lambda events: [events[0], *events], "comes once"),
    "start-with-content": (put(0, "message", "content", value=CLAUDE["content"]), "an empty message"),
    "no-stop": (drop(13), "without message_stop"),
    "no-reason": (drop(12), "without message_delta"),
    "after-stop": (lambda events: [*events, {"type": "ping"}], "after the last"),
    "block-not-started": (drop(5), "outside of a block"),
    "block-not-stopped": (drop(7), "inside of another"),
    "last-block-not-stopped": (drop(11), "inside of a block"),
    "index-skipped": (drop(1, 2, 3, 4), "not 0"),
    "index-of-another": (put(6, "index", value=0), "with the index 0"),
    "delta-of-another-kind": (put(6, "delta", value={"type": "thinking_delta", "thinking": "x"}), "in a block of type"),
    "text-in-start": (put(5, "content_block", "text", value="x"), "begins with content"),
    "an-empty-delta": (put(6, "delta", "text", value=""), "at least 1 character"),
    "input-that-is-no-json": (drop(9), "JSON|Expecting"),
    "call-reason-without-call": (drop(8, 9, 10, 11), "there is no call"),
    "unknown-reason": (put(12, "delta", "stop_reason", value="stop"), "stop_reason"),
    "sequence-without-reason": (put(12, "delta", "stop_sequence", value="x"), "without reason"),
}


def message_stream(payloads: Payloads, **how: bool) -> None:
    check_message_stream([Event(payload, payload["type"]) for payload in payloads], **how)


def test_a_good_message_stream() -> None:
    message_stream(MESSAGES)
    message_stream([*MESSAGES[:5], {"type": "ping"}, *MESSAGES[5:]])
    message_stream([*MESSAGES[:6], {"type": "error", "error": {"type": "api_error", "message": "m"}}])
    for end in range(len(MESSAGES)):
        message_stream(MESSAGES[:end], complete=False)


@pytest.mark.parametrize(("change", "message"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_bad_message_stream(change: Callable[[Payloads], Payloads], message: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=message):
        message_stream(change(copy.deepcopy(MESSAGES)))
