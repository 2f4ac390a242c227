"""What every OpenAI-compatible server says alike: its list of models, and its errors, in whatever form those come."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.commands.client.errors import Broken, Refused
from gateway.commands.client.transport import Client, Reply


@dataclass(frozen=True, slots=True)
class Card:
    """A model of the list. ``embeds``: it gives embeddings and does not chat; only our own list tells."""

    id: str
    embeds: bool


def fetch_models(client: Client) -> list[str] | None:
    """The names of models that can chat; None where the server has no list."""
    cards = list_models(client)
    return None if cards is None else [card.id for card in cards if not card.embeds]


def list_models(client: Client) -> list[Card] | None:
    """The models that the server lists; None where it has no list. ClientError where that cannot be told."""
    with client.send("GET", "/models") as reply:
        if reply.status in (404, 405, 501):
            return None
        if reply.status != 200:
            raise refusal(reply)
        try:
            cards = json.loads(reply.read())["data"]
            return [Card(card["id"], _embeds(card)) for card in cards if isinstance(card["id"], str) and card["id"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Broken(
                f"{client.address}/models is no list of models.", "Is it the base URL of an OpenAI-compatible server?"
            ) from None


def refusal(reply: Reply) -> Refused:
    """The error that a reply is. Servers have four ways to say one; whoever made the text, it is there."""
    try:
        body: Any = json.loads(reply.read())
    except (ValueError, RecursionError):
        body = None
    said, code = error_text(body)
    return Refused(reply.status, said, code=code, retry_after=_retry_after(reply.headers.get("retry-after", "")))


def error_text(body: Any) -> tuple[str, str]:
    """Message and code of an error's JSON: OpenAI's nested form, a flat one, FastAPI's ``detail``, or a bare text."""
    found = body
    if isinstance(body, dict):
        found = next((body[name] for name in ("error", "detail", "message") if body.get(name)), "")
    code = ""
    if isinstance(found, dict):
        code = str(found.get("code") or "")
        found = found.get("message") or found
    elif isinstance(body, dict):
        code = str(body.get("code") or "")
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False) if found else ""
    return text[:2000], code[:100]


def _embeds(card: dict[str, Any]) -> bool:
    capabilities = card.get("capabilities")
    return isinstance(capabilities, dict) and capabilities.get("embeddings") is True


def _retry_after(text: str) -> float | None:
    """Seconds, whichever of its two forms the header has."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds(), 0.0)
    except (ValueError, TypeError, IndexError):
        return None
