"""Conversion and quantization through TensorRT-LLM's Python API (0.12 and later), with the flags of its scripts.

    python3 -m model_repo_builder.trtllm_api convert_checkpoint --release 0.16.0 --model_dir ... --output_dir ...

Runs where tensorrt_llm is installed and imports it late. The flags are parsed by the data of the release, so that a
flag it does not have is refused before anything is loaded.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from model_repo_builder.errors import BuilderError, ContractError
from model_repo_builder.plan.arguments import parser
from model_repo_builder.release import Release, tools_of

_USAGE = "python3 -m model_repo_builder.trtllm_api {convert_checkpoint|quantize} --release VERSION [FLAGS]"


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) < 3 or given[0] not in _TOOLS or given[1] != "--release":
        print(f"usage: {_USAGE}", file=sys.stderr)
        return 2
    try:
        release = Release.parse(given[2])
        if not tools_of(release)["python_api"]:
            raise ContractError(f"TensorRT-LLM {release} has no Python API for this: use the script of its examples")
        _TOOLS[given[0]](parser(release, given[0]).parse_args(given[3:]), release)
    except BuilderError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def convert(options: argparse.Namespace, release: Release) -> None:
    """One file per rank; only rank 0 writes config.json."""
    ranks = range(options.tp_size * options.pp_size)
    if options.workers <= 1:
        for rank in ranks:
            _convert_rank(options, release, rank)
            gc.collect()
        return
    with ThreadPoolExecutor(options.workers) as pool:
        for done in [pool.submit(_convert_rank, options, release, rank) for rank in ranks]:
            done.result()


def _convert_rank(options: argparse.Namespace, release: Release, rank: int) -> None:
    model = _module("tensorrt_llm.models").QWenForCausalLM
    mapping = _module("tensorrt_llm.mapping").Mapping(
        world_size=options.tp_size * options.pp_size,
        rank=rank,
        tp_size=options.tp_size,
        pp_size=options.pp_size,
        moe_tp_size=options.moe_tp_size,
        moe_ep_size=options.moe_ep_size,
    )
    quantization = _quant_config(options)
    layout = {
        "use_parallel_embedding": options.use_parallel_embedding,
        "embedding_sharding_dim": options.embedding_sharding_dim,
    }
    if options.smoothquant is not None or options.int8_kv_cache:
        model.quantize(
            options.model_dir,
            options.output_dir,
            dtype=options.dtype,
            mapping=mapping,
            quant_config=quantization,
            calib_dataset=options.calib_dataset,
            **layout,
        )
        return
    places: dict[str, object] = {
        "load_model_on_cpu": options.load_model_on_cpu,
        "device": "cpu" if options.load_model_on_cpu else "cuda",
    }
    extra = {name: places[name] for name in tools_of(release)["from_hugging_face_extra"] if name in places}
    converted = model.from_hugging_face(
        options.model_dir, options.dtype, mapping=mapping, quant_config=quantization, **layout, **extra
    )
    converted.save_checkpoint(options.output_dir, save_config=rank == 0)


def _quant_config(options: argparse.Namespace) -> Any:
    algorithm = _module("tensorrt_llm.quantization").QuantAlgo
    config = _module("tensorrt_llm.models.modeling_utils").QuantConfig()
    if options.smoothquant is not None:
        config.smoothquant_val = options.smoothquant
        config.quant_algo = algorithm.W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN
    elif options.use_weight_only:
        config.quant_algo = algorithm.W8A16 if options.weight_only_precision == "int8" else algorithm.W4A16
    if options.int8_kv_cache:
        config.kv_cache_quant_algo = algorithm.INT8
    return config


def quantize(options: argparse.Namespace, release: Release) -> None:
    """Passes what the installed function asks for, by name: its list of arguments grew from release to release."""
    export: Callable[..., None] = _module("tensorrt_llm.quantization").quantize_and_export
    values = vars(options)
    wanted = inspect.signature(export).parameters
    missing = [
        name
        for name, parameter in wanted.items()
        if name not in values
        and parameter.default is inspect.Parameter.empty
        and parameter.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]
    if missing:
        raise ContractError(
            f"quantize_and_export of the installed TensorRT-LLM asks for {', '.join(missing)}, which the data of "
            f"{release} does not know: run its examples/quantization/quantize.py (--trtllm-examples DIR)"
        )
    export(**{name: values[name] for name in wanted if name in values})


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ContractError(
            f"{error.name} is not installed here: run this in NVIDIA's TensorRT-LLM container"
        ) from error


_TOOLS: dict[str, Callable[[argparse.Namespace, Release], None]] = {"convert_checkpoint": convert, "quantize": quantize}

if __name__ == "__main__":
    sys.exit(main())
