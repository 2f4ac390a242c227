"""One call on a connection: what was said on its stream, in gRPC's terms, and how far its windows are open.

It knows messages, headers in their order, and the window's books. It must not know frames of other streams, and it
does no I/O: the connection feeds it, and whoever made it takes messages out.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.triton.h2.frames import Code, ProtocolError
from gateway.triton.h2.grpc_messages import End, MessageError, MessageReader, end_of, refusal
from gateway.triton.h2.headers import Headers
from gateway.triton.status import Status


class Stream:
    """One request, sent whole, and the messages that answer it."""

    __slots__ = (
        "begun",
        "body",
        "end",
        "full",
        "id",
        "messages",
        "on_news",
        "reader",
        "send_window",
        "window",
    )

    def __init__(
        self,
        id: int,
        body: bytes,
        on_news: Callable[[], None],
        *,
        send_window: int,
        window: int,
        largest_message: int,
    ) -> None:
        """``on_news`` is for the driver, which calls it after a turn that brought something. Windows in bytes."""
        self.id = id
        self.body = memoryview(body)  # what is not sent yet
        self.on_news = on_news
        self.send_window = send_window
        self.end: End | None = None
        self.window = self.full = window  # what the peer may still send, and what it may at the most
        self.messages: list[bytes] = []  # that arrived and were not taken
        self.reader = MessageReader(largest_message)
        self.begun = False  # the headers of the answer are there

    def credit(self) -> int:
        """Bytes to let the peer send now, 0 while it is not worth a frame.

        A message that is not complete does not wait for its reader, so that one larger than the window can arrive.
        """
        debt = self.full - self.window  # bytes received for which the peer has no new credit yet
        if debt * 2 < self.full:
            return 0
        free = debt - sum(len(message) + 5 for message in self.messages)
        if free * 2 < self.full:
            return 0
        self.window += free
        return free

    def data(self, payload: bytes, size: int, ended: bool) -> None:
        """The content of a DATA frame. ``size``: bytes that it counts for, with its padding."""
        if size > self.window:
            raise ProtocolError(Code.FLOW_CONTROL_ERROR, "more data on a stream than its window allows")
        self.window -= size
        if not self.begun:
            self.end = End(Status.INTERNAL, "the server sent data before headers")
            return
        try:
            messages = self.reader.push(payload)
        except MessageError as exc:
            self.end = exc.end
            return
        self.messages += messages
        if ended:
            self.end = End(Status.INTERNAL, "the server's answer ended without trailers")

    def headers(self, headers: Headers, ended: bool) -> None:
        """A header list: informational ones, the answer's, and the trailers."""
        if not self.begun and not ended:
            if headers and headers[0][0] == b":status" and headers[0][1].startswith(b"1"):
                return
            self.begun = True
            self.end = refusal(headers)
            return
        if not ended:
            self.end = End(Status.INTERNAL, "the server sent headers in the middle of its answer")
            return
        refused = None if self.begun else refusal(headers)
        self.end = refused or end_of(headers)
        if self.end.status is Status.OK and self.reader.rest:
            self.end = End(Status.INTERNAL, "the server's answer ended inside a message")
