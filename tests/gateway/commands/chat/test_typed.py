"""Lines that are typed, as messages."""

from __future__ import annotations

import pytest

from gateway.commands.chat.typed import FIRST, MORE, Typed

MESSAGES = [
    pytest.param(["Hi"], "Hi", id="one-line"),
    pytest.param(["one\\", "two\\", "three"], "one\ntwo\nthree", id="backslash"),
    pytest.param(['"""one', "two", 'three"""'], "one\ntwo\nthree", id="quotes"),
    pytest.param(['"""', "  one", "", "/two", '"""'], "  one\n\n/two", id="quotes-alone"),
    pytest.param(['"""one"""'], "one", id="quotes-on-one-line"),
    pytest.param(['say """'], 'say """', id="quotes-elsewhere"),
    pytest.param(["pasted\nlines"], "pasted\nlines", id="pasted"),
    pytest.param(["\udcff\udce4"], "\ufffd\ufffd", id="no-utf-8"),
    pytest.param([""], "", id="nothing"),
]


@pytest.mark.parametrize(("lines", "message"), MESSAGES)
def test_lines_become_a_message(lines: list[str], message: str) -> None:
    prompts = []
    given = iter(lines)

    def read(prompt: str) -> str:
        prompts.append(prompt)
        return next(given)

    assert Typed([], read).message() == message
    assert prompts == [FIRST, *[MORE] * (len(lines) - 1)]
    assert list(given) == []


def test_tab_completes_commands() -> None:
    typed = Typed(["/save", "/set", "/stats"], lambda _: "")
    assert [typed.complete("/s", state) for state in range(4)] == ["/save", "/set", "/stats", None]
    assert typed.complete("s", 0) is None
