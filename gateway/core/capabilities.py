"""What this gateway supports, read from the code that does it: schemas say which fields exist, routes which inputs they
need. It knows both; it holds nothing of its own that could go stale but the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.core.routes import DIRECT, ENSEMBLE, Bound, Route
from gateway.core.schema.chat import UNSERVED, ChatRequest, SamplingFields
from gateway.core.schema.completions import CompletionRequest
from gateway.core.types import Tokenizer

# Accepted because clients send them; a stateless server does nothing with them.
NO_EFFECT = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "request_id",
    }
)
# Fields of requests that need guided decoding in the engine.
GUIDED = frozenset(
    {"response_format", "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar"}
)
TEMPLATE = frozenset(
    {
        "messages",
        "tools",
        "tool_choice",
        "reasoning_effort",
        "chat_template_kwargs",
        "continue_final_message",
        "add_generation_prompt",
    }
)

# What else somebody should know who reads the table.
REMARKS = {
    "logprobs": "engine; the chosen token's (in completions: 0)",
    "top_logprobs": "0 only: engines tell the chosen token's alone",
    "min_p": "engine; no release of TensorRT-LLM's Triton models has it yet",
    "logit_bias": "engine; the CPU engine has none",
    "bad_words": "engine; the CPU engine has none",
    "tool_choice": "chat template; forced calls by guided decoding, else begun in the prompt",
    "model": "gateway; engine where it names a LoRA",
}


def of_model(bound: Bound | None, tokenizer: Tokenizer) -> dict[str, Any]:
    """For ``/v1/models/{id}``: what this model can do. ``bound`` None: Triton is away, and nobody knows all of it."""
    card: dict[str, Any] = {
        "tools": tokenizer.call_style,
        "reasoning": tokenizer.thinks,
        "template_options": sorted(tokenizer.variables),
    }
    if bound is None:
        return {"route": None, **card}
    return {
        "route": bound.route.name,
        "triton_model": bound.model,
        "streaming": bound.decoupled,
        "token_ids": bound.ids,
        "logprobs": bound.outputs.logprobs,
        "guided_decoding": sorted(bound.guides),
        "unsupported_fields": sorted(set(bound.unserved) & set(ChatRequest.model_fields)),
        **card,
    }


def markdown() -> str:
    """The support table of the README."""
    rows = [
        "| field | chat | completions | how | Triton input, route direct | routes ensemble, BLS |",
        "|---|---|---|---|---|---|",
    ]
    direct, text = _inputs(DIRECT), _inputs(ENSEMBLE)
    for name in _names():
        cells = [
            f"`{name}`",
            _mark(name in ChatRequest.model_fields),
            _mark(name in CompletionRequest.model_fields),
            _how(name, direct),
            direct.get(name, ""),
            text.get(name, ""),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    refused = ", ".join(f"`{name}`" for name in UNSERVED)
    return "\n".join(rows) + f"\n\nRefused with a 400, unless they ask for nothing: {refused}, `suffix`.\n"


def _names() -> Iterable[str]:
    shared = list(SamplingFields.model_fields)
    own = [name for schema in (ChatRequest, CompletionRequest) for name in schema.model_fields if name not in shared]
    return dict.fromkeys(name for name in (*own, *shared) if name != "suffix")


def _inputs(route: Route) -> Mapping[str, str]:
    inputs: dict[str, list[str]] = {}
    for row in route.inputs:
        inputs.setdefault(row.field, []).append(" or ".join(f"`{name}`" for name in row.names))
    named = {field: ", ".join(names) for field, names in inputs.items()}
    for field in GUIDED:
        named[field] = named["guide"]
    named["max_completion_tokens"] = named["max_tokens"]
    named["stop_token_ids"] = named["end_words"]
    return named


def _how(name: str, inputs: Mapping[str, str]) -> str:
    if name in REMARKS:
        return REMARKS[name]
    if name in NO_EFFECT:
        return "accepted, changes nothing"
    if name in GUIDED:
        return "engine, guided decoding"
    if name in TEMPLATE:
        return "chat template"
    return "engine" if name in inputs else "gateway"


def _mark(there: bool) -> str:
    return "✓" if there else ""
