"""Gateways in front of the session's Tritons: each route is a model, so that a test can name it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SEEDLING
from tests.gateway.features import features_toml
from tests.gateway.processes import Start
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton, Triton

ROUTES = ["direct", "ensemble", "bls", "auto"]


@pytest.fixture(scope="session")
def scripted(session_dir: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """A gateway whose engine does what the prompts say. Models: direct, ensemble, bls, auto."""
    config = session_dir / "scripted.toml"
    gateway_toml(config, scripted_triton.grpc, tokenizer.path, max_model_len=2048, routes=ROUTES)
    with gateway_serving(session_dir / "scripted-gateway.log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def served(session_dir: Path, openvino_triton: Triton, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """A gateway in front of the CPU engine. Models: direct, ensemble, bls, auto."""
    config = session_dir / "served.toml"
    gateway_toml(config, openvino_triton.grpc, tokenizer.path, max_model_len=2048, routes=ROUTES)
    with gateway_serving(session_dir / "served-gateway.log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def featured(session_dir: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder) -> Iterator[Gateway]:
    """The scripted engine behind models that think (``thinker``) and a LoRA (``pirate``); see ``features``."""
    config = features_toml(session_dir / "featured.toml", scripted_triton.grpc, tokenizer)
    with gateway_serving(session_dir / "featured-gateway.log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def seedling(session_dir: Path, seedling_triton: Triton) -> Iterator[Gateway]:
    """A gateway in front of a model whose text makes sense. Models: direct, ensemble, bls, auto."""
    config = session_dir / "seedling.toml"
    gateway_toml(config, seedling_triton.grpc, SEEDLING, max_model_len=2048, routes=ROUTES)
    with gateway_serving(session_dir / "seedling-gateway.log", "--config", str(config)) as gateway:
        yield gateway


@pytest.fixture
def start(tmp_path: Path, scripted_triton: ScriptedTriton, tokenizer: TokenizerFolder) -> Iterator[Start]:
    """Starts gateways of this test's own, with keys of [server]."""
    with ExitStack() as stack:

        def starting(**server: Any) -> Gateway:
            config = gateway_toml(
                tmp_path / "gateway.toml", scripted_triton.grpc, tokenizer.path, max_model_len=2048, routes=["direct"]
            )
            keys = "".join(f"{name} = {value}\n" for name, value in server.items())
            config.write_text(f"{config.read_text()}\n[server]\n{keys}")
            return stack.enter_context(gateway_serving(tmp_path / "log", "--config", str(config)))

        yield starting
