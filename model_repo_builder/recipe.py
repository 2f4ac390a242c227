"""What a user asks of a build: one frozen Recipe, from a packaged recipe, a TOML file, or flags; checked by itself.

Knows every key, its default, and which keys contradict each other whatever the release and the model are. Must not know
any flag of a tool, and not what a release can do: ``plan`` checks that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model_repo_builder.errors import SettingsError
from model_repo_builder.settings import RepoSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "dtype": ("bfloat16", "float16"),
        "quantization": (
            "none",
            "int8_weight_only",
            "int4_weight_only",
            "smoothquant",
            "int8_sq",
            "int4_awq",
            "w4a8_awq",
            "fp8",
        ),
        "kv_cache_dtype": ("auto", "model", "int8", "fp8"),
        "kv_cache_type": ("paged", "continuous", "disabled"),
        "gemm_plugin": ("auto", "bfloat16", "float16", "fp8", "disable"),
    }
)
_NOT_FOR_REPO = ("engine", "engine_dir", "model_path", "contract", "tokenizer_dir")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """``None`` is "not given": the plan chooses, and says why."""

    # What is built, from what, and where to.
    model: str | None = None  # a published name, to plan without the files
    model_dir: Path | None = None  # the Hugging Face checkpoint
    output_dir: Path | None = None
    trtllm_version: str | None = None
    trtllm_examples: Path | None = None  # the examples folder of TensorRT-LLM, for its scripts

    # How the weights are converted.
    dtype: str = "bfloat16"
    tp_size: int = 1
    pp_size: int = 1
    moe_tp_size: int | None = None
    moe_ep_size: int | None = None
    workers: int | None = None
    quantization: str = "none"
    kv_cache_dtype: str = "auto"
    parallel_embedding: bool = False
    load_on_cpu: bool = False

    # What quantization learns its scales from: a hub name, a folder, or a parquet or jsonl file.
    calibration: str = "cnn_dailymail"
    calibration_column: str | None = None
    calib_size: int = 512
    calib_max_seq_length: int = 2048

    # What the engine can hold.
    max_batch_size: int = 16
    max_input_len: int | None = None
    max_output_len: int | None = None
    max_seq_len: int | None = None
    max_num_tokens: int = 8192
    max_beam_width: int = 1

    # How the engine computes.
    gemm_plugin: str | None = None
    lora: bool = False
    multiple_profiles: bool = True
    paged_context_fmha: bool | None = None
    fp8_context_fmha: bool | None = None
    kv_cache_type: str = "paged"
    tokens_per_block: int = 64
    reduce_fusion: bool = False
    custom_all_reduce: bool | None = None
    fused_mlp: bool | None = None

    # For the estimate.
    gpu_memory_gib: float = 80.0
    sequence_len: int | None = None

    # Settings of the model repository, as `model-repo-builder repo` takes them.
    repository: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        _check_types(self)
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise SettingsError(f"{name} is {value!r}: choose one of {', '.join(allowed)}")
        for spec in fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value < 2**31:
                raise SettingsError(f"{spec.name} is {value}: it must be at least 1")
        if self.model is None and self.model_dir is None:
            raise SettingsError("the recipe names no model: give model_dir, or model to plan without the files")
        if not 1 <= self.gpu_memory_gib <= 1024:
            raise SettingsError(f"gpu_memory_gib is {self.gpu_memory_gib}: give the memory of one GPU, such as 80")
        if self.tokens_per_block & (self.tokens_per_block - 1) or not 8 <= self.tokens_per_block <= 1024:
            raise SettingsError(f"tokens_per_block is {self.tokens_per_block}: use a power of two, such as 32 or 64")
        _check_combinations(self)
        _check_repository(self.repository)

    @property
    def world_size(self) -> int:
        return self.tp_size * self.pp_size

    @property
    def effective_kv_cache(self) -> str:
        """FP8 weights go with an FP8 cache; else the cache has the type of the model."""
        if self.kv_cache_dtype in ("int8", "fp8"):
            return self.kv_cache_dtype
        return "fp8" if self.kv_cache_dtype == "auto" and self.quantization == "fp8" else self.dtype


def load(name: str) -> dict[str, Any]:
    """The keys of a packaged recipe, by its name, or of a TOML file, by its path."""
    if name in packaged():
        text = resources.files("model_repo_builder").joinpath("recipes", f"{name}.toml").read_text("utf-8")
    else:
        path = Path(name)
        if not path.is_file():
            raise SettingsError(f"there is no recipe {name!r}: give a TOML file, or one of {', '.join(packaged())}")
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"recipe {name} cannot be read: {error}") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"recipe {name} is no TOML: {error}") from error


def packaged() -> tuple[str, ...]:
    folder = resources.files("model_repo_builder").joinpath("recipes")
    names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else iter(())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def make(keys: Mapping[str, Any]) -> Recipe:
    """A recipe from the keys of a TOML file; paths may be text. Keys that nobody knows are refused."""
    kinds = {spec.name: str(spec.type) for spec in fields(Recipe)}
    unknown = [key for key in keys if key not in kinds]
    if unknown:
        raise SettingsError(f"the recipe has the unknown key {unknown[0]!r}: the keys are {', '.join(kinds)}")
    values: dict[str, Any] = {
        key: Path(value) if "Path" in kinds[key] and isinstance(value, str) else value for key, value in keys.items()
    }
    return Recipe(**values)


def override(keys: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """``key=value`` as one writes it on a command line, put over the keys; ``repository.key`` for its settings."""
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise SettingsError(f"{assignment!r} sets nothing: write key=value, such as tp_size=2")
    name, dot, inner = key.strip().replace("-", "_").partition(".")
    kinds = {spec.name: str(spec.type).removesuffix(" | None") for spec in fields(Recipe)}
    if dot and name == "repository":
        spec = {spec.name: str(spec.type).removesuffix(" | None") for spec in fields(RepoSettings)}
        return {**keys, "repository": {**keys.get("repository", {}), inner: typed(inner, text, spec.get(inner, "str"))}}
    if name not in kinds:
        raise SettingsError(f"there is no key {name!r} in a recipe: the keys are {', '.join(kinds)}")
    return {**keys, name: typed(name, text, kinds[name])}


def typed(name: str, text: str, kind: str) -> Any:
    """The text of a command line as the type of its key."""
    if kind == "bool":
        values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in values:
            raise SettingsError(f"{name} is {text!r}: it is true or false")
        return values[text.lower()]
    if kind in ("int", "float"):
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            raise SettingsError(f"{name} is {text!r}: it must be a number") from None
    return text


def _check_types(recipe: Recipe) -> None:
    kinds: dict[str, Any] = {"int": int, "bool": bool, "str": str, "Path": Path, "float": (int, float)}
    for spec in fields(recipe):
        value, kind = getattr(recipe, spec.name), str(spec.type)
        if spec.name == "repository":
            if not isinstance(value, Mapping):
                raise SettingsError(f"repository is {value!r}: it must be a table, [repository]")
            continue
        if value is None and kind.endswith(" | None"):
            continue
        expected = kinds[kind.removesuffix(" | None")]
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise SettingsError(f"{spec.name} is {value!r}: it must be of type {kind.removesuffix(' | None')}")


def _check_combinations(recipe: Recipe) -> None:
    lengths = (recipe.max_input_len, recipe.max_output_len, recipe.max_seq_len)
    if None not in lengths and lengths[0] + lengths[1] != lengths[2]:  # type: ignore[operator]
        raise SettingsError(
            f"max_input_len {lengths[0]} and max_output_len {lengths[1]} do not add up to max_seq_len {lengths[2]}: "
            "give two of the three"
        )
    if recipe.quantization != "fp8" and recipe.fp8_context_fmha:
        raise SettingsError("fp8_context_fmha needs quantization fp8: turn it off, or quantize to fp8")
    if recipe.quantization == "fp8" and recipe.kv_cache_dtype == "int8":
        raise SettingsError("kv_cache_dtype int8 does not go with quantization fp8: use fp8 or auto")
    if recipe.kv_cache_dtype == "int8" and recipe.quantization not in (
        "none",
        "int8_weight_only",
        "int4_weight_only",
        "smoothquant",
    ):
        raise SettingsError(f"kv_cache_dtype int8 does not go with quantization {recipe.quantization}: use auto or fp8")
    if recipe.kv_cache_dtype == "fp8" and recipe.quantization in (
        "int8_weight_only",
        "int4_weight_only",
        "smoothquant",
    ):
        raise SettingsError(
            f"kv_cache_dtype fp8 does not go with quantization {recipe.quantization}: "
            "use auto, or one of fp8, int8_sq, int4_awq, none"
        )
    if recipe.kv_cache_dtype == "int8" and recipe.paged_context_fmha:
        raise SettingsError("paged_context_fmha does not work with an int8 KV cache: set it to false")
    if recipe.kv_cache_type != "paged" and recipe.paged_context_fmha:
        raise SettingsError("paged_context_fmha needs kv_cache_type paged: change one of the two")
    if recipe.gemm_plugin in ("bfloat16", "float16") and recipe.gemm_plugin != recipe.dtype:
        raise SettingsError(f"gemm_plugin {recipe.gemm_plugin} does not go with dtype {recipe.dtype}: use auto")
    if recipe.gemm_plugin == "fp8" and recipe.quantization != "fp8":
        raise SettingsError("gemm_plugin fp8 needs quantization fp8: use auto")


def _check_repository(values: Mapping[str, object]) -> None:
    known = [spec.name for spec in fields(RepoSettings) if spec.name not in _NOT_FOR_REPO]
    for name in values:
        if name not in known:
            raise SettingsError(f"[repository] has the unknown key {name!r}: the keys are {', '.join(known)}")
