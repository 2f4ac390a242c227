"""The normal form of streams, on which the golden transcripts rest."""

from __future__ import annotations

import json

import pytest

from tests.gateway.transcripts import together


def stream(*values: dict[str, object] | str, event: str = "") -> bytes:
    lines = [value if isinstance(value, str) else json.dumps(value, separators=(",", ":")) for value in values]
    return "".join(f"{event}data: {line}\n\n" for line in lines).encode()


def chunk(text: str, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}


END: dict[str, object] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (stream(chunk("a"), chunk("a"), END, "[DONE]"), stream(chunk("aa"), END, "[DONE]")),
        (stream(chunk("a", usage={"n": 1}), chunk("b", usage={"n": 2})), stream(chunk("ab", usage={"n": 2}))),
        (stream(chunk("a", id="1"), chunk("b", id="2")), stream(chunk("a", id="1"), chunk("b", id="2"))),
        (stream(chunk("a"), "[DONE]", chunk("b")), stream(chunk("a"), "[DONE]", chunk("b"))),
        (stream({"type": "x"}, {"type": "x"}), stream({"type": "x"}, {"type": "x"})),
        (
            stream({"delta": "a", "sequence_number": 0}, {"delta": "b", "sequence_number": 1}, event="event: d\n"),
            stream({"delta": "ab", "sequence_number": 0}, event="event: d\n"),
        ),
    ],
    ids=["text", "latest-usage", "other-id", "not-across", "no-text", "numbers"],
)
def test_neighbours_that_carry_text_are_one(given: bytes, expected: bytes) -> None:
    assert together(given) == expected


@pytest.mark.parametrize(
    "given",
    [b'data: {"a": 1}\n\n', stream({"delta": "a", "sequence_number": 1})],
    ids=["other-json", "numbers-from-1"],
)
def test_what_the_gateway_does_not_write(given: bytes) -> None:
    with pytest.raises(AssertionError):
        together(given)
