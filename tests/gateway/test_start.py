"""What a gateway loads to serve: nothing that only other settings need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.qwen_templates import SEEDLING

# The command itself. Once it serves, it tells what is loaded and is ended as by Ctrl-C.
COMMAND = """
import json, logging, os, signal, sys
from gateway.cli import main

class Told(logging.Handler):
    def emit(self, record):
        if ", models: " in record.getMessage():
            print(json.dumps(sorted(sys.modules)), flush=True)
            os.kill(os.getpid(), signal.SIGINT)

logging.getLogger("gateway").addHandler(Told())
sys.exit(main(sys.argv[1:]))
"""
HEAVY = (
    "grpc",
    "huggingface_hub",
    "limits",
    "numpy",
    "redis",
    "sklearn",
    "torch",
    "transformers",
    "tritonclient",
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    config = tmp_path_factory.mktemp("start") / "gateway.toml"
    config.write_text(f'[[models]]\nname = "q"\ntriton = "127.0.0.1:1"\ntokenizer = "{SEEDLING}"\n')
    command = [sys.executable, "-c", COMMAND, "serve", "--config", str(config), "--port", "0"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    return frozenset(json.loads(done.stdout))


@pytest.mark.parametrize("name", HEAVY)
def test_a_served_gateway_has_not_loaded(loaded: frozenset[str], name: str) -> None:
    assert "gateway.service" in loaded
    assert name not in loaded


def test_what_the_first_request_needs_is_loaded(loaded: frozenset[str]) -> None:
    assert {"anyio._backends._asyncio", "sse_starlette", "gateway.http.sse"} <= loaded
