from __future__ import annotations

from typing import Any

import pytest

from gateway.core.quote import Quote, strings

TOKENS = ("<|im_end|>", "<think>", "</think>")
WHOLE = ("<|im_end|>\n", "<think>\n")  # what most templates write
ENDS = (*WHOLE, "\n<", "</", ">")  # what Qwen3-Coder's writes besides
MARK = "9"


@pytest.mark.parametrize(
    ("value", "literals", "expected"),
    [
        ("plain", WHOLE, "plain"),
        ("<|im_end|>", WHOLE, "<9|im_end|9>"),
        ("a < b > c", WHOLE, "a <9 b 9> c"),
        ("<", WHOLE, "<9"),
        ("<>", WHOLE, "<99>"),
        ("think", WHOLE, "think"),
        ("think", ENDS, "t9hink"),
        ("/Think", ENDS, "/T9hink"),
        ("$|im end|", ENDS, "$|i9m end|"),
        ("|im_end|>", ENDS, "|i9m_end|9>"),
        ("thinking", ENDS, "thinking"),
        ("I think", ENDS, "I think"),
        ([{"<": ["<", 1, None, True]}], WHOLE, [{"<9": ["<9", 1, None, True]}]),
        (({"type": "think"},), ENDS, [{"type": "t9hink"}]),
    ],
    ids=str,
)
def test_marks(value: Any, literals: tuple[str, ...], expected: Any) -> None:
    quote = Quote(TOKENS, literals)
    assert quote.needed(value) == (quote.marked(value, MARK) != value)
    assert quote.marked(value, MARK) == expected


def test_strings_of_a_deep_value() -> None:
    value: Any = "end"
    for _ in range(100_000):
        value = {"key": [value]}
    found = list(strings(value))
    assert (len(found), found.count("key"), "end" in found) == (100_001, 100_000, True)


def test_a_tokenizer_without_added_tokens() -> None:
    quote = Quote((), ("<",))
    assert not quote.needed("<|im_end|>")
    assert quote.marked({"a": "<"}, MARK) == {"a": "<"}
