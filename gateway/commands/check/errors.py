"""Errors that a client can act on: status, and the four keys in ``error``. Pure but for asking."""

from __future__ import annotations

from gateway.commands.check.exchange import Exchange
from gateway.commands.check.target import HELLO, Target
from gateway.commands.check.verdict import Missed, NotApplicable, check, need, reach

KEYS = ("message", "type", "param", "code")
WRONG_KEY = "sk-this-key-is-wrong-0123456789abcdef"
UNKNOWN = "no-such-model-here"


def need_error(exchange: Exchange, status: int) -> None:
    """Missed unless the reply is an error of this status in OpenAI's form."""
    if exchange.broken:
        raise Missed(f"an error {status} for {exchange.title}", exchange.broken)
    need(exchange.status == status, f"status {status} for {exchange.title}", f"{exchange.status}: {exchange.said}")
    need_form(exchange)


def need_form(exchange: Exchange) -> None:
    error = reach(exchange.json, "error", kind=dict)
    missing = [key for key in KEYS if key not in error]
    need(not missing, f"error with {', '.join(KEYS)}", f"no {', '.join(missing)} in it")
    need(bool(reach(error, "message", kind=str).strip()), "a message that says what is wrong", "an empty one")


@check("errors.form", "SDKs fill .message, .type, .param and .code from it; of any other form the reason is lost.")
def form(target: Target) -> None:
    refused = target.chat(temperature="hot")
    need(400 <= refused.status < 500, 'a 4xx for "temperature": "hot"', refused.broken or str(refused.status))
    need_form(refused)


@check("errors.types", "Clients compare type and code with texts; a number as code breaks typed SDKs.")
def types(target: Target) -> None:
    refused = target.chat(temperature="hot")
    need_form(refused)
    reach(refused.json, "error", "type", kind=str)
    for name in ("code", "param"):
        reach(refused.json, "error", name, kind=(str, type(None)))


@check("errors.bad-value", "400 is what OpenAI answers; SDKs raise BadRequestError for it and do not try again.")
def bad_value(target: Target) -> None:
    need_error(target.chat(temperature="hot"), 400)


@check("errors.no-messages", "A chat without messages is the client's mistake, not a crash of the server.")
def no_messages(target: Target) -> None:
    need_error(target.chat(messages=None), 400)


@check("errors.not-json", "A body that is no JSON is the client's mistake; a 5xx would be tried again and again.")
def not_json(target: Target) -> None:
    need_error(target.ask("POST", "/chat/completions", b'{"model": '), 400)


@check("errors.unknown-model", "SDKs raise NotFoundError at 404; routers pick another model when the code says so.")
def unknown_model(target: Target) -> None:
    refused = target.chat(model=UNKNOWN)
    need_error(refused, 404)
    code = reach(refused.json, "error", "code")
    need(code == "model_not_found", '"code": "model_not_found"', code)


@check("errors.unknown-path", "Who forgets /v1 shall read that, and not a web page.")
def unknown_path(target: Target) -> None:
    need_error(target.ask("POST", "/no/such/path", {}), 404)


@check(
    "errors.before-stream", "An error that is known before the first token needs its status: SDKs look at nothing else."
)
def before_stream(target: Target) -> None:
    refused = target.stream(temperature="hot")
    if refused.broken:
        raise Missed("an error status for a stream that cannot begin", refused.broken)
    need(400 <= refused.status < 500, "a 4xx for a stream that cannot begin", f"{refused.status}: {refused.said}")
    need_form(refused)


@check("errors.no-key", "401 tells a client to ask its user for a key.")
def no_key(target: Target) -> None:
    _need_unauthorized(target, "")


@check("errors.wrong-key", "401 tells a client that its key is wrong; SDKs raise AuthenticationError.")
def wrong_key(target: Target) -> None:
    _need_unauthorized(target, WRONG_KEY)


def _need_unauthorized(target: Target, key: str) -> None:
    body = {"model": target.model, "messages": [{"role": "user", "content": HELLO}], "max_tokens": 1}
    refused = target.ask("POST", "/chat/completions", body, key=key)
    if refused.status == 200:
        raise NotApplicable("the server wants no key")
    need_error(refused, 401)


CHECKS = (
    form,
    types,
    bad_value,
    no_messages,
    not_json,
    unknown_model,
    unknown_path,
    before_stream,
    no_key,
    wrong_key,
)
