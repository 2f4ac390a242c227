"""An answer's text → parts: thinking first, then content and tool calls, as one ``Parser``.

It knows which machines there are and their order. It must not know requests: what to look for is given to it, and
where the answer begins comes from the rendered prompt (``thinking_state``).

Bounded memory: beside what the machines hold (``reasoning``, ``prose``, ``machine``, ``arguments`` and ``values`` say
how much) nothing of the text is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.core.parse.hermes import Hermes
from gateway.core.parse.plain import Plain
from gateway.core.parse.reasoning import ThinkSplit, thinking_state
from gateway.core.parse.xml_calls import XmlCalls
from gateway.core.types import CallStyle, Parser, Part, Thinking

__all__ = ["Answer", "parser", "thinking_state"]


def parser(
    *,
    thinking: Thinking,
    calls: CallStyle | None,
    tools: Mapping[str, Mapping[str, Any]],
    call_id: Callable[[int], str],
    parallel: bool = True,
    prefill: str = "",
) -> Parser:
    """A parser for one answer.

    ``calls``: how the model writes tool calls; None where no tools were offered, and their tags are text then.
    ``tools``: the JSON schema of each tool's parameters by the tool's name. ``call_id``: the id of the call with that
    index. ``parallel``: False ends the answer after the first complete call. ``prefill``: the beginning of the answer
    that is already in the prompt, such as that of a forced call; its parts come out with the answer's.
    """
    inner: Parser
    if calls == "hermes":
        inner = Hermes(call_id=call_id, parallel=parallel)
    elif calls == "xml":
        inner = XmlCalls(tools=tools, call_id=call_id, parallel=parallel)
    else:
        inner = Plain()
    if thinking == "off" and not prefill:
        return inner
    answer = Answer(thinking, inner)
    answer.begin(prefill)
    return answer


class Answer:
    """The chain. Once thinking is over it only passes text on."""

    __slots__ = ("_begun", "_calls", "_over", "_split")

    def __init__(self, thinking: Thinking, calls: Parser) -> None:
        self._split = ThinkSplit(thinking)
        self._calls = calls
        self._begun: list[Part] = []
        self._over = False

    @property
    def reasoning(self) -> bool:
        return self._split.inside

    @property
    def called(self) -> bool:
        return self._calls.called

    @property
    def done(self) -> bool:
        return self._calls.done

    @property
    def thought(self) -> bool:
        return self._over

    @property
    def after(self) -> Parser:
        """What reads alone once there was ``thought``."""
        return self._calls

    def begin(self, text: str) -> None:
        """What the prompt already has of the answer."""
        self._begun = self.push(text)
        self._over = False

    def push(self, text: str) -> list[Part]:
        if self._over:
            return self._calls.push(text)
        out, self._begun = self._begun, []
        rest = self._split.push(text, out)
        if rest:
            out += self._calls.push(rest)
        self._over = self._split.over
        return out

    def flush(self) -> list[Part]:
        out, self._begun = self._begun, []
        rest = self._split.flush(out)
        if rest:
            out += self._calls.push(rest)
        return out + self._calls.flush()
