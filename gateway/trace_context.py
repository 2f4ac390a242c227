"""What the work for a request carries to other servers, so that their traces become part of its own.

It knows that there are header lines. It must not know what traces are: ``tracing`` writes these, transports send them.
"""

from __future__ import annotations

from contextvars import ContextVar

Headers = tuple[tuple[str, str], ...]

outgoing: ContextVar[Headers] = ContextVar("outgoing", default=())
