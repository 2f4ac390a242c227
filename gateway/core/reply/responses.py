"""Deltas → OpenAI's Responses API: the events of a stream, and the response object that the last of them carries.

One machine makes both: the body of a request that does not stream is the response of its last event. The shapes that
clients rely on: every event is numbered; every item, and every part of an item, is added before its text and done after
it, with the whole text; ids are the same in each event of an item. The stream ends without ``[DONE]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.core.errors import GatewayError, RequestError
from gateway.core.reply.response_items import MESSAGE, THINKING, CallItem, Item, Status, TextItem, Told
from gateway.core.reply.wire import dumps, error_body
from gateway.core.schema.responses import AllowedTools, FunctionTool, NamedFunction, ResponsesRequest
from gateway.core.types import CallArguments, CallStart, Content, Delta, Finish, Sampling, TokenLogprob, Usage

Event = dict[str, Any]
DEFAULTS = Sampling()


class ResponsesStream:
    """The events of one streamed response, as SSE frames."""

    def __init__(self, *, id: str, created: int, model: str, request: ResponsesRequest) -> None:
        """``id``: ``resp_`` and what is unique. ``created``: seconds since the epoch."""
        self._answer = _Answer(id=id, created=created, model=model, request=request)

    def push(self, delta: Delta) -> bytes:
        """The frames of a delta; with the finish everything up to the end of the stream."""
        return b"".join(map(_frame, self._answer.push(delta)))

    def error(self, error: GatewayError) -> bytes:
        """The frames that end a stream which failed."""
        return b"".join(map(_frame, self._answer.fail(error)))


class ResponsesReply:
    """The response object of an answer that is collected from its stream."""

    def __init__(self, *, id: str, created: int, model: str, request: ResponsesRequest) -> None:
        self._answer = _Answer(id=id, created=created, model=model, request=request)
        self._events: list[Event] = []

    def push(self, delta: Delta) -> None:
        self._events = self._answer.push(delta)

    def body(self) -> dict[str, Any]:
        """The response that the last event carries."""
        body: dict[str, Any] = self._events[-1]["response"]
        return body


def _frame(event: Event) -> bytes:
    # Surrogates, which no UTF-8 has, become question marks.
    return f"event: {event['type']}\ndata: {dumps(event)}\n\n".encode("utf-8", "replace")


class _Answer:
    """The answer as it grows: which items are done, which one is open, and the number of the next event."""

    def __init__(self, *, id: str, created: int, model: str, request: ResponsesRequest) -> None:
        self._id = id
        self._stem = id.removeprefix("resp_")
        self._created = created
        self._model = model
        self._request = request
        self._events: list[Event] = []
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._open: Item | None = None
        self._waiting: list[TokenLogprob] = []  # of tokens whose text has not come yet; some never have any

    def push(self, delta: Delta) -> list[Event]:
        """The events of a delta."""
        self._start()
        if self._request.logprobs:
            self._waiting += delta.logprobs
        for part in delta.parts:
            if isinstance(part, CallStart):
                self._waiting.clear()  # calls carry no log-probabilities
                self._close("completed")
                self._begin(CallItem(part, self._stem, len(self._output)))
            elif isinstance(part, CallArguments):
                self._argue(part.text)
            elif part.text:
                self._say(part.text, isinstance(part, Content))
        if delta.finish is not None:
            self._finish(delta.finish)
        return self._taken()

    def fail(self, error: GatewayError) -> list[Event]:
        """The SDKs raise on the nested error, which is what OpenAI sends; the flat fields are what it documents."""
        self._start()
        flat = {"code": error.code, "message": error.message, "param": error.param}
        self._tell(("error", {**flat, **error_body(error)}))
        code = "invalid_prompt" if isinstance(error, RequestError) else "server_error"
        output = [*self._output, *([self._open.body("incomplete")] if self._open else [])]
        body = self._response("failed", output=output, error={"code": code, "message": error.message})
        self._tell(("response.failed", {"response": body}))
        return self._taken()

    def _start(self) -> None:
        if self._sequence == 0:
            for type in ("response.created", "response.in_progress"):
                self._tell((type, {"response": self._response("in_progress")}))

    def _say(self, text: str, content: bool) -> None:
        kind = MESSAGE if content else THINKING
        item = self._open
        if not isinstance(item, TextItem) or item.kind is not kind:
            self._close("completed")
            item = TextItem(kind, self._stem, len(self._output))
            self._begin(item)
        tokens: list[TokenLogprob] = []
        if content:
            tokens, self._waiting = self._waiting, []
        self._tell(item.more(text, tokens))

    def _argue(self, text: str) -> None:
        self._waiting.clear()
        if text and isinstance(self._open, CallItem):
            self._tell(self._open.more(text))

    def _finish(self, finish: Finish) -> None:
        status: Status = "incomplete" if finish.reason == "length" else "completed"
        self._close(status)
        if status == "completed" and all(item["type"] == "reasoning" for item in self._output):
            self._begin(TextItem(MESSAGE, self._stem, len(self._output)))  # an empty answer is a message too
            self._close(status)
        body = self._response(status, output=self._output, usage=_usage(finish.usage))
        self._tell((f"response.{status}", {"response": body}))

    def _begin(self, item: Item) -> None:
        self._open = item
        self._tell(*item.added())

    def _close(self, status: Status) -> None:
        if self._open is not None:
            self._tell(*self._open.done(status))
            self._output.append(self._open.body(status))
            self._open = None

    def _tell(self, *told: Told) -> None:
        for type, fields in told:
            self._events.append({"type": type, "sequence_number": self._sequence, **fields})
            self._sequence += 1

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _response(
        self,
        status: str,
        *,
        output: Iterable[dict[str, Any]] = (),
        usage: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The response object, with what the client asked for in it, as OpenAI answers."""
        request = self._request
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": error,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "max_tool_calls": request.max_tool_calls,
            "model": self._model,
            "output": list(output),
            "parallel_tool_calls": request.parallel_tool_calls is not False,
            "previous_response_id": None,
            "prompt_cache_key": request.prompt_cache_key,
            "reasoning": {"effort": request.reasoning.effort if request.reasoning else None, "summary": None},
            "safety_identifier": request.safety_identifier,
            "service_tier": "default",
            "store": False,  # whatever was asked for: nothing is stored
            "temperature": DEFAULTS.temperature if request.temperature is None else request.temperature,
            "text": {"format": _format(request)},
            "tool_choice": _choice(request),
            "tools": [_tool(tool) for tool in request.tools or [] if isinstance(tool, FunctionTool)],
            "top_logprobs": request.top_logprobs or 0,
            "top_p": DEFAULTS.top_p if request.top_p is None else request.top_p,
            "truncation": "disabled",
            "usage": usage,
            "user": request.user,
            "metadata": request.metadata or {},
        }


def _format(request: ResponsesRequest) -> dict[str, Any]:
    form = request.text.format if request.text else None
    if form is None or form.type != "json_schema":
        return {"type": form.type if form else "text"}
    return {
        "type": form.type,
        "description": form.description,
        "name": form.name,
        "schema": form.schema_,
        "strict": bool(form.strict),
    }


def _choice(request: ResponsesRequest) -> str | dict[str, Any]:
    choice = request.tool_choice
    if choice is None or isinstance(choice, str):
        return choice or "auto"
    if isinstance(choice, NamedFunction):
        return {"type": choice.type, "name": choice.name}
    assert isinstance(choice, AllowedTools), "others are refused at the door"
    return {
        "type": choice.type,
        "mode": choice.mode,
        "tools": [{"type": tool.type, "name": tool.name} for tool in choice.tools],
    }


def _tool(tool: FunctionTool) -> dict[str, Any]:
    return {
        "type": tool.type,
        "description": tool.description,
        "name": tool.name,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }


def _usage(counts: Usage) -> dict[str, Any]:
    """This object has no way to leave a count out: where the engine tells none, none is counted."""
    return {
        "input_tokens": counts.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counts.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": counts.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens or 0},
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
    }
