"""The generations that a request asks for, with the vocabulary of tests."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.prompt import build_chat, build_completion
from gateway.core.sampling import ModelLimits
from gateway.core.schema.chat import parse_chat
from gateway.core.schema.completions import parse_completion
from gateway.core.types import Generate
from tests.gateway.vocabulary import END, OTHER_END, Vocabulary

vocabulary = Vocabulary()
PROMPT = len(vocabulary.encode("<user>hello<assistant>"))


def all_prepared(
    *, context: int = 100, guides: tuple[str, ...] = (), tokenizer: Vocabulary = vocabulary, **fields: Any
) -> tuple[Generate, ...]:
    request = {"model": "q", "messages": [{"role": "user", "content": "hello"}], **fields}
    limits = ModelLimits("q", context, (END, OTHER_END), guides=frozenset(guides))
    return build_chat(parse_chat(json.dumps(request).encode()), limits, tokenizer, id="id", seed=42)


def prepared(**fields: Any) -> Generate:
    [generate] = all_prepared(**fields)
    return generate


def completed(context: int = 100, **fields: Any) -> tuple[Generate, ...]:
    request = parse_completion(json.dumps({"model": "q", **fields}).encode())
    return build_completion(request, ModelLimits("q", context, (END, OTHER_END)), vocabulary, id="id", seed=42)


TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "g"}},
]
