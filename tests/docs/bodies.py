"""Bodies and files of the documentation, read by the code that reads a user's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.core import places
from gateway.core.keys import read_keys
from gateway.core.schema.base import ignored
from gateway.core.schema.chat import parse_chat
from gateway.core.schema.completions import parse_completion
from gateway.core.schema.embeddings import parse_embeddings
from gateway.core.schema.messages import parse_messages
from gateway.core.schema.responses import parse_responses
from gateway.core.schema.tokenization import parse_tokenize
from gateway.settings import Settings
from model_repo_builder import recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS: Mapping[str, Callable[[bytes], Any]] = {
    "chat": parse_chat,
    "completion": parse_completion,
    "embeddings": parse_embeddings,
    "messages": parse_messages,
    "responses": parse_responses,
    "tokenize": parse_tokenize,
}
PATHS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completion",
    "/v1/embeddings": "embeddings",
    "/v1/messages": "messages",
    "/v1/responses": "responses",
    "/tokenize": "tokenize",
}
MODEL = {"name": "qwen", "tokenizer": "folder"}
EMBEDDING = {"name": "vectors", "triton_model": "vectors"}


def check_body(kind: str, body: Mapping[str, Any]) -> None:
    """A body may leave out what every one has. AssertionError where a field is one that nobody knows."""
    whole = {
        "model": "qwen",
        **({"messages": [{"role": "user", "content": "Hello!"}]} if kind == "chat" else {}),
        **body,
    }
    request = KINDS[kind](json.dumps(whole).encode())
    assert not ignored(request), f"nobody knows {ignored(request)}"


def check_toml(text: str, folder: Path) -> None:
    """gateway.toml or a part of it, a key file, a list of Tritons, or a recipe of the builder."""
    document = tomllib.loads(text)
    if "endpoints" in document:
        assert places.listed(text)
    elif isinstance(document.get("keys"), list):
        assert read_keys(document).keys
    elif all(isinstance(value, (dict, list)) for value in document.values()):
        models = [{**MODEL, **model} for model in document.get("models", [])]
        embeddings = [{**EMBEDDING, **model} for model in document.get("embeddings", [])]
        if not models and not embeddings:
            models = [MODEL]
        part = {**document, "models": models, "embeddings": embeddings}
        if "keys" in part:
            part["keys"] = {"file": "keys.toml", **part["keys"]}
        Settings.read(part, {}, {}, folder=folder)
    else:
        recipe.make({"output_dir": "build", **document})
