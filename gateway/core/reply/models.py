"""Lists of models. It knows OpenAI's model object and what this server adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWNER = "qwen-triton-gateway"


def model_card(
    name: str,
    *,
    created: int,
    max_model_len: int | None,
    parent: str | None = None,
    capabilities: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One entry. Extensions: ``max_model_len``, ``parent`` of a LoRA, and ``capabilities``."""
    card: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": OWNER,
    }
    if max_model_len is not None:
        card["max_model_len"] = max_model_len
    if parent is not None:
        card["parent"] = parent
    if capabilities is not None:
        card["capabilities"] = dict(capabilities)
    return card


def model_list(cards: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": cards}
