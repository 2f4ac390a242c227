"""What the chat writes: the answer to standard output, all else to standard error. It knows streams, colours and what a
terminal must not get; it must not know what is said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from gateway.commands.chat.answer import Part
from gateway.commands.client.output import coloured
from gateway.commands.client.visible import Visible, visible

DIM, RED, PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[0m"


class Screen:
    """``out`` gets nothing but answers, as they are where it is no terminal. ``quiet``: ``err`` gets errors alone."""

    def __init__(self, out: TextIO, err: TextIO, environ: Mapping[str, str], *, quiet: bool = False) -> None:
        self._out, self._err = out, err
        self._raw = not out.isatty()
        self._colours = coloured(err, environ)
        self.talks = err.isatty() and not quiet  # whether somebody reads what is not the answer
        self._text, self._thought = Visible(), Visible()
        self._line_open: TextIO | None = None  # the stream whose last line has no end
        self._thinking = False

    def part(self, part: Part) -> None:
        """A piece of an answer."""
        if part.thinking:
            if self.talks:
                self._thinking = True
                self._write(self._err, self._dim(self._thought.push(part.text)))
            return
        self._end_thinking()
        self._write(self._out, _storable(part.text) if self._raw else self._text.push(part.text))

    def end(self) -> None:
        """The answer is over: whatever comes begins a line."""
        self._end_thinking()
        self._write(self._out, "" if self._raw else self._text.flush())
        self._end_line()

    def note(self, text: str) -> None:
        """Something for people, dim; nothing where nobody reads."""
        if self.talks:
            self._end_line()
            self._write(self._err, self._dim(visible(text)) + "\n")

    def say(self, text: str) -> None:
        """What a command of the user tells: always, and not dim."""
        self._end_line()
        self._write(self._err, visible(text) + "\n")

    def error(self, text: str) -> None:
        self._end_line()
        text = visible(text)
        self._write(self._err, (f"{RED}{text}{PLAIN}" if self._colours else text) + "\n")

    def break_line(self) -> None:
        """After what the terminal echoed by itself, such as ^C."""
        self._write(self._err, "\n")

    def _end_thinking(self) -> None:
        if self._thinking:
            self._thinking = False
            self._write(self._err, self._dim(self._thought.flush()))
            self._end_line()

    def _end_line(self) -> None:
        if self._line_open is not None:
            self._write(self._line_open, "\n")

    def _dim(self, text: str) -> str:
        return f"{DIM}{text}{PLAIN}" if self._colours and text else text

    def _write(self, stream: TextIO, text: str) -> None:
        if not text:
            return
        stream.write(text)
        stream.flush()
        self._line_open = None if text.removesuffix(PLAIN).endswith("\n") else stream


def silence(stream: TextIO) -> None:
    """For a pipe that nobody reads any more: what Python flushes at its end then goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _storable(text: str) -> str:
    """Surrogates, which no UTF-8 has, as the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
