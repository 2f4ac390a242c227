import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.stop import StopScanner
from tests.support.splits import every_split

CASES = [
    pytest.param(["\n\n"], "one\n\ntwo", "one", "\n\n", id="two-newlines"),
    pytest.param(["。\n\n"], "好。\n\n再见", "好", "。\n\n", id="chinese"),
    pytest.param(["STOP"], "no stop here", "no stop here", None, id="case-matters"),
    pytest.param(["STOP"], "ends with STO", "ends with STO", None, id="a-beginning-is-released"),
    pytest.param(["STOP"], "STSTOP", "ST", "STOP", id="restarts-inside-a-beginning"),
    pytest.param(["aab"], "aaab", "a", "aab", id="overlapping-beginnings"),
    pytest.param(["abcd", "bc"], "xabcd", "xa", "bc", id="the-one-that-ends-first"),
    pytest.param(["c", "abc"], "xabc", "x", "abc", id="of-those-ending-together-the-longest"),
    pytest.param(["he", "she", "hers"], "ushers", "u", "she", id="classic"),
    pytest.param(["👨‍👩‍👧"], "a👨‍👩‍👧b", "a", "👨‍👩‍👧", id="emoji"),
    pytest.param(["x"], "x", "", "x", id="only-the-stop"),
    pytest.param([], "anything", "anything", None, id="no-stops"),
]


@pytest.mark.parametrize(("stop", "text", "expected", "matched"), CASES)
def test_every_split(stop: list[str], text: str, expected: str, matched: str | None) -> None:
    for parts in every_split(text):
        scanner = StopScanner(stop)
        out = "".join(map(scanner.push, parts))
        if scanner.matched is None:
            out += scanner.flush()
        assert (out, scanner.matched) == (expected, matched)


def test_only_a_possible_beginning_is_held_back() -> None:
    scanner = StopScanner(["STOP"])
    assert scanner.push("all of this, S") == "all of this, "
    assert scanner.push("o") == "So"


def test_nothing_follows_a_match() -> None:
    scanner = StopScanner(["x"])
    assert scanner.push("axb") == "a"
    assert scanner.push("more") == ""


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="everywhere"):
        StopScanner(["a", ""])


def first_match(stop: list[str], text: str) -> tuple[str, str | None]:
    """The definition, slowly: the earliest end, then the longest."""
    for end in range(len(text) + 1):
        ending = [word for word in stop if text[:end].endswith(word)]
        if ending:
            word = max(ending, key=len)
            return text[: end - len(word)], word
    return text, None


@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=4), st.text("abc", max_size=30), st.integers(1, 5))
def test_equals_the_definition(stop: list[str], text: str, size: int) -> None:
    scanner = StopScanner(stop)
    out = "".join(scanner.push(text[i : i + size]) for i in range(0, len(text), size))
    out += scanner.flush() if scanner.matched is None else ""
    assert (out, scanner.matched) == first_match(stop, text)
