"""The newest contract with the CPU engine behind it, which gives only some of the outputs that are declared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_repo_builder.ports import Ports
from tests.gateway.asking import ask
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import build_repository, require, running

ROUTES = ["direct", "ensemble", "bls"]


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: TokenizerFolder, tiny_qwen_gguf: Path
) -> Iterator[Gateway]:
    require("pytriton", "openvino_genai")
    folder, ports = tmp_path_factory.mktemp("newest"), Ports.free()
    repository = build_repository(
        folder / "repository", tokenizer.path, tiny_qwen_gguf, ports, "--contract", "1.1", "--max-seq-len", "512"
    )
    config = folder / "gateway.toml"
    gateway_toml(config, f"127.0.0.1:{ports.grpc}", tokenizer.path, max_model_len=512, routes=ROUTES)
    with (
        running(repository, ports, folder / "triton.log"),
        gateway_serving(folder / "gateway.log", "--config", str(config)) as gateway,
    ):
        yield gateway


@pytest.mark.parametrize("route", ROUTES)
def test_a_seed_is_heard(served: Gateway, route: str) -> None:
    def answer(seed: int, stream: bool) -> str:
        fields = {"seed": seed, "temperature": 2.0, "top_p": 1.0, "max_tokens": 12, "min_tokens": 12}
        return ask(served, "hello", model=route, stream=stream, **fields).text

    assert answer(1, True) == answer(1, False) != answer(2, True)


def test_routes_agree(served: Gateway) -> None:
    assert len({ask(served, "hello", model=route, temperature=0, max_tokens=8).text for route in ROUTES}) == 1
