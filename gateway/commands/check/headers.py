"""Headers that clients and proxies read. Pure but for asking."""

from __future__ import annotations

import re

from gateway.commands.check.exchange import Exchange
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import NotApplicable, check, need

LIMITS = tuple(f"x-ratelimit-{what}-{of}" for of in ("requests", "tokens") for what in ("limit", "remaining", "reset"))


def _need_header(exchange: Exchange, name: str, pattern: str = r".+") -> None:
    found = exchange.headers.get(name)
    need(
        found is not None and re.fullmatch(pattern, found) is not None, f"{name}: {pattern}", found or "no such header"
    )


@check("headers.request-id", "SDKs give it out as ._request_id; it is what a user reports.")
def request_id(target: Target) -> None:
    _need_header(target.chat().ok(), "x-request-id")


@check("headers.request-id-of-errors", "Errors are what needs to be found in a log.")
def request_id_of_errors(target: Target) -> None:
    refused = target.chat(temperature="hot")
    need(refused.status != 0, "a reply", refused.broken)
    _need_header(refused, "x-request-id")


@check("headers.request-id-of-streams", "Streams are reported as well.")
def request_id_of_streams(target: Target) -> None:
    _need_header(target.stream().ok(), "x-request-id")


@check("headers.json", "Clients decide by the content type whether to parse.")
def json(target: Target) -> None:
    _need_header(target.chat().ok(), "content-type", r"application/json(;.*)?")


@check("headers.no-cache", "A cache between must not keep or collect a stream.")
def no_cache(target: Target) -> None:
    found = target.stream().ok().headers.get("cache-control", "no such header")
    need("no-cache" in found or "no-store" in found, "cache-control: no-cache on a stream", found)


@check("headers.no-buffering", "nginx collects a stream unless x-accel-buffering: no forbids it.")
def no_buffering(target: Target) -> None:
    _need_header(target.stream().ok(), "x-accel-buffering", "no")


@check("headers.processing-ms", "Users of with_raw_response tell the server's time from the network's by it.")
def processing_ms(target: Target) -> None:
    _need_header(target.chat().ok(), "openai-processing-ms", r"\d+")


@check("headers.rate-limits", "Clients that pace themselves read limit, remaining and reset together.")
def rate_limits(target: Target) -> None:
    headers = target.chat().ok().headers
    there = [name for name in LIMITS if name in headers]
    if not there:
        raise NotApplicable("the server tells no limits")
    kinds = {name.rpartition("-")[2] for name in there}
    missing = [name for name in LIMITS if name.rpartition("-")[2] in kinds and name not in there]
    need(not missing, "limit, remaining and reset", f"no {', '.join(missing)}")


CHECKS = (
    request_id,
    request_id_of_errors,
    request_id_of_streams,
    json,
    no_cache,
    no_buffering,
    processing_ms,
    rate_limits,
)
