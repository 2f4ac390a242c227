"""Our own gateway, in front of real Tritons, does all that ``gateway check`` asks: 100 %, whatever is switched on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.ports import Ports
from tests.conftest import SEEDLING
from tests.support.embedding_triton import write_embedding_repository
from tests.support.gateway import GATEWAY, Gateway, gateway_serving, gateway_toml
from tests.support.triton import Triton, require, running

# What nothing shows where all goes well, and there are neither keys nor embeddings.
QUIET = {"conduct.error-events", "conduct.retry-after"}
OPEN = {"errors.no-key", "errors.wrong-key", "headers.rate-limits"}
NO_EMBEDDINGS = {f"embeddings.{name}" for name in ("object", "floats", "base64", "usage")}


@dataclass(frozen=True, slots=True)
class Checked:
    """What the command returned, and its report."""

    code: int
    report: dict[str, Any]

    def names(self, state: str) -> set[str]:
        return {row["name"] for row in self.report["checks"] if row["state"] == state}


def check(gateway: Gateway, *flags: str) -> Checked:
    command = [str(GATEWAY), "check", gateway.url, "--json", "-", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode in (0, 1), done.stderr
    return Checked(done.returncode, json.loads(done.stdout))


@pytest.mark.parametrize("route", ["direct", "ensemble", "bls"])
def test_every_route_is_all_ok(seedling: Gateway, route: str) -> None:
    checked = check(seedling, "--model", route)
    assert checked.names("missed") == set()
    assert checked.names("not applicable") == QUIET | OPEN | NO_EMBEDDINGS
    assert checked.code == 0


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory, seedling_triton: Triton) -> Iterator[tuple[Gateway, Path]]:
    """A gateway with embeddings, keys and limits, and the file with the key."""
    require("pytriton")
    folder = tmp_path_factory.mktemp("complete")
    key, keys = folder / "key.txt", folder / "keys.toml"
    limits = ["--requests-per-minute", "1000", "--tokens-per-minute", "10000000"]
    made = subprocess.run(
        [str(GATEWAY), "keys", "new", "checker", "--file", str(keys), *limits], capture_output=True, check=True
    )
    key.write_bytes(made.stdout)
    repository, _ = write_embedding_repository(folder / "repository", folder / "journal.jsonl")
    ports = Ports.free()
    config = gateway_toml(
        folder / "gateway.toml", seedling_triton.grpc, SEEDLING, max_model_len=2048, routes=["direct"]
    )
    embeddings = f'[[embeddings]]\nname = "vectors"\ntriton = "127.0.0.1:{ports.grpc}"\ntriton_model = "texts"\n'
    embeddings += f'tokenizer = "{SEEDLING}"\n'
    config.write_text(f'{config.read_text()}\n{embeddings}\n[keys]\nfile = "{keys}"\n')
    with (
        running(repository, ports, folder / "triton.log"),
        gateway_serving(folder / "log", "--config", str(config)) as gateway,
    ):
        yield gateway, key


def test_with_keys_limits_and_embeddings_too(complete: tuple[Gateway, Path]) -> None:
    gateway, key = complete
    checked = check(gateway, "--key-file", str(key))
    assert checked.names("missed") == set()
    assert checked.names("not applicable") == QUIET
    assert (checked.code, checked.report["model"]) == (0, "direct")
