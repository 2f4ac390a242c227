"""The list of models. Pure but for asking."""

from __future__ import annotations

from gateway.commands.check.errors import need_error
from gateway.commands.check.target import Target
from gateway.commands.check.verdict import check, need, reach


@check("models.list", "Frontends fill their choice of models from it, SDKs iterate over its data.")
def listed(target: Target) -> None:
    reply = target.get("/models").ok().json
    need(reply.get("object") == "list", '"object": "list"', reply.get("object"))
    need(bool(reach(reply, "data", kind=list)), "at least one model in data", "an empty list")


@check("models.cards", "SDKs make objects of them; what is missing raises when it is read.")
def cards(target: Target) -> None:
    for number in range(len(reach(target.get("/models").ok().json, "data", kind=list))):
        card = reach(target.get("/models").json, "data", number, kind=dict)
        _need_card(card)


@check("models.one", "models.retrieve() is how clients ask whether a model is there.")
def one(target: Target) -> None:
    card = target.card().ok().json
    _need_card(card)
    need(card["id"] == target.model, f'"id": "{target.model}"', card["id"])


@check("models.unknown", "A 404 with model_not_found is how clients tell a wrong name from a server that is down.")
def unknown(target: Target) -> None:
    need_error(target.get("/models/no-such-model-here"), 404)


def _need_card(card: dict[str, object]) -> None:
    for name, kind in (("id", str), ("object", str), ("created", int), ("owned_by", str)):
        reach(card, name, kind=kind)
    need(card["object"] == "model", '"object": "model"', card["object"])


CHECKS = (listed, cards, one, unknown)
