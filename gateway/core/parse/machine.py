"""What the machines for tool calls share: text around calls, and text that is not yet known to be a call.

A dialect (``hermes``, ``xml_calls``) says which tags open a call and brings the states that read it. A state is a
function ``(machine, text, at, end, out) -> how far it read``; it reads at least a character or sets ``_carry``, and
it must not read beyond ``end``, nor look there for anything but the tag that stands at ``at``.

Until a call is certain to be one, all text from the whitespace in front of its tag on is kept (``_raw``), so that it
can be given back as content, exactly as written. That is the only thing that grows with the text, and is limited to
``LIMIT`` characters: text that is no call by then is content. Reading goes on behind what was given back, never
again through it; so work is linear. Beside ``_raw`` a beginning of a tag is held (``_carry``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from gateway.core.parse.prose import Prose, joined
from gateway.core.parse.tags import WHITESPACE, Tags
from gateway.core.types import CallArguments, CallStart, Content, Part

LIMIT = 1 << 16
State = Callable[[Any, str, int, int, list[Part]], int]


class CallMachine(ABC):
    """A ``Parser`` without thinking. Ids of calls come from ``call_id``, called with the call's index."""

    __slots__ = (
        "_call_id",
        "_calls",
        "_carry",
        "_mark",
        "_openers",
        "_parallel",
        "_plain",
        "_prose",
        "_raw",
        "_room",
        "_state",
        "called",
        "done",
    )
    reasoning: bool = False
    thought: bool = True

    def __init__(self, openers: Tags, call_id: Callable[[int], str], parallel: bool) -> None:
        self.called = self.done = False
        self._openers = openers
        self._call_id = call_id
        self._parallel = parallel
        self._calls = 0
        self._prose = Prose()
        self._state: State = CallMachine._text
        self._plain = True  # nothing is held and nothing is open: text without tags passes
        self._carry = ""
        self._raw: list[str] | None = None
        self._mark = 0  # where in the pushed text the part begins that is not yet in _raw
        self._room = 0

    def push(self, text: str) -> list[Part]:
        # Most tokens take this way and no other.
        if self._plain and "<" not in text and text[-1:] not in WHITESPACE:
            return [Content(text)]
        if self.done:
            return []
        out: list[Part] = []
        if self._carry:
            text, self._carry = self._carry + text, ""
        at, size, self._mark = 0, len(text), 0
        while at < size and not self._carry and not self.done:
            end = size if self._raw is None else min(size, self._mark + self._room)
            at = self._state(self, text, at, end, out) if at < end else self._give_back(text, at, out)
        if self._raw is not None:
            self._keep(text[self._mark : size - len(self._carry)])
        prose = self._prose
        self._plain = self._state is CallMachine._text and not (self._carry or prose.space or prose.after or self.done)
        return joined(out) if len(out) > 1 else out

    def flush(self) -> list[Part]:
        """At the end of the text: what was held and is no call. What came of an unfinished call stays."""
        out: list[Part] = []
        if not self.done:
            self._ended()
            if self._raw is not None:
                self._give_back("", 0, out)
            self._prose.add(self._carry, out)
            self._carry = ""
            self._prose.flush(out)
        return joined(out)

    @abstractmethod
    def _ended(self) -> None:
        """The text ends in this state: a dialect drops what is held but no content."""

    @abstractmethod
    def _opened(self, tag: str) -> State:
        """The state behind an opening tag."""

    def _text(self, text: str, at: int, end: int, out: list[Part]) -> int:
        tag = self._openers.search(text, at)
        if tag is None:
            stop = self._openers.beginning(text, at)
            self._prose.add(text[at:stop], out)
            self._carry = text[stop:]
            return end
        self._prose.add(text[at : tag.start()], out)
        self._hold(tag.end(), self._prose.take() + tag.group())
        self._state = self._opened(tag.group())
        return tag.end()

    def _hold(self, at: int, *before: str) -> None:
        """Keep the text from ``at`` on, and what stood before."""
        self._raw = list(before)
        self._mark = at
        self._room = LIMIT

    def _keep(self, text: str) -> None:
        if text and self._raw is not None:
            self._raw.append(text)
            self._room -= len(text)

    def _give_back(self, text: str, at: int, out: list[Part]) -> int:
        """It is no call: what was kept, up to ``at``, is content."""
        self._keep(text[self._mark : at])
        written = "".join(self._raw or ())
        self._close()
        self._prose.add(written, out)
        return at

    def _begin(self, name: str, out: list[Part]) -> None:
        """It is a call."""
        self._raw = None
        self.called = self._prose.after = True
        out.append(CallStart(self._calls, self._call_id(self._calls), name))
        self._calls += 1

    def _argue(self, text: str, out: list[Part]) -> None:
        if text:
            out.append(CallArguments(self._calls - 1, text))

    def _complete(self) -> None:
        """The arguments of the call are all there."""
        self.done = not self._parallel
        self._prose.after = True

    def _close(self) -> None:
        """Back to text."""
        self._raw = None
        self._state = CallMachine._text
