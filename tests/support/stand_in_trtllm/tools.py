"""The command lines of the stand-in: flags parsed by the release's data, files written as the release writes them."""

import json
import sys
from argparse import Namespace
from importlib import metadata
from pathlib import Path
from typing import Any

from model_repo_builder.errors import BuilderError
from model_repo_builder.plan.arguments import parser
from model_repo_builder.release import Release
from tests.support.stand_in_trtllm import checkpoints, control

_QUANTIZED = {
    "fp8": "FP8",
    "int8_sq": "W8A8_SQ_PER_CHANNEL",
    "int4_awq": "W4A16_AWQ",
    "w4a8_awq": "W4A8_AWQ",
    "full_prec": None,
}


def main(tool: str, argv: list[str]) -> int:
    release = Release.parse(metadata.version("tensorrt_llm"))
    control.record(tool, argv)
    try:
        options = parser(release, tool).parse_args(argv)
    except BuilderError as error:
        print(f"usage: {tool} ...\n{error}", file=sys.stderr)
        return 2
    print(f"[TensorRT-LLM] TensorRT-LLM version: {release}", flush=True)
    _TOOLS[tool](options, release)
    return 0


def convert(options: Namespace, release: Release) -> None:
    config = checkpoints.config(
        Path(options.model_dir),
        dtype=options.dtype,
        tp_size=options.tp_size,
        pp_size=options.pp_size,
        quant_algo=_converted(options),
        kv_cache="INT8" if options.int8_kv_cache else None,
    )
    if not release.since("0.11") and not checkpoints.has_logits_table(Path(options.model_dir)):
        raise KeyError("lm_head.weight")
    checkpoints.write(Path(options.output_dir), config, "convert_checkpoint")


def quantize(options: Namespace, release: Release) -> None:
    data = options.calib_dataset
    if Path(data).is_absolute() and not release.since("0.11") and "cnn_dailymail" not in data:
        raise NotImplementedError(f"Unsupported dataset name or local repo directory: {data}.")
    config = checkpoints.config(
        Path(options.model_dir),
        dtype=options.dtype,
        tp_size=options.tp_size,
        pp_size=options.pp_size,
        quant_algo=_QUANTIZED[options.qformat],
        kv_cache=options.kv_cache_dtype and options.kv_cache_dtype.upper(),
    )
    if not release.since("0.11"):
        del config["rotary_base"], config["norm_epsilon"]
    checkpoints.write(Path(options.output_dir), config, "quantize")


def build(options: Namespace, release: Release) -> None:
    """An engine's config.json holds that of the checkpoint, and what it was built with."""
    source, output = Path(options.checkpoint_dir), Path(options.output_dir)
    checkpoint: dict[str, Any] = json.loads((source / "config.json").read_text())
    size = checkpoint["mapping"]["world_size"]
    weights = [(source / f"rank{rank}.safetensors").read_bytes() for rank in range(size)]
    plugins = {name: _switch(value) for name, value in vars(options).items() if name.endswith(("_plugin", "_fmha"))}
    named = ("paged_kv_cache", "remove_input_padding", "tokens_per_block", "multiple_profiles")
    plugins |= {name: _switch(getattr(options, name)) for name in named if hasattr(options, name)}
    sizes = {name: value for name, value in vars(options).items() if name.startswith("max_")}
    if hasattr(options, "kv_cache_type"):
        sizes["kv_cache_type"] = options.kv_cache_type.upper()
    config = {
        "version": str(release),
        "pretrained_config": checkpoint,
        "build_config": {**sizes, "plugin_config": plugins},
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "rank0.engine").write_bytes(b"half of an engine")
    control.point("trtllm-build")
    for rank in range(size):
        (output / f"rank{rank}.engine").write_bytes(b"no engine, made from " + weights[rank])
    (output / "config.json").write_text(json.dumps(config, indent=4))
    print(f"[TensorRT-LLM] Total time of building all engines: 00:00:0{size}", flush=True)


def _converted(options: Namespace) -> str | None:
    if options.smoothquant is not None:
        return "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN"
    return {"int8": "W8A16", "int4": "W4A16"}[options.weight_only_precision] if options.use_weight_only else None


def _switch(value: Any) -> Any:
    return {"enable": True, "disable": None}.get(value, value) if isinstance(value, str) else value


_TOOLS = {"convert_checkpoint": convert, "quantize": quantize, "trtllm-build": build}
