"""The repository of the scripted engine: what the builder writes, with nothing in it but the engine, and that scripted.

It knows the builder's command and where the engine lies in a repository. It must not know who serves it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

import model_repo_builder
from loadtest.engine import FOLDER as ENGINE

SEEDLING = Path(model_repo_builder.__file__).parent / "seedling"  # the tokenizer that comes with the project
MODEL = "tensorrt_llm"
MAX_MODEL_LEN = 2048


class NotStarted(Exception):
    """A process of ours did not come up; the text has its last words."""


def build_engine(repository: Path, *, journal: Path, control: Path, slots: int, lean: bool) -> None:
    """The repository that ``model-repo-builder repo`` writes, with nothing in it but the engine, and that scripted."""
    command = [*program("model-repo-builder"), "repo", str(repository), "--engine", "openvino"]
    command += ["--tokenizer", str(SEEDLING), "--model", str(SEEDLING / "seedling-q8_0.gguf")]
    command += ["--max-seq-len", str(MAX_MODEL_LEN)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotStarted(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    for folder in repository.iterdir():
        if folder.is_dir() and folder.name != MODEL:
            shutil.rmtree(folder)
    path = repository / MODEL / "config.pbtxt"
    config = text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())
    parameters = {
        "scripted_tokenizer": str(SEEDLING / "tokenizer.json"),
        "scripted_journal": str(journal),
        "scripted_control": str(control),
        "scripted_slots": str(slots),
        "scripted_lean": "true" if lean else "false",
    }
    for name, value in parameters.items():
        config.parameters[name].string_value = value
    path.write_text(text_format.MessageToString(config, as_utf8=True), "utf-8")
    shutil.rmtree(repository / MODEL / "1")
    shutil.copytree(ENGINE, repository / MODEL / "1", ignore=shutil.ignore_patterns("__pycache__"))


def program(name: str) -> list[str]:
    """The command of a console script of this environment, or of its module where the project lies uninstalled."""
    script = Path(sys.executable).with_name(name)
    return [str(script)] if script.exists() else [sys.executable, "-m", f"{name.replace('-', '_')}.cli"]
