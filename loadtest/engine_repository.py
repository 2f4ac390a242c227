"""Repositories with an engine of ours: what the builder writes, the engine in it swapped.

It knows the builder's command and where the engine lies in a repository. It must not know who serves it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

import model_repo_builder
from loadtest.engine import FOLDER as ENGINE
from loadtest.load_engine import FOLDER as LOAD_ENGINE

SEEDLING = Path(model_repo_builder.__file__).parent / "seedling"  # the tokenizer that comes with the project
MODEL = "tensorrt_llm"
MAX_MODEL_LEN = 2048


class NotStarted(Exception):
    """A process of ours did not come up; the text has its last words."""


def build_engine(repository: Path, *, journal: Path, control: Path, slots: int, lean: bool) -> None:
    """The repository that ``model-repo-builder repo`` writes, with nothing in it but the engine, and that scripted."""
    _build(repository)
    for folder in repository.iterdir():
        if folder.is_dir() and folder.name != MODEL:
            shutil.rmtree(folder)
    parameters = {
        "scripted_tokenizer": str(SEEDLING / "tokenizer.json"),
        "scripted_journal": str(journal),
        "scripted_control": str(control),
        "scripted_slots": str(slots),
        "scripted_lean": "true" if lean else "false",
    }
    _swap(repository, ENGINE, parameters, instances=1)


def build_load(repository: Path, *, instances: int) -> None:
    """The whole repository, every route of it, with the engine for load, ``instances`` processes of it."""
    _build(repository)
    _swap(repository, LOAD_ENGINE, {"load_tokenizer": str(SEEDLING / "tokenizer.json")}, instances=instances)
    shutil.copy(ENGINE / "script.py", repository / MODEL / "1")


def _build(repository: Path) -> None:
    command = [*program("model-repo-builder"), "repo", str(repository), "--engine", "openvino"]
    command += ["--tokenizer", str(SEEDLING), "--model", str(SEEDLING / "seedling-q8_0.gguf")]
    command += ["--max-seq-len", str(MAX_MODEL_LEN)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotStarted(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def _swap(repository: Path, engine: Path, parameters: Mapping[str, str], *, instances: int) -> None:
    """Names, types and decoupling stay the builder's."""
    path = repository / MODEL / "config.pbtxt"
    config = text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())
    for name, value in parameters.items():
        config.parameters[name].string_value = value
    if instances > 1:
        config.instance_group[0].count = instances
    path.write_text(text_format.MessageToString(config, as_utf8=True), "utf-8")
    shutil.rmtree(repository / MODEL / "1")
    shutil.copytree(engine, repository / MODEL / "1", ignore=shutil.ignore_patterns("__pycache__"))


def program(name: str) -> list[str]:
    """The command of a console script of this environment, or of its module where the project lies uninstalled."""
    script = Path(sys.executable).with_name(name)
    return [str(script)] if script.exists() else [sys.executable, "-m", f"{name.replace('-', '_')}.cli"]
