"""Where the clients play: two real tritonservers and one gateway with a key, in front of both.

The scripted engine says what a prompt tells it to, so that a check knows the answer; Seedling is a model that knows
nothing of any check, so that what has the right form has it because the gateway saw to that. It must not know clients.
Everything it starts ends with its context.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtest.engine_repository import MODEL, SEEDLING, NotStarted, program
from loadtest.processes import Gateway, Triton, model_toml
from model_repo_builder.launch import TritonServer
from model_repo_builder.ports import Ports, free_port
from tests.clients.programs.stage import Stage

SCRIPTED, REAL = "direct", "seedling"


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Ready for clients. Logs are left in the folder until the next time."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        scripted = Triton(folder / "scripted", lean=True)
        stack.callback(scripted.kill)
        scripted.launch()
        address = stack.enter_context(_seedling(folder / "seedling"))
        scripted.wait()
        real = f'[[models]]\nname = "{REAL}"\nroute = "direct"\ntriton = "{address}"\ntokenizer = "{SEEDLING}"\n'
        keys = folder / "keys.toml"
        key = _key(keys)
        models = model_toml([scripted], name=SCRIPTED) + real
        gateway = Gateway(folder, f'{models}\n[keys]\nfile = "{keys}"\nopen = ["/readyz"]\n')
        stack.callback(gateway.stop)
        gateway.start()
        nowhere = model_toml([], name="q").replace("[]", f'"127.0.0.1:{free_port()}"')
        dead = Gateway(folder, nowhere)
        stack.callback(dead.stop)
        dead.launch()
        dead.wait_until(lambda: dead.status("/healthz") == 200, 60)
        yield Stage(gateway.url, dead.url, key, SCRIPTED, REAL, str(scripted.journal))


@contextmanager
def _seedling(folder: Path) -> Iterator[str]:
    """A Triton with the CPU engine alone; the address of its gRPC."""
    command = [*program("model-repo-builder"), "repo", str(folder / "repository"), "--engine", "openvino"]
    command += ["--tokenizer", str(SEEDLING), "--model", str(SEEDLING / "seedling-q8_0.gguf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotStarted(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    ports = Ports(free_port(), free_port(), free_port())
    only = ("--model-control-mode=explicit", f"--load-model={MODEL}")
    log = folder / "triton.log"
    server = TritonServer.start(folder / "repository", ports=ports, log_file=log, arguments=only)
    with server:
        server.wait_ready(120)
        yield f"127.0.0.1:{ports.grpc}"


def _key(file: Path) -> str:
    command = [*program("gateway"), "keys", "new", "clients", "--file", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
