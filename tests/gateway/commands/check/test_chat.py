"""Chats that are wrong, and the checks that notice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.commands.check.conforming import MODEL, Said
from tests.gateway.commands.check.wrong import ANY, Edit, asked, at, both, chats, noticed, refused, wrong
from tests.gateway.commands.servers import Request

ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def sixteen(request: Request, said: Said) -> None:
    if said.events and "/chat" in request.target and "max_tokens" not in request.json:
        said.events = [*said.events[:18], *said.events[-2:]]
        said.choices[-1]["finish_reason"] = "length"


def no_limit(said: Said) -> None:
    if said.chat:
        said.choice["finish_reason"] = "stop"
        said.body["usage"] = {"prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47}


def always(reason: str) -> Edit:
    return lambda _, said: [each.update(finish_reason=reason) for each in said.choices if each.get("finish_reason")]


def no_parts(request: Request, said: Said) -> None:
    if said.chat and isinstance(request.json["messages"][0]["content"], list):
        said.refuse(400)


def no_system_prompt(request: Request, said: Said) -> None:
    if said.chat and request.json["messages"][0]["role"] == "system":
        said.refuse(400)


def with_tags(message: dict[str, Any]) -> None:
    if "reasoning_content" in message:
        message["content"] = f"<think>{message.pop('reasoning_content')}</think>{message.get('content') or ''}"


def renamed(message: dict[str, Any]) -> None:
    if "reasoning_content" in message:
        message["reasoning"] = message.pop("reasoning_content")


WRONG = [
    wrong("list", at("/models", lambda said: said.body.update(object="models")), "models.list"),
    wrong("card", at("/models", lambda said: said.body["data"][0].pop("owned_by")), "models.cards"),
    wrong("another-card", at(f"/models/{MODEL}", lambda said: said.body.update(id="other")), "models.one"),
    wrong("object", chats(lambda said: said.body.update(object="text_completion")), "chat.object"),
    wrong("one-id-for-all", chats(lambda said: said.body.update(id="chatcmpl-1")), "chat.id"),
    wrong("milliseconds", chats(lambda said: said.body.update(created=1_700_000_000_000)), "chat.created"),
    wrong("no-model", chats(lambda said: said.body.pop("model")), "chat.model"),
    wrong("index", chats(lambda said: said.choice.update(index=1)), "chat.choices", "chat.n"),
    wrong("no-refusal", chats(lambda said: said.choice["message"].pop("refusal")), "chat.message"),
    wrong(
        "eos",
        chats(lambda said: said.choice.update(finish_reason="eos")),
        "chat.finish-reason",
        *("chat.length", "chat.max-completion-tokens", "chat.stop", "chat.stop-list"),
        *("tools.auto", "tools.named", "tools.required"),
    ),
    wrong(
        "always-stop",
        always("stop"),
        *("chat.length", "chat.max-completion-tokens", "stream.length"),
        *("tools.auto", "tools.required", "tool-streams.required"),
    ),
    wrong("sixteen-tokens", sixteen, "chat.no-limit"),
    wrong("old-limit-only", asked(no_limit, max_completion_tokens=ANY), "chat.max-completion-tokens"),
    wrong("new-limit-only", asked(no_limit, max_tokens=4), "chat.length", "chat.max-tokens"),
    wrong(
        "no-usage",
        chats(lambda said: said.body.pop("usage")),
        *("chat.max-completion-tokens", "chat.max-tokens", "chat.usage", "usage.same"),
    ),
    wrong(
        "zeros",
        chats(lambda said: said.body.update(usage=ZEROS)),
        *("chat.max-completion-tokens", "chat.max-tokens", "chat.usage", "usage.same"),
    ),
    wrong(
        "stop-ignored",
        asked(lambda said: said.choice["message"].update(content="".join(map(str, range(60)))), stop=ANY),
        *("chat.stop", "chat.stop-list"),
    ),
    wrong("one-of-two", asked(lambda said: said.body["choices"].pop(), n=2), "chat.n"),
    wrong("no-parts", no_parts, "chat.parts"),
    wrong("no-system-prompt", no_system_prompt, "chat.dialogue"),
    wrong("reasoning", both(renamed), "thinking.name", "thinking.stream"),
    wrong(
        "tags",
        both(with_tags),
        *("thinking.apart", "thinking.stream", "tools.content-null", "logprobs.bytes"),
        *("fields.json-object", "fields.json-schema"),
    ),
    *(
        wrong(f"no-{name}", asked(refused(422), **{field: ANY}), f"fields.{name}")
        for name, field in {
            "user": "user",
            "seed": "seed",
            "penalties": "presence_penalty",
            "top-p": "top_p",
            "top-k": "top_k",
            "store": "store",
            "metadata": "metadata",
            "reasoning-effort": "reasoning_effort",
            "unknown": "a_field_that_nobody_knows",
        }.items()
    ),
    wrong("no-text-form", asked(refused(400), response_format={"type": "text"}), "fields.response-format-text"),
    wrong(
        "no-parallel-calls", asked(refused(400), parallel_tool_calls=False, max_tokens=4), "fields.parallel-tool-calls"
    ),
    wrong(
        "form-ignored",
        asked(lambda said: said.choice["message"].update(content="It is called web."), response_format=ANY),
        *("fields.json-object", "fields.json-schema"),
    ),
    wrong(
        "schema-ignored",
        asked(lambda said: said.choice["message"].update(content="{}"), response_format=ANY),
        "fields.json-schema",
    ),
    wrong("text-plain", chats(lambda said: said.headers.update({"content-type": "text/plain"})), "headers.json"),
]


@pytest.mark.parametrize(("edit", "checks"), WRONG)
def test_it_is_noticed(edit: Edit, checks: set[str]) -> None:
    assert noticed(edit) == checks
