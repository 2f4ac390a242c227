"""A model repository: first the plan (paths and contents), then writing it.

``plan`` is pure but for reading the checkpoint's facts; ``write`` makes the folder appear whole or not at
all. The Python models are files of this package, copied beside the configuration that the contract declares;
they never import this package.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from model_repo_builder.checkpoint import (
    ModelFacts,
    longest_sequence,
    read_engine,
    read_model,
    read_tokenizer,
)
from model_repo_builder.contract import ENGINE_MODEL, Contract, extend, load
from model_repo_builder.engine_check import check, contract_name
from model_repo_builder.errors import RepositoryError
from model_repo_builder.gateway_toml import FILE_NAME, GatewayModel, gateway_toml
from model_repo_builder.render import pbtxt
from model_repo_builder.setting_values import Values, check_known, setting_values
from model_repo_builder.settings import RepoSettings

BLS_MODEL = "tensorrt_llm_bls"
_SOURCES = Path(__file__).parent / "triton_models"
_TEXT = ("model_settings", "tokenizer_folder", "utf8_stream")
# Which of the shared modules lie beside each of our own Python models.
_PARTS = MappingProxyType(
    {
        "preprocessing": (*_TEXT, "prompt_tensors"),
        "postprocessing": (*_TEXT, "leftovers", "engine_stop"),
        BLS_MODEL: (*_TEXT, "prompt_tensors", "answers", "cancel_watch", "client_sender", "engine_call", "engine_stop"),
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every file of the repository, by its path in it. ``contract`` and ``values`` are what it was made from."""

    files: Mapping[PurePosixPath, bytes]
    gateway: GatewayModel
    contract: Contract
    values: Values
    notes: tuple[str, ...] = ()  # what is left to do by hand


def plan(settings: RepoSettings) -> Plan:
    tokenizer = read_tokenizer(settings.tokenizer_dir)
    facts = _model_facts(settings)
    check(settings, facts)
    contract = extend(load(contract_name(settings, facts)), settings.engine)
    check_known(settings, contract)
    gateway = GatewayModel(
        name=settings.model_name,
        triton=settings.triton_address,
        tokenizer=settings.tokenizer_dir.resolve(),
        max_model_len=longest_sequence(facts, tokenizer, settings.max_seq_len),
        eos_token_ids=tuple(dict.fromkeys((*tokenizer.end_ids, *facts.end_ids))),
        vocab_size=settings.vocab_size or facts.vocab_size or tokenizer.size,
        direct=ENGINE_MODEL,
        bls=BLS_MODEL,
    )
    values = setting_values(settings, facts, gateway)
    files: dict[PurePosixPath, bytes] = {}
    for model in contract.models:
        folder = PurePosixPath(model.name)
        files[folder / "config.pbtxt"] = pbtxt(model, values).encode()
        files.update({folder / "1" / name: data for name, data in _version(model.name, settings, contract).items()})
    files[PurePosixPath(FILE_NAME)] = gateway_toml(gateway).encode()
    return Plan(MappingProxyType(files), gateway, contract, values)


def write(repository: Plan, output: Path) -> None:
    """Writes into a sibling folder, then renames: nothing half-written is ever at ``output``."""
    output = output.absolute()
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise RepositoryError(f"{output} is in the way: it is no folder; name a folder that does not exist yet")
    if output.is_dir() and any(output.iterdir()):
        raise RepositoryError(f"{output} is not empty and is left untouched: name a new folder, or empty this one")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise RepositoryError(f"{output} cannot be written: {error.strerror}: choose another folder") from error
    try:
        for path, data in repository.files.items():
            target = partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        partial.chmod(0o777 & ~_umask())
        partial.rename(output)  # replaces an empty folder, refuses any other
    except OSError as error:
        raise RepositoryError(f"{output} cannot be written: {error.strerror}: nothing was left there") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _model_facts(settings: RepoSettings) -> ModelFacts:
    if settings.engine == "trtllm":
        assert settings.engine_dir is not None  # checked by RepoSettings
        return read_engine(settings.engine_dir)
    assert settings.model_path is not None
    return read_model(settings.model_path)


def _version(model: str, settings: RepoSettings, contract: Contract) -> dict[str, bytes]:
    """The files of version 1 of a model. Triton wants the folder even where there is nothing to put in."""
    if model in _PARTS:
        files = {**_sources(_SOURCES / model), **_sources(_SOURCES / "shared", _PARTS[model])}
        if model == BLS_MODEL:
            made_here = ("output_ids", "sequence_length")  # always asked for, whatever the client wants
            outputs = [name for name in contract.engine_outputs(model) if name not in made_here]
            wiring = {"inputs": contract.engine_inputs(model), "outputs": outputs}
            files["wiring.json"] = (json.dumps(wiring, indent=1) + "\n").encode()
        return files
    if model == ENGINE_MODEL and settings.engine == "openvino":
        return _sources(_SOURCES / "openvino")
    return {".keep": b""}


def _sources(folder: Path, modules: Iterable[str] | None = None) -> dict[str, bytes]:
    """The Python files of a folder: what a model needs lies beside its model.py, for its imports to be found."""
    if modules is None:
        modules = sorted(file.stem for file in folder.glob("*.py") if file.name != "__init__.py")
    try:
        files = {f"{module}.py": (folder / f"{module}.py").read_bytes() for module in modules}
    except OSError as error:
        raise RepositoryError(f"{error.filename} is missing: install qwen-triton-gateway again") from error
    if not files:
        raise RepositoryError(f"the builder's own files in {folder} are missing: install qwen-triton-gateway again")
    return files


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
