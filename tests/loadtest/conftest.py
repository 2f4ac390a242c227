"""One scripted Triton with the engine alone and a gateway in front of it: what most of these tests ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from loadtest.ask import Ask, chat
from loadtest.engine.journal import Journal
from loadtest.engine.script import Script, script_text
from loadtest.processes import Gateway, Triton, model_toml
from tests.support.triton import require


@dataclass(frozen=True, slots=True)
class Place:
    gateway: Gateway
    triton: Triton
    journal: Journal


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    require("pytriton")
    folder = tmp_path_factory.mktemp("loadtest")
    with ExitStack() as stack:
        triton = Triton(folder / "triton")
        stack.callback(triton.kill)
        triton.start()
        gateway = Gateway(folder, model_toml([triton]))
        stack.callback(gateway.stop)
        gateway.start()
        yield Place(gateway, triton, Journal(triton.journal))


def asking(tag: str, *, tokens: int = 6, more: dict[str, object] | None = None, **knobs: object) -> Ask:
    """A scripted chat. ``more``: of the script; the rest: of the client."""
    script = Script(tag=tag, text="one two three ", repeat=True, **(more or {}))  # type: ignore[arg-type]
    return Ask(chat("scripted", script_text(script), max_tokens=tokens), **knobs)  # type: ignore[arg-type]
