"""The events of a response as the openai package reads them, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from openai import APIError, OpenAI, pydantic_function_tool
from pydantic import BaseModel

from gateway.core.errors import UpstreamError
from gateway.core.reply.responses import ResponsesReply, ResponsesStream
from gateway.core.reply.wire import dumps
from gateway.core.schema.responses import parse_responses
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Reasoning, TokenLogprob, Usage

USAGE = Usage(9, 12, 4, 2)
ANSWERS = {
    "words": [Delta((Content("你"),)), Delta((Content("好"),)), Delta(finish=Finish("stop", USAGE))],
    "thought": [
        Delta((Reasoning("hm"),)),
        Delta((Reasoning("m"), Content("yes"))),
        Delta(finish=Finish("stop", USAGE)),
    ],
    "calls": [
        Delta((Content("a moment"),)),
        Delta((CallStart(0, "call_1", "Weather"), CallArguments(0, '{"city": '))),
        Delta((CallArguments(0, '"深圳"}'), CallStart(1, "call_2", "Weather"), CallArguments(1, '{"city":"b"}'))),
        Delta(finish=Finish("tool_calls", USAGE)),
    ],
    "json": [Delta((Content('{"city":'),)), Delta((Content('"深圳"}'),), Finish("stop", USAGE))],
    "cut": [Delta((Content("on and"),)), Delta((Content(" on"),), Finish("length", USAGE))],
    "logprobs": [Delta((Content("a"),), Finish("stop", USAGE), (TokenLogprob("a", b"a", -0.5),))],
    "broken": [Delta((Content("he"),))],
    "broken-at-once": [],
}


class Weather(BaseModel):
    city: str


class Handler(BaseHTTPRequestHandler):
    """Answers POST /v1/responses with what the input names."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = parse_responses(self.rfile.read(int(self.headers["content-length"])))
        assert isinstance(request.input, str)
        deltas = ANSWERS[request.input]
        head: dict[str, Any] = {"id": "resp_0a1b", "created": 1700000000, "model": request.model, "request": request}
        if request.stream:
            stream = ResponsesStream(**head)
            chunks = [stream.push(delta) for delta in deltas]
            if request.input.startswith("broken"):
                chunks.append(stream.error(UpstreamError("the engine died")))
            body, type = b"".join(chunks), "text/event-stream; charset=utf-8"
        else:
            reply = ResponsesReply(**head)
            for delta in deltas:
                reply.push(delta)
            body, type = dumps(reply.body()).encode(), "application/json"
        self.send_response(200)
        self.send_header("content-type", type)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", "req_1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def client() -> Iterator[OpenAI]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0) as client:
            yield client
        server.shutdown()
        thread.join()


NAMES = [name for name in ANSWERS if not name.startswith("broken")]


@pytest.mark.parametrize("name", NAMES)
def test_the_final_response_of_a_stream_is_the_response(client: OpenAI, name: str) -> None:
    include: Any = ["message.output_text.logprobs"]
    whole = client.responses.create(model="qwen", input=name, include=include)
    events = list(client.responses.create(model="qwen", input=name, include=include, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    assert last.response.to_dict() == whole.to_dict()
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert (
        text
        == whole.output_text
        == "".join(part.text for delta in ANSWERS[name] for part in delta.parts if isinstance(part, Content))
    )


def test_thinking(client: OpenAI) -> None:
    whole = client.responses.create(model="qwen", input="thought")
    thought, said = whole.output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.content or []] == ["hmm"]
    assert said.type == "message"
    assert whole.usage is not None
    assert whole.usage.output_tokens_details.reasoning_tokens == 2
    assert whole.usage.input_tokens_details.cached_tokens == 4


def test_a_cut_answer_says_why(client: OpenAI) -> None:
    whole = client.responses.create(model="qwen", input="cut")
    assert whole.status == "incomplete"
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"


def test_the_helper_accumulates_text(client: OpenAI) -> None:
    with client.responses.stream(model="qwen", input="words") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots == ["你", "你好"]
    assert final.output_text == "你好"


def test_the_helper_parses_a_format(client: OpenAI) -> None:
    with client.responses.stream(model="qwen", input="json", text_format=Weather) as stream:
        assert stream.get_final_response().output_parsed == Weather(city="深圳")
    assert client.responses.parse(model="qwen", input="json", text_format=Weather).output_parsed == Weather(city="深圳")


def test_the_helper_parses_calls(client: OpenAI) -> None:
    function = pydantic_function_tool(Weather)["function"]
    tool: Any = {"type": "function", **function}
    with client.responses.stream(model="qwen", input="calls", tools=[tool]) as stream:
        arguments = [event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    assert arguments == ['{"city": ', '{"city": "深圳"}', '{"city":"b"}']
    calls = [item for item in final.output if item.type == "function_call"]
    assert [(call.call_id, call.name, json.loads(call.arguments)) for call in calls] == [
        ("call_1", "Weather", {"city": "深圳"}),
        ("call_2", "Weather", {"city": "b"}),
    ]


@pytest.mark.parametrize("name", ["broken", "broken-at-once"])
def test_a_failed_stream_raises(client: OpenAI, name: str) -> None:
    with pytest.raises(APIError, match="the engine died") as raised:
        list(client.responses.create(model="qwen", input=name, stream=True))
    assert raised.value.code == "upstream_error"
    with client.responses.stream(model="qwen", input=name) as stream, pytest.raises(APIError, match="the engine died"):
        stream.get_final_response()
