"""Where a request comes from, as its headers and whoever checked its key say. It must not know keys."""

from __future__ import annotations

from starlette.requests import Request

from gateway.core.caller import ANYONE, Origin

# Requests that name the same session go to the same Triton while that is well: its cache holds their beginning.
SESSION = "x-session-id"
_LONGEST = 256


def origin(request: Request) -> Origin:
    """The request's caller and session. A session's name is a stranger's: what is too long is cut."""
    session = request.headers.get(SESSION)
    return Origin(getattr(request.state, "caller", ANYONE), session[:_LONGEST] if session else None)
