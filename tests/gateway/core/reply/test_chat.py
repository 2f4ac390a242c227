from __future__ import annotations

import json
from typing import Any

from gateway.core.reply.chat import ChatStream, ChatStyle, chat_completion
from gateway.core.reply.collect import Choice
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Part, Reasoning, TokenLogprob, Usage

FINISH = Finish("stop", Usage(3, 2))
END = Delta((), FINISH)
HI = TokenLogprob("hi", b"hi", -0.5)


def text(text: str, finish: Finish | None = None) -> Delta:
    return Delta((Content(text),), finish)


def events(raw: bytes) -> list[Any]:
    assert raw.endswith(b"\n\n")
    lines = raw.decode().split("\n\n")[:-1]
    assert all(line.startswith("data: ") for line in lines)
    payloads = [line.removeprefix("data: ") for line in lines]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]


def stream(*deltas: Delta, choices: int = 1, style: ChatStyle | None = None) -> list[Any]:
    encoder = ChatStream(id="chatcmpl-1", created=5, model="q", choices=choices, style=style)
    return events(b"".join(encoder.push(delta) for delta in deltas))


def collected(*deltas: Delta, choices: int = 1, style: ChatStyle | None = None) -> dict[str, Any]:
    answers = [Choice() for _ in range(choices)]
    for delta in deltas:
        answers[delta.choice].push(delta)
    return chat_completion(answers, id="i", created=5, model="q", style=style)


def test_the_golden_transcript() -> None:
    head = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"q"'

    def chunk(delta: str, reason: str) -> str:
        choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}'
        return f'data: {{{head},"choices":[{choice}]}}\n\n'

    encoder = ChatStream(id="chatcmpl-1", created=5, model="q")
    raw = encoder.push(text("你好")) + encoder.push(text(' "x"\n')) + encoder.push(END)
    assert raw.decode() == (
        chunk('{"role":"assistant","content":""}', "null")
        + chunk('{"content":"你好"}', "null")
        + chunk('{"content":" \\"x\\"\\n"}', "null")
        + chunk("{}", '"stop"')
        + "data: [DONE]\n\n"
    )


def test_the_role_comes_once_and_first() -> None:
    chunks = stream(text("a"), text("b"), text("c", FINISH))[:-1]
    assert [chunk["choices"][0]["delta"].get("role") for chunk in chunks] == ["assistant", None, None, None, None]


def test_an_empty_answer_still_has_role_and_finish() -> None:
    chunks = stream(END)
    assert [c if c == "[DONE]" else c["choices"][0]["finish_reason"] for c in chunks] == [None, "stop", "[DONE]"]


def test_usage_only_where_asked_for() -> None:
    asked = stream(text("a"), END, style=ChatStyle(include_usage=True))
    assert [chunk["usage"] for chunk in asked[:-2]] == [None, None, None]
    assert asked[-2]["choices"] == []
    assert asked[-2]["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert all("usage" not in chunk for chunk in stream(text("a"), END)[:-1])


def test_usage_so_far_in_every_chunk() -> None:
    delta = Delta((Content("a"),), usage=Usage(3, 1))
    asked = stream(delta, END, style=ChatStyle(include_usage=True))
    counts = [chunk["usage"] and chunk["usage"]["completion_tokens"] for chunk in asked[:-1]]
    assert counts == [1, 1, None, 2]


def test_counts_that_are_known_and_those_that_are_not() -> None:
    finish = Finish("stop", Usage(3, 2, cached_tokens=1, reasoning_tokens=0))
    usage = collected(Delta((), finish))["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 1}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 0}
    assert set(collected(END)["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}


def test_several_answers_interleave_and_end_once() -> None:
    deltas = [text("a"), Delta((Content("b"),), choice=1), Delta((), FINISH, choice=1), text("c"), END]
    chunks = stream(*deltas, choices=2, style=ChatStyle(include_usage=True))
    assert chunks[-1] == "[DONE]"
    assert chunks[-2]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    seen = [(c["choices"][0]["index"], c["choices"][0]["delta"].get("content")) for c in chunks[:-2]]
    assert seen == [(0, ""), (0, "a"), (1, ""), (1, "b"), (1, None), (0, "c"), (0, None)]
    body = collected(*deltas, choices=2)
    assert [choice["message"]["content"] for choice in body["choices"]] == ["ac", "b"]
    assert body["usage"]["total_tokens"] == 7


CALLS: tuple[Part, ...] = (
    Reasoning("Hm."),
    CallStart(0, "call_0", "f"),
    CallArguments(0, '{"a": '),
    CallArguments(0, "1}"),
    CallStart(1, "call_1", "g"),
    CallArguments(1, "{}"),
)


def test_calls_name_once_and_arguments_as_they_come() -> None:
    chunks = stream(Delta(CALLS), Delta((), Finish("tool_calls", Usage(3, 2))))[:-1]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[1] == {"reasoning_content": "Hm."}
    start = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas[2] == {"tool_calls": [start]}
    assert deltas[3] == {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]}
    assert deltas[5]["tool_calls"][0]["id"] == "call_1"
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_calls_and_thinking_collected() -> None:
    style = ChatStyle(reasoning=("reasoning_content", "reasoning"))
    message = collected(Delta(CALLS, FINISH), style=style)["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning_content": "Hm.",
        "reasoning": "Hm.",
        "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "call_1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }


def test_log_probabilities_go_with_their_text() -> None:
    entry = {"token": "hi", "logprob": -0.5, "bytes": [104, 105], "top_logprobs": []}
    chunks = stream(Delta((Content("hi"),), logprobs=(HI,)), Delta((), FINISH, (HI,)))
    assert [chunk["choices"][0]["logprobs"] for chunk in chunks[:-1]] == [
        None,
        {"content": [entry], "refusal": None},
        {"content": [entry], "refusal": None},
        None,
    ]
    body = collected(Delta((Content("hi"),), FINISH, (HI,)), style=ChatStyle(logprobs=True))
    assert body["choices"][0]["logprobs"] == {"content": [entry], "refusal": None}


def test_the_collected_body() -> None:
    assert collected(text("你"), text("好", FINISH)) == {
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


def test_odd_characters_do_not_break_frames() -> None:
    sent = "a\u2028b\r\nc\x00"
    assert stream(text(sent), END)[1]["choices"][0]["delta"]["content"] == sent
    assert stream(text("\ud800"), END)[1]["choices"][0]["delta"]["content"] == "?"
