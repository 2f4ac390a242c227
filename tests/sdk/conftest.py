"""The gateways that SDKs talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_repo_builder.ports import Ports
from tests.gateway.conftest import ROUTES
from tests.sdk.processes import checked
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton

Run = Callable[[str, Path | None], dict[str, str | None]]


@pytest.fixture(scope="session")
def scripted(session_dir: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    config = session_dir / "sdk.toml"
    gateway_toml(config, scripted_triton.grpc, tokenizer.path, max_model_len=2048, routes=ROUTES)
    with gateway_serving(session_dir / "sdk-gateway.log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def dead(session_dir: Path, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """A gateway whose Triton is away; its model is called q."""
    flags = ["--triton", f"127.0.0.1:{Ports.free().grpc}", "--tokenizer", str(tokenizer.path), "--model", "q"]
    with gateway_serving(session_dir / "dead-gateway.log", *flags, "--max-model-len", "2048") as gateway:
        yield gateway


@pytest.fixture(scope="session")
def run_checks(scripted: Gateway, dead: Gateway) -> Run:
    """Runs the checks of a module once, with a folder first on the path, and says what went wrong, by name."""
    done: dict[tuple[str, Path | None], dict[str, str | None]] = {}

    def run(module: str, first: Path | None = None) -> dict[str, str | None]:
        if (module, first) not in done:
            done[module, first] = checked(module, scripted.url, dead.url, first)
        return done[module, first]

    return run
