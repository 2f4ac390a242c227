from __future__ import annotations

import json
from typing import Any

from gateway.core.reply.collect import Choice
from gateway.core.reply.completions import CompletionStream, text_completion
from gateway.core.types import Content, Delta, Finish, TokenLogprob, Usage

FINISH = Finish("length", Usage(3, 2))
TOKENS = (
    TokenLogprob("\ufffd", b"\xe8\x81", -0.5),
    TokenLogprob("\ufffd", b"\xaa", -0.25),
    TokenLogprob("!", b"!", -1.0),
)


def text(text: str, finish: Finish | None = None, choice: int = 0) -> Delta:
    return Delta((Content(text),), finish, choice=choice)


def stream(*deltas: Delta, **fields: Any) -> list[Any]:
    encoder = CompletionStream(id="cmpl-1", created=5, model="q", **fields)
    frames = b"".join(encoder.push(delta) for delta in deltas).decode().split("\n\n")[:-1]
    payloads = [frame.removeprefix("data: ") for frame in frames]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]


def test_the_golden_transcript() -> None:
    encoder = CompletionStream(id="cmpl-1", created=5, model="q")
    head = '"id":"cmpl-1","object":"text_completion","created":5,"model":"q"'
    assert (encoder.push(text("你")) + encoder.push(Delta((), FINISH))).decode() == (
        f'data: {{{head},"choices":[{{"index":0,"text":"你","logprobs":null,"finish_reason":null}}]}}\n\n'
        f'data: {{{head},"choices":[{{"index":0,"text":"","logprobs":null,"finish_reason":"length"}}]}}\n\n'
        "data: [DONE]\n\n"
    )


def test_the_echo_comes_first_and_once() -> None:
    chunks = stream(text("a"), text("b", FINISH), echo=["prompt "])
    assert [chunk["choices"][0]["text"] for chunk in chunks[:-1]] == ["prompt a", "b"]


def test_a_prompt_counts_once_however_many_answers_it_has() -> None:
    ends = [text("x", FINISH, choice) for choice in range(4)]
    chunks = stream(*ends, choices=4, n=2, include_usage=True)
    assert chunks[-1] == "[DONE]"
    assert chunks[-2]["usage"] == {"prompt_tokens": 6, "completion_tokens": 8, "total_tokens": 14}
    assert [chunk["usage"] for chunk in chunks[:-2]] == [None] * 4


def test_log_probabilities_in_four_lists_with_offsets_in_characters() -> None:
    first, second = stream(Delta((Content("聪"),), None, TOKENS[:2]), Delta((Content("!"),), FINISH, TOKENS[2:]))[:-1]
    assert first["choices"][0]["logprobs"]["text_offset"] == [0, 1]
    assert second["choices"][0]["logprobs"] == {
        "tokens": ["!"],
        "token_logprobs": [-1.0],
        "top_logprobs": None,
        "text_offset": [1],
    }


def test_the_collected_body() -> None:
    choice = Choice()
    choice.push(Delta((Content("聪!"),), FINISH, TOKENS))
    body = text_completion([choice], id="i", created=5, model="q", logprobs=True, echo=["> "])
    assert body["choices"][0]["text"] == "> 聪!"
    assert body["choices"][0]["logprobs"]["text_offset"] == [2, 3, 3]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert body["object"] == "text_completion"
