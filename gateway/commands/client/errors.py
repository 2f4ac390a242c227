"""What can go wrong between here and a server, as one tree. Each says what happened, and what to do next.

ClientError
├── Unreachable    no connection, or nothing behind it that speaks HTTP
├── Late           it was silent for too long
├── Broken         an answer that broke off, or that is none
└── Refused        an error status, with what the server said of it
"""

from __future__ import annotations


class ClientError(Exception):
    """``message``: what happened. ``advice``: what to do next, one sentence, or nothing."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class Unreachable(ClientError):
    """No request was answered: trying another URL, or starting the server, is what helps."""


class Late(ClientError):
    """Connected, and then nothing came in time."""


class Broken(ClientError):
    """What came is incomplete, or no reply of an OpenAI-compatible server."""


class Refused(ClientError):
    """A status of 400 or more. ``retry_after``: seconds that the server asks to wait."""

    def __init__(self, status: int, message: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
