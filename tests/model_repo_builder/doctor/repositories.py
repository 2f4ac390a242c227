"""Repositories to examine: good ones as the builder writes them, and templates that nobody has filled."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from model_repo_builder.contract import Model, Setting, load
from model_repo_builder.doctor.finding import Finding
from model_repo_builder.render import pbtxt
from model_repo_builder.repository import plan, write
from model_repo_builder.settings import RepoSettings
from tests.model_repo_builder.shapes import write_tokenizer_files

_FIRST = 910_001  # numbers that stand for placeholders until the text is there
_STAND_INS = ("TYPE_UINT16", "TYPE_INT16", "TYPE_FP64")  # types that no model has


def write_checkpoint(folder: Path) -> Path:
    """A tokenizer folder that says which model it belongs to, as Qwen publishes it."""
    return write_tokenizer_files(folder, **{"config.json": {"model_type": "qwen2", "max_position_embeddings": 4096}})


def write_engine(folder: Path, ranks: int = 1, version: str = "0.10.0", **build: Any) -> Path:
    """An engine for release 0.10.0 that can do everything its repository may ask for."""
    folder.mkdir(parents=True)
    plugins = {"use_paged_context_fmha": True, "paged_kv_cache": True, "remove_input_padding": True}
    config = {
        "version": version,
        "pretrained_config": {"vocab_size": 152064, "mapping": {"world_size": ranks, "tp_size": ranks, "pp_size": 1}},
        "build_config": {
            "max_input_len": 1024,
            "max_output_len": 512,
            "max_batch_size": 16,
            "max_beam_width": 1,
            "max_num_tokens": 4096,
            "plugin_config": {**plugins, **build.pop("plugin_config", {})},
            **build,
        },
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for rank in range(ranks):
        (folder / f"rank{rank}.engine").touch()
    return folder


def good_repository(folder: Path, **settings: Any) -> Path:
    """A repository for a TensorRT-LLM engine in which there is nothing to find."""
    tokenizer, engine = write_checkpoint(folder / "tokenizer"), folder / "engine"
    asked = {"engine": "trtllm", "contract": "v0.10.0", **settings}
    if not engine.exists():
        # No engine is of a branch: 0.20 is the release whose models are taken to be those of the branch.
        release = str(asked["contract"])
        write_engine(engine, version=release.removeprefix("v") if release.startswith("v") else "0.20.0")
    write(plan(RepoSettings(tokenizer_dir=tokenizer, engine_dir=engine, **asked)), folder / "repository")
    return folder / "repository"


def official_templates(folder: Path, release: str = "v0.10.0") -> Path:
    """The release's models as they lie in a checkout: every setting is still a placeholder."""
    for model in load(release).models:
        target = folder / model.name / "1"
        target.mkdir(parents=True)
        (folder / model.name / "config.pbtxt").write_text(template(model), encoding="utf-8")
        (target / ("model.py" if model.backend == "python" else ".keep")).touch()
    return folder


def template(model: Model) -> str:
    numbers = {name: _FIRST + i for i, name in enumerate(sorted(set(_numbers(model))))}
    kinds = {name: kind for name, kind in zip(sorted(set(_types(model))), _STAND_INS, strict=False)}
    values: Mapping[str, Any] = {name: f"${{{name}}}" for name in _settings(model)} | numbers | kinds
    text = pbtxt(model, values)
    for name, kind in kinds.items():
        text = text.replace(f"data_type: {kind}", f"data_type: ${{{name}}}")
    for name, number in numbers.items():
        text = text.replace(f'"{number}"', f'"${{{name}}}"').replace(str(number), f"${{{name}}}")
    if isinstance(model.decoupled, Setting):
        text = text.replace("decoupled: true", f"decoupled: ${{{model.decoupled.name}}}")
    return text


def edit(repository: Path, model: str, **parameters: str | None) -> Any:
    """Change a model's parameters; None deletes one. Gives the message that was written."""
    return change(repository, model, lambda config: _set(config, parameters))


def change(repository: Path, model: str, how: Any) -> Any:
    path = repository / model / "config.pbtxt"
    config = text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())
    how(config)
    path.write_text(text_format.MessageToString(config, as_utf8=True), encoding="utf-8")
    return config


def replace_text(repository: Path, model: str, old: str, new: str) -> None:
    path = repository / model / "config.pbtxt"
    text = path.read_text("utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def rows(findings: tuple[Finding, ...]) -> set[tuple[str, str, str]]:
    return {(finding.severity.value, finding.check, finding.where) for finding in findings}


def _set(config: Any, parameters: Mapping[str, str | None]) -> None:
    for name, value in parameters.items():
        if value is None:
            del config.parameters[name]
        else:
            config.parameters[name].string_value = value


def _settings(value: Any) -> Iterator[str]:
    if isinstance(value, Setting):
        yield value.name
    elif dataclasses.is_dataclass(value):
        for spec in dataclasses.fields(value):
            yield from _settings(getattr(value, spec.name))
    elif isinstance(value, Mapping):
        yield from (name for each in value.values() for name in _settings(each))
    elif isinstance(value, tuple):
        yield from (name for each in value for name in _settings(each))


def _types(model: Model) -> Iterator[str]:
    for tensor in (*model.inputs, *model.outputs):
        yield from _settings(tensor.type)


def _numbers(model: Model) -> Iterator[str]:
    for value in (model.max_batch_size, model.instances, model.dynamic_batching):
        yield from _settings(value)
