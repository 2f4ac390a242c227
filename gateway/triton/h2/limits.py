"""What a peer may send on a connection: sizes, and how long it may chatter without bringing anything.

It must not know frames or streams.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.triton.h2.frames import Code, ProtocolError

EARNED = 8  # frames that bring nothing, for one that does, and for each call between two ticks


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may send. Bytes, if nothing else is said."""

    stream_window: int = 256 * 1024  # of one answer that nobody reads
    connection_window: int = 2**30  # no stream holds up another: what each may hold is limited above
    frame: int = 128 * 1024
    message: int = 64 * 1024 * 1024  # log-probabilities and logits can be long
    header_list: int = 64 * 1024
    header_frames: int = 32  # that one header list may be spread over
    settings: int = 64  # in one frame
    chatter: int = 1000  # frames that bring nothing


class Patience:
    """Bears frames that bring nothing, up to a number that grows with those that do."""

    __slots__ = ("_most", "borne")

    def __init__(self, most: int) -> None:
        self._most = most
        self.borne = 0  # below 0: so many are free

    def useless(self) -> None:
        """A frame that brought nothing. ProtocolError where it is one too many."""
        self.borne += 1
        if self.borne > self._most:
            raise ProtocolError(Code.ENHANCE_YOUR_CALM, "too many frames that bring nothing")

    def useful(self, count: int = 1) -> None:
        """So many frames brought something."""
        if self.borne > 0:
            self.borne = max(self.borne - EARNED * count, -EARNED)

    def asked(self) -> None:
        """We began a call, which the peer may answer with some chatter."""
        self.borne -= EARNED

    def tick(self, calls: int) -> None:
        """Some seconds have passed, with so many calls going."""
        self.borne = -EARNED * calls
