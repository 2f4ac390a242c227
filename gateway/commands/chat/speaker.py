"""Asks, and shows what comes. The same for a single question and for a conversation."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from gateway.commands.chat.asking import Asking, counts
from gateway.commands.chat.conversation import Conversation
from gateway.commands.chat.screen import Screen
from gateway.commands.client.advice import UNKNOWN_MODEL, explained
from gateway.commands.client.errors import ClientError, Refused
from gateway.commands.client.objects import fetch_models
from gateway.commands.client.transport import Client

CUT = "It was cut at the limit of tokens: /set max_tokens N, or say: go on."
REASONS = {"length": "It was cut at the limit of tokens.", "content_filter": "The server's filter ended it."}


@dataclass(slots=True)
class Totals:
    """Of all answers so far. Tokens are those that servers counted."""

    answers: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    last: str = "nothing yet"


@dataclass(frozen=True, slots=True)
class Outcome:
    """``text``: the answer, as far as it came. ``stopped``: by Ctrl-C."""

    text: str
    stopped: bool = False
    error: ClientError | None = None


@dataclass(slots=True)
class Speaker:
    """``talking``: a person is there who can use the chat's commands."""

    client: Client
    screen: Screen
    talking: bool
    totals: Totals = field(default_factory=Totals)
    _counting: bool = True  # until a server does not know how

    def ask(self, conversation: Conversation, question: str) -> Outcome:
        """Shows the answer as it comes; what fails is shown too."""
        outcome = self._asked(conversation.request(question, usage=self._counting))
        if self._counting and isinstance(outcome.error, Refused) and counts(outcome.error):
            self._counting = False
            outcome = self._asked(conversation.request(question, usage=False))
        if outcome.error is not None:
            self.explain(outcome.error)
        return outcome

    def explain(self, error: ClientError) -> None:
        """An error, and what to do about it."""
        models: list[str] = []
        if isinstance(error, Refused) and (error.status == 404 or error.code == UNKNOWN_MODEL):
            with contextlib.suppress(ClientError):
                models = fetch_models(self.client) or []
        text = explained(error, key=bool(self.client.key), models=models, talking=self.talking)
        self.screen.error(text if self.talking else f"gateway: {text}")

    def _asked(self, body: dict[str, Any]) -> Outcome:
        asking = Asking(self.client, body)
        stopped, error = False, None
        try:
            with contextlib.closing(asking.parts()) as parts:
                for part in parts:
                    self.screen.part(part)
        except KeyboardInterrupt:
            stopped = True
        except ClientError as exc:
            error = exc
        self.screen.end()
        answer = asking.answer
        if error is None:
            self._tell(asking, str(body["model"]), stopped=stopped)
        return Outcome("".join(answer.text), stopped, error)

    def _tell(self, asking: Asking, model: str, *, stopped: bool) -> None:
        """What is to be said after an answer."""
        answer, totals = asking.answer, self.totals
        for call in answer.said_calls:
            self.screen.note(f"The model calls {call}; nobody does that here.")
        if answer.reason in REASONS and not stopped:
            self.screen.note(CUT if answer.reason == "length" and self.talking else REASONS[answer.reason])
        facts = ["stopped"] if stopped else []
        if asking.first_seconds is not None:
            facts.append(f"first token after {asking.first_seconds:.2f} s")
        if answer.tokens is not None:
            facts.append(f"{answer.tokens} tokens")
            totals.tokens += answer.tokens
            totals.prompt_tokens += answer.prompt_tokens or 0
        elif not stopped:
            facts.append("tokens not counted by the server")
        if asking.tokens_per_second is not None:
            facts.append(f"{asking.tokens_per_second:.0f} tokens/s")
        totals.answers += 1
        totals.last = ", ".join([*facts, model])
        self.screen.note(totals.last)
