"""Text of strangers cannot steer a terminal."""

from __future__ import annotations

import pytest

from gateway.commands.client.visible import Visible, one_line, visible

TEXTS = [
    ("plain 你好 😀 é\n\tx", "plain 你好 😀 é\n\tx"),
    ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
    ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
    ("\x9b2J", "\\x9b2J"),
    ("a\rb", "a\\x0db"),
    ("a\r\nb\r\n", "a\nb\n"),
    ("\r\r\n\r", "\\x0d\n\\x0d"),
    ("\x00\x08\x7f", "\\x00\\x08\\x7f"),
    ("a\u202eb\u2066c\u200f", "a\\u202eb\\u2066c\\u200f"),
    ("\ud800", "\\ud800"),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS, ids=[repr(text) for text, _ in TEXTS])
def test_whole_and_in_pieces(text: str, shown: str) -> None:
    assert visible(text) == shown
    for cut in range(len(text) + 1):
        pieces = Visible()
        assert pieces.push(text[:cut]) + pieces.push(text[cut:]) + pieces.flush() == shown
    single = Visible()
    assert "".join(single.push(character) for character in text) + single.flush() == shown


def test_no_character_that_a_terminal_obeys_is_left() -> None:
    everything = "".join(chr(code) for code in range(0x3000))
    left = {character for character in visible(everything) if not character.isprintable()}
    assert not {character for character in left if ord(character) < 0xA0} - {"\n", "\t"}


def test_one_line_is_one_and_bounded() -> None:
    assert one_line("a\n b\t\x1b c") == "a b \\x1b c"
    assert one_line("x" * 500) == "x" * 199 + "…"
