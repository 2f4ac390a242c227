import pytest

from gateway.core.parse.tags import Tags

TAGS = Tags("<tool_call>", "<function=", "<tool>\n<x>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", 0, id="empty"),
        pytest.param("abc", 3, id="none"),
        pytest.param("abc<", 3, id="angle"),
        pytest.param("abc<f", 3, id="second"),
        pytest.param("<<<t", 2, id="last-angle"),
        pytest.param("<tool>\n<", 0, id="angle-in-a-tag"),
        pytest.param("<tool>\n<y", 9, id="no-more"),
        pytest.param("<tool_call", 0, id="all-but-one"),
        pytest.param("< tool_call", 11, id="never"),
    ],
)
def test_the_longest_beginning(text: str, expected: int) -> None:
    assert TAGS.beginning(text, 0) == expected
    assert TAGS.beginning("<too" + text, 4) == expected + 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("<tool_call>x", "<tool_call>", id="whole"),
        pytest.param("<tool>\n<x>", "<tool>\n<x>", id="third"),
        pytest.param("<func", "", id="undecided"),
        pytest.param("", "", id="nothing-yet"),
        pytest.param("<funk", None, id="none"),
    ],
)
def test_what_stands_there(text: str, expected: str | None) -> None:
    assert TAGS.stands("ab" + text, 2) == expected
