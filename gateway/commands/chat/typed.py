"""What somebody types: lines, with history and editing where the terminal has readline, put together to messages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

BLOCK = '"""'
FIRST, MORE = "> ", ". "


class Typed:
    """Reads messages. ``commands``: what Tab completes after a slash."""

    def __init__(self, commands: Sequence[str], read: Callable[[str], str] = input) -> None:
        self._commands = commands
        self._read = read
        with contextlib.suppress(ImportError):
            import readline

            readline.set_completer_delims(" \t\n")
            readline.set_completer(self.complete)
            libedit = "libedit" in (readline.__doc__ or "")
            readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
            if not libedit:
                readline.parse_and_bind("set enable-bracketed-paste on")  # pasted lines stay one message

    def message(self) -> str:
        """One message; EOFError and KeyboardInterrupt pass. A line that ends in a backslash goes on in the next one,
        and between two lines with three quotes everything is one message."""
        text = self._read(FIRST)
        if text.lstrip().startswith(BLOCK):
            text = text.lstrip().removeprefix(BLOCK)
            while not text.rstrip().endswith(BLOCK):
                text += "\n" + self._read(MORE)
            text = text.rstrip().removesuffix(BLOCK).strip("\n")
        else:
            while text.endswith("\\"):
                text = text[:-1] + "\n" + self._read(MORE)
        # What the terminal sent that is no UTF-8.
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def complete(self, text: str, state: int) -> str | None:
        """For readline: the state-th command that begins so."""
        found = [command for command in self._commands if text.startswith("/") and command.startswith(text)]
        return found[state] if state < len(found) else None
