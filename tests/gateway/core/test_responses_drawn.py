"""Requests in the form of Responses that are drawn at random: each is a chat, or its own error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import RequestError
from gateway.core.responses import translate
from gateway.core.schema.chat import parse_chat
from gateway.core.schema.responses import ResponsesRequest, parse_responses

WORDS = ["message", "reasoning", "function", "function_call", "assistant", "user", "input_text", "json_schema", "auto"]
NAMES = ["type", "role", "content", "summary", "name", "text", "format", "schema", "arguments", "call_id", "output"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=10,
)


def refusal(body: dict[str, Any]) -> RequestError | None:
    try:
        translation = translate(parse_responses(json.dumps(body).encode()))
        try:
            parse_chat(translation.body)
        except RequestError as error:
            return translation.renamed(error)
    except RequestError as error:
        return error
    return None


@given(st.dictionaries(st.sampled_from(sorted(ResponsesRequest.model_fields)), VALUES, max_size=4), VALUES)
def test_any_body_is_a_chat_or_an_error_that_names_its_field(fields: dict[str, Any], input: Any) -> None:
    body = {"model": "qwen", "input": input, **fields}
    error = refusal(body)
    if error is not None:
        assert error.param is not None
        assert error.param.split(".")[0].split("[")[0] in body
