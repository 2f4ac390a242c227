from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from gateway.core.errors import (
    ContextLengthExceeded,
    GatewayError,
    ModelNotFound,
    PayloadTooLarge,
    RequestError,
    UpstreamError,
    UpstreamUnavailable,
)
from gateway.core.reply.messages import SIGNATURE, MessageStream, error_body, error_status, tool_input
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Part, Reasoning, Usage
from tests.gateway.core.reply.message_answers import answers, encoder, events, folded, raw
from tests.support.splits import every_split

USAGE = Usage(7, 3)
STOP = Delta(finish=Finish("stop", USAGE))


def test_the_golden_transcript() -> None:
    deltas = [
        Delta(parts=(Reasoning("想"), Reasoning("一想"))),
        Delta(),
        Delta(parts=(Content("今天"),)),
        Delta(parts=(Content(' "晴"\n'), CallStart(0, "call_1", "天气"), CallArguments(0, '{"城市":'))),
        Delta(parts=(CallArguments(0, ' "北京"}'),)),
        Delta(finish=Finish("tool_calls", Usage(7, 30, cached_tokens=4, reasoning_tokens=5))),
    ]
    assert raw(deltas).decode() == (
        "event: message_start\n"
        'data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"q",'
        '"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,'
        '"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"output_tokens":0}}}\n\n'
        "event: content_block_start\n"
        'data: {"type":"content_block_start","index":0,'
        '"content_block":{"type":"thinking","thinking":"","signature":""}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"想"}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"一想"}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"unsigned"}}\n\n'
        "event: content_block_stop\n"
        'data: {"type":"content_block_stop","index":0}\n\n'
        "event: content_block_start\n"
        'data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"今天"}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" \\"晴\\"\\n"}}\n\n'
        "event: content_block_stop\n"
        'data: {"type":"content_block_stop","index":1}\n\n'
        "event: content_block_start\n"
        'data: {"type":"content_block_start","index":2,'
        '"content_block":{"type":"tool_use","id":"call_1","name":"天气","input":{}}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":2,'
        '"delta":{"type":"input_json_delta","partial_json":"{\\"城市\\":"}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":2,'
        '"delta":{"type":"input_json_delta","partial_json":" \\"北京\\"}"}}\n\n'
        "event: content_block_stop\n"
        'data: {"type":"content_block_stop","index":2}\n\n'
        "event: message_delta\n"
        'data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},'
        '"usage":{"input_tokens":3,"output_tokens":30,"cache_read_input_tokens":4,'
        '"output_tokens_details":{"thinking_tokens":5}}}\n\n'
        "event: message_stop\n"
        'data: {"type":"message_stop"}\n\n'
    )
    assert folded(deltas) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "q",
        "content": [
            {"type": "thinking", "thinking": "想一想", "signature": "unsigned"},
            {"type": "text", "text": '今天 "晴"\n'},
            {"type": "tool_use", "id": "call_1", "name": "天气", "input": {"城市": "北京"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": 4,
            "output_tokens": 30,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    }


CALL_A = (CallStart(0, "a", "f"), CallArguments(0, '{"x":1}'))
CALL_B = (CallStart(1, "b", "g"), CallArguments(1, "{}"))
USE_A = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
USE_B = {"type": "tool_use", "id": "b", "name": "g", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": SIGNATURE}


def text(value: str) -> dict[str, str]:
    return {"type": "text", "text": value}


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        pytest.param((), [], id="empty-answer"),
        pytest.param((Content("a"), Content("b")), [text("ab")], id="text-is-one-block"),
        pytest.param((Reasoning("t"), Content("a")), [THOUGHT, text("a")], id="thinking-then-text"),
        pytest.param((Reasoning("t"),), [THOUGHT], id="only-thinking"),
        pytest.param((*CALL_A, *CALL_B), [USE_A, USE_B], id="two-calls"),
        pytest.param((*CALL_A, Content("a"), *CALL_B, Content("b")), [USE_A, text("a"), USE_B, text("b")], id="mixed"),
        pytest.param((Reasoning("t"), *CALL_A), [THOUGHT, USE_A], id="thinking-then-call"),
        pytest.param((Reasoning("t"), Content("a"), Reasoning("t")), [THOUGHT, text("a"), THOUGHT], id="thinks-again"),
        pytest.param((CallStart(0, "b", "g"),), [USE_B], id="call-without-arguments"),
        pytest.param((CallStart(0, "a", "f"), CallStart(1, "b", "g")), [USE_A | {"input": {}}, USE_B], id="two-empty"),
    ],
)
def test_parts_become_blocks_in_their_order(parts: tuple[Part, ...], content: list[Any]) -> None:
    for split in every_split(parts):
        assert folded([*(Delta(parts=tuple(some)) for some in split), STOP])["content"] == content


@pytest.mark.parametrize(
    ("finish", "called", "reason", "sequence"),
    [
        pytest.param(Finish("stop", USAGE), False, "end_turn", None, id="stop"),
        pytest.param(Finish("stop", USAGE, "###"), False, "stop_sequence", "###", id="stop-string"),
        pytest.param(Finish("length", Usage(7, 100)), False, "max_tokens", None, id="as-many-as-asked"),
        pytest.param(Finish("length", Usage(7, 99)), False, "model_context_window_exceeded", None, id="context-full"),
        pytest.param(Finish("length", Usage(7, 100)), True, "max_tokens", None, id="cut-in-a-call"),
        pytest.param(Finish("tool_calls", USAGE), True, "tool_use", None, id="calls"),
        pytest.param(Finish("stop", USAGE), True, "tool_use", None, id="named-call"),
        pytest.param(Finish("tool_calls", USAGE, "###"), True, "tool_use", None, id="calls-then-stop-string"),
    ],
)
def test_why_it_ended(finish: Finish, called: bool, reason: str, sequence: str | None) -> None:
    deltas = [Delta(parts=CALL_A if called else (Content("a"),)), Delta(finish=finish)]
    body = folded(deltas)
    assert (body["stop_reason"], body["stop_sequence"]) == (reason, sequence)
    last = events(raw(deltas))[-2]
    assert last["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        pytest.param(Usage(7, 3), {"input_tokens": 7, "output_tokens": 3}, id="plain"),
        pytest.param(
            Usage(7, 3, cached_tokens=0),
            {"input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": 0},
            id="nothing-cached",
        ),
        pytest.param(
            Usage(7, 3, cached_tokens=5),
            {"input_tokens": 2, "output_tokens": 3, "cache_read_input_tokens": 5},
            id="cached-tokens-count-once",
        ),
        pytest.param(
            Usage(7, 3, reasoning_tokens=2),
            {"input_tokens": 7, "output_tokens": 3, "output_tokens_details": {"thinking_tokens": 2}},
            id="thinking",
        ),
    ],
)
def test_usage_says_what_is_known(counts: Usage, usage: dict[str, Any]) -> None:
    deltas = [Delta(finish=Finish("stop", counts))]
    assert events(raw(deltas))[-2]["usage"] == usage
    start = {"cache_creation_input_tokens": None, "cache_read_input_tokens": None}
    assert folded(deltas)["usage"] == start | usage


def test_thinking_that_is_not_to_be_shown() -> None:
    deltas = [Delta(parts=(Reasoning("secret"), Content("a"))), STOP]
    assert b"secret" not in raw(deltas, show_thinking=False)
    assert folded(deltas, show_thinking=False)["content"] == [THOUGHT | {"thinking": ""}, text("a")]


def test_nothing_is_sent_for_nothing() -> None:
    stream = MessageStream(encoder(), request_id="req_1")
    assert [event["type"] for event in events(stream.push(Delta()))] == ["message_start"]
    assert stream.push(Delta(usage=Usage(7, 1))) == b""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (" \n", {}),
        ("{}", {}),
        ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ('{"a": "x", "b": "cut', {"a": "x"}),
        ('{"a": 1, "b"', {"a": 1}),
        ("{", {}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ("null", {"INVALID_JSON": "null"}),
        ("{'a': 1}", {"INVALID_JSON": "{'a': 1}"}),
        ('{"a": NaN}', {"INVALID_JSON": '{"a": NaN}'}),
        ('{"a": "\\ud800"}', {"INVALID_JSON": '{"a": "\\ud800"}'}),
        ("[" * 10_000, {"INVALID_JSON": "[" * 10_000}),
    ],
    ids=[
        "empty",
        "blank",
        "no-fields",
        "nested",
        "cut-in-a-string",
        "cut-at-a-name",
        "cut-at-once",
        "a-list",
        "null",
        "single-quotes",
        "nan",
        "lone-surrogate",
        "deep",
    ],
)
def test_input_is_always_an_object(arguments: str, expected: dict[str, Any]) -> None:
    assert tool_input(arguments) == expected


@pytest.mark.parametrize(
    ("error", "status", "kind", "message"),
    [
        pytest.param(RequestError("Bad 'x'.", param="x"), 400, "invalid_request_error", "Bad 'x'.", id="request"),
        pytest.param(RequestError("Bad.", param="x"), 400, "invalid_request_error", "x: Bad.", id="field-not-in-words"),
        pytest.param(
            ContextLengthExceeded("Too many.", param="messages"),
            400,
            "invalid_request_error",
            "prompt is too long: Too many.",
            id="context",
        ),
        pytest.param(
            ModelNotFound("No model 'm'.", param="model"), 404, "not_found_error", "No model 'm'.", id="model"
        ),
        pytest.param(PayloadTooLarge("Large."), 413, "request_too_large", "Large.", id="too-large"),
        pytest.param(UpstreamError("Broken."), 500, "api_error", "Broken.", id="upstream"),
        pytest.param(UpstreamUnavailable("Away."), 529, "overloaded_error", "Away.", id="away"),
        pytest.param(GatewayError("Bug."), 500, "api_error", "Bug.", id="bug"),
    ],
)
def test_errors_in_anthropics_shape(error: GatewayError, status: int, kind: str, message: str) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    assert error_body(error, request_id="req_1") == body
    assert error_status(error) == status
    assert events(MessageStream(encoder(), request_id="req_1").error(error)) == [body]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (403, "permission_error"),
        (405, "invalid_request_error"),
        (429, "rate_limit_error"),
        (504, "timeout_error"),
    ],
)
def test_statuses_that_only_the_edge_gives(status: int, kind: str) -> None:
    error = GatewayError("no")
    error.status = status
    assert error_status(error) == status
    assert error_body(error, request_id="r")["error"]["type"] == kind


def test_line_separators_in_text_do_not_break_frames() -> None:
    deltas = [Delta(parts=(Content("a\u2028b\r\nc\n\nevent: x"),)), STOP]
    frames = events(raw(deltas))
    assert frames[2]["delta"]["text"] == "a\u2028b\r\nc\n\nevent: x"


@given(answers())
@settings(max_examples=300)
def test_blocks_open_one_at_a_time_and_all_close(deltas: list[Delta]) -> None:
    opened = -1
    is_open = False
    frames = events(raw(deltas))
    assert [frame["type"] for frame in (frames[0], *frames[-2:])] == ["message_start", "message_delta", "message_stop"]
    for frame in frames[1:-2]:
        if frame["type"] == "content_block_start":
            assert not is_open
            opened, is_open = opened + 1, True
        assert is_open
        assert frame["index"] == opened
        is_open = frame["type"] != "content_block_stop"
    assert not is_open
