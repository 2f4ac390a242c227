"""Gateways with keys and limits, and how to ask them with a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.core.keys import hashed
from loadtest.engine.script import Script
from tests.gateway.asking import messages
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

SECONDS = 60  # for what another process does
KEYS = {
    name: f"qtg-{name}-{'k' * 32}"
    for name in ("alice", "bob", "carol", "dave", "erin", "frank", "gina", "henry", "boss")
}
LIMITS = {
    "bob": "requests_per_minute = 2",
    "carol": "tokens_per_minute = 300",
    "dave": "tokens_per_minute = 1000",
    "erin": 'models = ["ensemble"]',
    "frank": "tokens_per_minute = 10",
    "gina": "max_streams = 1",
    "henry": "tokens_per_minute = 2000",
    "boss": "admin = true",
}


def tables(*names: str) -> str:
    return "\n".join(
        f'[[keys]]\nname = "{name}"\nhash = "{hashed(KEYS[name])}"\n{LIMITS.get(name, "")}\n' for name in names
    )


@dataclass(frozen=True, slots=True)
class Keyed:
    """A gateway with a key file."""

    gateway: Gateway
    keys: Path

    def chat(self, name: str, script: Script | str = "hi", **fields: Any) -> httpx.Response:
        body = {"model": "direct", "messages": messages(script), "max_tokens": 20} | fields
        headers = {"authorization": f"Bearer {KEYS[name]}"}
        return httpx.post(f"{self.gateway.api}/chat/completions", json=body, headers=headers, timeout=60)


Start = Callable[..., Keyed]


@contextmanager
def keyed_gateways(
    folders: pytest.TempPathFactory, triton: ScriptedTriton, tokenizer: TokenizerFolder
) -> Iterator[Start]:
    """Starts gateways with all keys, and what ``[keys]`` has besides."""
    with ExitStack() as stack:

        def starting(settings: str = "") -> Keyed:
            folder = folders.mktemp("keyed")
            (folder / "keys.toml").write_text(tables(*KEYS))
            config = gateway_toml(
                folder / "gateway.toml",
                triton.grpc,
                tokenizer.path,
                max_model_len=2048,
                routes=["direct", "ensemble"],
            )
            config.write_text(
                f'{config.read_text()}\n[server]\nlog_level = "debug"\n\n[keys]\nfile = "keys.toml"\n'
                f"poll_seconds = 0.05\n{settings}\n"
            )
            gateway = stack.enter_context(gateway_serving(folder / "log", "--config", str(config)))
            return Keyed(gateway, folder / "keys.toml")

        yield starting
