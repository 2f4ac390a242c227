import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.parse.json_text import JsonValue, unescape
from tests.support.splits import every_split

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def scanned(pieces: list[str]) -> str | None:
    """The value at the beginning of the text, None where it does not end."""
    value, whole = JsonValue(), ""
    for piece in pieces:
        at = 0
        while at < len(piece) and not value.ended:
            stop = value.scan(piece, at, len(piece))
            if stop < len(piece) and not value.ended:
                assert piece[stop] == "<"
                stop += 1
            whole += piece[at:stop]
            at = stop
    return whole if value.ended else None


@given(VALUES, st.booleans(), st.sampled_from([",", "}", " ", "\n</tool_call>"]))
def test_the_end_of_any_value(value: object, ascii_only: bool, behind: str) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    for pieces in ([text + behind], list(text + behind)):
        assert scanned(pieces) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"a": 1} b', '{"a": 1}', id="object"),
        pytest.param('{"a": 1 < 2} b', '{"a": 1 < 2}', id="angle"),
        pytest.param('"a<b" b', '"a<b"', id="angle-in-a-string"),
        pytest.param(r'"\\" "', r'"\\"', id="backslash"),
        pytest.param(r'["\"]"] b', r'["\"]"]', id="escaped-quote"),
        pytest.param("12<", "12", id="number"),
        pytest.param("12", None, id="number-without-end"),
        pytest.param('{"a": [1}, 2', '{"a": [1}, 2', id="wrong-bracket"),
    ],
)
def test_the_end_of_a_value(text: str, expected: str | None) -> None:
    for pieces in every_split(text):
        found = scanned(pieces)
        assert found == (None if text == expected else expected)


def test_brackets_opened_before() -> None:
    value = JsonValue(depth=1)
    assert value.scan('"a}": [1], "b": {}} c', 0, 21) == 19
    assert value.ended


@given(st.text(), st.booleans(), st.integers(1, 7))
def test_what_a_string_says(text: str, ascii_only: bool, size: int) -> None:
    written = json.dumps(text, ensure_ascii=ascii_only)[1:] + " b"
    said, left, ended = "", "", False
    for at in range(0, len(written), size):
        if not ended:
            piece = left + written[at : at + size]
            stop, more, ended = unescape(piece, 0, len(piece))
            said, left = said + more, piece[stop:]
            assert ended or len(left) <= 11
    assert ended
    assert said == text


def test_it_does_not_read_beyond_the_end() -> None:
    assert unescape(r"ab\n", 0, 3) == (2, "ab", False)
    assert JsonValue().scan('{"a": 1}', 0, 5) == 5
