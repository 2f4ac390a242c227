from __future__ import annotations

import json

import pytest

from gateway.core.errors import ContextLengthExceeded, GatewayError, ModelNotFound, UpstreamError
from gateway.core.reply.wire import error_body, error_frames


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
def test_errors_have_all_four_keys(error: GatewayError, expected: dict[str, object]) -> None:
    assert error_body(error) == {"error": {"message": error.message, **expected}}
    first, last, rest = error_frames(error).decode().split("\n\n")
    assert json.loads(first.removeprefix("data: ")) == error_body(error)
    assert (last, rest) == ("data: [DONE]", "")
