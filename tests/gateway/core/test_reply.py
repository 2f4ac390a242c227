from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core import reply
from gateway.core.errors import ContextLengthExceeded, ModelNotFound, UpstreamError
from gateway.core.types import Delta, Finish, Usage

FINISH = Finish("stop", Usage(3, 2))


def events(raw: bytes) -> list[Any]:
    assert raw.endswith(b"\n\n")
    lines = raw.decode().split("\n\n")[:-1]
    assert all(line.startswith("data: ") for line in lines)
    payloads = [line.removeprefix("data: ") for line in lines]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]


def stream(*deltas: Delta, include_usage: bool = False) -> list[Any]:
    encoder = reply.ChatStream(id="chatcmpl-1", created=5, model="q", include_usage=include_usage)
    return events(b"".join(encoder.push(delta) for delta in deltas))


def test_the_golden_transcript() -> None:
    head = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"q"'

    def chunk(delta: str, reason: str) -> str:
        choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}'
        return f'data: {{{head},"choices":[{choice}]}}\n\n'

    encoder = reply.ChatStream(id="chatcmpl-1", created=5, model="q", include_usage=False)
    raw = encoder.push(Delta("你好")) + encoder.push(Delta(' "x"\n')) + encoder.push(Delta("", FINISH))
    assert raw.decode() == (
        chunk('{"role":"assistant","content":""}', "null")
        + chunk('{"content":"你好"}', "null")
        + chunk('{"content":" \\"x\\"\\n"}', "null")
        + chunk("{}", '"stop"')
        + "data: [DONE]\n\n"
    )


def test_the_role_comes_once_and_first() -> None:
    chunks = stream(Delta("a"), Delta("b"), Delta("c", FINISH))[:-1]
    assert [chunk["choices"][0]["delta"].get("role") for chunk in chunks] == ["assistant", None, None, None, None]


def test_an_empty_answer_still_has_role_and_finish() -> None:
    chunks = stream(Delta("", FINISH))
    assert [c if c == "[DONE]" else c["choices"][0]["finish_reason"] for c in chunks] == [None, "stop", "[DONE]"]


def test_usage_only_where_asked_for() -> None:
    asked = stream(Delta("a"), Delta("", FINISH), include_usage=True)
    assert [chunk["usage"] for chunk in asked[:-2]] == [None, None, None]
    assert asked[-2]["choices"] == []
    assert asked[-2]["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert all("usage" not in chunk for chunk in stream(Delta("a"), Delta("", FINISH))[:-1])


def test_the_collected_body() -> None:
    assert reply.chat_completion(["你", "好"], FINISH, id="i", created=5, model="q") == {
        "id": "i",
        "object": "chat.completion",
        "created": 5,
        "model": "q",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "你好", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ContextLengthExceeded("long", param="messages"),
            {"type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"},
        ),
        (ModelNotFound("who"), {"type": "invalid_request_error", "param": None, "code": "model_not_found"}),
        (UpstreamError("broken"), {"type": "server_error", "param": None, "code": "upstream_error"}),
    ],
    ids=["context", "model", "upstream"],
)
def test_errors_have_all_four_keys(error: Any, expected: dict[str, object]) -> None:
    assert reply.error_body(error) == {"error": {"message": error.message, **expected}}
    assert events(reply.error_frames(error)) == [reply.error_body(error), "[DONE]"]


def test_line_separators_in_text_do_not_break_frames() -> None:
    assert stream(Delta("a\u2028b\r\nc"), Delta("", FINISH))[1]["choices"][0]["delta"]["content"] == "a\u2028b\r\nc"
