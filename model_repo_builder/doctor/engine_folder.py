"""Checks of the TensorRT engine that a repository serves: is it whole, and was it built for what is asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_repo_builder.config_text import Config
from model_repo_builder.doctor.finding import Finding, error, warning
from model_repo_builder.doctor.subject import ENGINE, Subject

_BACKEND = "tensorrtllm"
_REBUILD = "build the engine again, or correct gpt_model_path"
_LOGITS_TENSORS = ("context_logits", "generation_logits")
_LOGITS = {"float32": 11, "float16": 10, "bfloat16": 14}  # TYPE_FP32, TYPE_FP16, TYPE_BF16


@dataclass(frozen=True, slots=True)
class Engine:
    """``config.json`` of an engine folder, by its three parts; what is missing is empty."""

    folder: Path
    version: str
    model: Mapping[str, Any]
    build: Mapping[str, Any]

    @property
    def plugins(self) -> Mapping[str, Any]:
        return _object(self.build.get("plugin_config"))

    @property
    def quantization(self) -> Mapping[str, Any]:
        return _object(self.model.get("quantization"))

    def number(self, name: str) -> int | None:
        value = self.build.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def world_size(self) -> int | None:
        value = _object(self.model.get("mapping")).get("world_size")
        return value if isinstance(value, int) else None

    @property
    def longest(self) -> int | None:
        """Prompt and answer together; releases before 0.11 have a limit for each."""
        both, prompt, answer = map(self.number, ("max_seq_len", "max_input_len", "max_output_len"))
        return both if both is not None or prompt is None or answer is None else prompt + answer


def read_engine(folder: Path) -> Engine | None:
    """None where there is no readable config.json; ``folders`` says so."""
    try:
        data = _object(json.loads((folder / "config.json").read_text("utf-8")))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    return Engine(
        folder, str(data.get("version", "")), _object(data.get("pretrained_config")), _object(data.get("build_config"))
    )


def folders(subject: Subject) -> Iterator[Finding]:
    config, folder = _served(subject)
    if config is None or folder is None:
        return
    if not folder.is_dir():
        what = f"the engine folder {folder} does not exist"
    elif not (folder / "config.json").is_file():
        what = f"the engine folder {folder} has no config.json"
    elif read_engine(folder) is None:
        what = f"{folder / 'config.json'} is not what trtllm-build writes"
    else:
        return
    yield error(
        "engine-folder",
        ENGINE,
        what,
        "the backend loads the engine from gpt_model_path; without it the model fails to load",
        "give the folder that trtllm-build wrote with --output_dir, as tritonserver's container sees it",
    )


def ranks(subject: Subject) -> Iterator[Finding]:
    for _, engine in _engines(subject):
        files = sorted(engine.folder.glob("rank*.engine"))
        expected = engine.world_size or 1
        missing = [i for i in range(expected) if engine.folder / f"rank{i}.engine" not in files]
        if missing or len(files) != expected:
            yield error(
                "engine-ranks",
                ENGINE,
                f"{engine.folder} holds {len(files)} rank*.engine, and its config.json says world size {expected}",
                "every GPU loads the file of its rank; the build did not finish, or two builds are mixed",
                _REBUILD,
            )


def sizes(subject: Subject) -> Iterator[Finding]:
    for config, engine in _engines(subject):
        beams = config.parameter("max_beam_width")
        asked = (
            ("max_batch_size", config.batch_size),
            ("max_beam_width", int(beams) if beams is not None and beams.isdecimal() else None),
        )
        for name, value in asked:
            built = engine.number(name)
            if built is not None and value is not None and value > built:
                yield error(
                    "engine-size",
                    ENGINE,
                    f"{name} is {value}, and the engine was built for at most {built}",
                    "the engine's memory is laid out for what it was built for, and the backend refuses more",
                    f"set {name} to {built} or less, or build the engine with --{name} {value}",
                )
    for model in subject.gateway:
        length = model.get("max_model_len")
        for _, engine in _engines(subject):
            if isinstance(length, int) and engine.longest is not None and length > engine.longest:
                yield error(
                    "engine-length",
                    "gateway.toml",
                    f"max_model_len is {length}, and the engine holds {engine.longest} tokens",
                    "prompts that the gateway lets through are refused by the engine",
                    f"set max_model_len to {engine.longest}",
                )


def paged_context(subject: Subject) -> Iterator[Finding]:
    for config, engine in _engines(subject):
        if engine.plugins.get("use_paged_context_fmha") is not False:
            continue
        for parameter in ("enable_kv_cache_reuse", "enable_chunked_context"):
            if config.on(parameter):
                yield error(
                    "paged-context",
                    ENGINE,
                    f"{parameter} is true, and the engine was built without paged context FMHA",
                    "the backend refuses to load: it needs that kernel to begin in the middle of a prompt",
                    f"build the engine with --use_paged_context_fmha enable, or set {parameter} to false",
                )


def reuse(subject: Subject) -> Iterator[Finding]:
    for config, engine in _engines(subject):
        if not config.on("enable_kv_cache_reuse"):
            continue
        if engine.quantization.get("kv_cache_quant_algo") == "INT8":
            yield error(
                "reuse-int8",
                ENGINE,
                "enable_kv_cache_reuse is true, and the engine's cache is INT8",
                "releases refuse the pair, and where the check was removed the server crashed after some thousand "
                "requests",
                "set enable_kv_cache_reuse to false, or build the engine with an FP8 or an unquantized cache",
            )


def batching(subject: Subject) -> Iterator[Finding]:
    for config, engine in _engines(subject):
        if config.parameter("gpt_model_type") == "V1":
            continue
        cache_type = engine.build.get("kv_cache_type")
        unpaged = engine.plugins.get("paged_kv_cache") is False if cache_type is None else cache_type != "PAGED"
        if unpaged or engine.plugins.get("remove_input_padding") is False:
            yield error(
                "engine-batching",
                ENGINE,
                "the engine was built without a paged cache or with padded input, and in-flight batching needs both",
                "the backend refuses to load it with batching_strategy inflight_fused_batching",
                "build the engine with --remove_input_padding enable and a paged cache, or set gpt_model_type to V1",
            )


def logits(subject: Subject) -> Iterator[Finding]:
    for config, engine in _engines(subject):
        built = _LOGITS.get(str(engine.model.get("logits_dtype")))
        for tensor in config.message.output:
            if tensor.name in _LOGITS_TENSORS and built is not None and tensor.data_type not in (0, built):
                yield warning(
                    "logits-type",
                    ENGINE,
                    f"{tensor.name} has another type than the engine's logits ({engine.model['logits_dtype']})",
                    "since release 0.17 the backend compares the two, and refuses requests for logits",
                    f"set data_type of {tensor.name} to the engine's type (logits_datatype of the templates)",
                )


def served_engine(subject: Subject) -> tuple[Config | None, Engine | None]:
    """The engine model, if TensorRT-LLM is behind it, and its engine as far as it can be read from here."""
    config, folder = _served(subject)
    return config, None if folder is None else read_engine(folder)


def _served(subject: Subject) -> tuple[Config | None, Path | None]:
    config = subject.model(ENGINE)
    if config is None or config.backend != _BACKEND:
        return None, None
    return config, subject.local(config.parameter("gpt_model_path"))


def _engines(subject: Subject) -> Iterator[tuple[Config, Engine]]:
    config, engine = served_engine(subject)
    if config is not None and engine is not None:
        yield config, engine


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


CHECKS = (folders, ranks, sizes, paged_context, reuse, batching, logits)
