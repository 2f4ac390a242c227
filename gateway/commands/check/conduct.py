"""What shows over the whole run: it looks at all that was asked, so it comes last. Pure but for asking."""

from __future__ import annotations

from gateway.commands.check.exchange import DONE
from gateway.commands.check.target import COUNT, Target
from gateway.commands.check.verdict import NotApplicable, check, need, reach

BUSY = (429, 503)
PATIENCE = 60  # seconds: what both majors of the SDK still obey


@check("conduct.leave", "Users stop answers all the time; whoever asks next must not feel it.")
def leave(target: Target) -> None:
    target.stream().ok()
    target.begin(COUNT, events=2, max_tokens=1000).ok()
    target.chat(COUNT, max_tokens=5).ok()


@check("conduct.error-events", "SDKs raise at data: with an error object in it; a flat one they take for silence.")
def error_events(target: Target) -> None:
    payloads = [each for exchange in target.asked if exchange.status == 200 for each in exchange.payloads]
    strange = [each for each in payloads if each != DONE and not (isinstance(each, dict) and "choices" in each)]
    if not strange:
        raise NotApplicable("no stream failed")
    for each in strange:
        reach(each, "error", "message", kind=str)


@check("conduct.retry-after", "SDKs wait as long as retry-after says, if that is 60 s or less.")
def retry_after(target: Target) -> None:
    busy = [exchange for exchange in target.asked if exchange.status in BUSY]
    if not busy:
        raise NotApplicable("the server was never too busy")
    for exchange in busy:
        found = exchange.headers.get("retry-after", "no such header")
        need(found.isdecimal() and int(found) <= PATIENCE, f"retry-after: up to {PATIENCE} s", found)


CHECKS = (leave, error_events, retry_after)
