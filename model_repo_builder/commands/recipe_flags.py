"""The flags with which ``plan`` and ``build`` take a recipe, and the plan that follows from them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from model_repo_builder import recipe as recipes
from model_repo_builder.errors import ContractError, SettingsError
from model_repo_builder.plan import make_plan
from model_repo_builder.qwen import QwenFacts, known, known_names, read_checkpoint
from model_repo_builder.recipe import CHOICES, Recipe
from model_repo_builder.release import Release, detect, lines
from model_repo_builder.stages import BuildPlan

#: Where containers and checkouts keep the examples of TensorRT-LLM.
EXAMPLES_PLACES = (
    Path("/app/tensorrt_llm/examples"),
    Path("/app/examples"),
    Path("/workspace/TensorRT-LLM/examples"),
    Path("/code/tensorrt_llm/examples"),
    Path("TensorRT-LLM/examples"),
)
_HELP = {
    "model": "a published name, to plan without the files",
    "model_dir": "the Hugging Face checkpoint",
    "output_dir": "folder that the build may fill",
    "trtllm_version": f"release of TensorRT-LLM: {lines()[0]} to {lines()[-1]} (default: the installed one)",
    "trtllm_examples": "the examples folder of TensorRT-LLM: use its scripts",
    "dtype": "type of the weights and of the computation (default: bfloat16)",
    "tp_size": "GPUs that share every layer",
    "pp_size": "groups of layers, one after the other",
    "moe_tp_size": "GPUs that share every expert",
    "moe_ep_size": "groups of GPUs that the experts are spread over",
    "workers": "ranks converted and built at once",
    "quantization": "how the weights are made smaller (default: none)",
    "parallel_embedding": "each rank keeps a part of the embeddings",
    "load_on_cpu": "convert without GPU memory",
    "calibration_column": "column of the texts, where its name does not say so",
    "calib_size": "texts that are used (default: 512)",
    "calib_max_seq_length": "tokens of each that are used (default: 2048)",
    "max_batch_size": "most sequences at once (default: 16)",
    "max_num_tokens": "most tokens in one step of the engine (default: 8192)",
    "max_beam_width": "widest beam search a request may ask for (default: 1)",
    "gemm_plugin": "not given: off in FP8, else the model's type",
    "lora": "the engine takes LoRA adapters",
    "multiple_profiles": "kernels for several batch sizes: faster answers, longer build (default: true)",
    "paged_context_fmha": "KV reuse and chunked context need it; not given: on where it works",
    "fp8_context_fmha": "prompts in FP8; not given: on with FP8 weights and cache",
    "kv_cache_type": "in-flight batching needs paged (default)",
    "tokens_per_block": "size of what is reused of the cache (default: 64)",
    "reduce_fusion": "for Llama and Mistral (default: false)",
    "custom_all_reduce": "up to 0.11; not given: on with several GPUs",
    "fused_mlp": "not given: as the release has it",
    "kv_cache_dtype": "auto: fp8 with quantization fp8, else the model's type",
    "calibration": "texts for quantization: a hub name, a folder, or a parquet, jsonl or text file",
    "max_input_len": "longest prompt in tokens",
    "max_output_len": "longest answer in tokens",
    "max_seq_len": "longest prompt and answer together",
    "gpu_memory_gib": "memory of one GPU, for the estimate",
    "sequence_len": "length of a sequence, for the estimate",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe", metavar="NAME|FILE", help=f"a TOML file, or one of: {', '.join(recipes.packaged())}"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one key; repository.KEY for its settings",
    )
    group = parser.add_argument_group("keys of the recipe")
    for spec in fields(Recipe):
        if spec.name == "repository":
            continue
        kind = str(spec.type).removesuffix(" | None")
        group.add_argument(
            f"--{spec.name.replace('_', '-')}",
            dest=f"key_{spec.name}",
            choices=CHOICES.get(spec.name),
            metavar=None
            if spec.name in CHOICES
            else {"int": "N", "float": "X", "bool": "true|false"}.get(kind, "TEXT"),
            default=argparse.SUPPRESS,
            help=_HELP[spec.name],
        )


def read_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe named, then ``--set``, then the flags: later ones win."""
    keys: dict[str, Any] = recipes.load(options.recipe) if options.recipe else {}
    given = [f"{name[4:]}={value}" for name, value in vars(options).items() if name.startswith("key_")]
    for assignment in (*options.set, *given):
        keys = recipes.override(keys, assignment)
    return recipes.make({"output_dir": "build", **keys})


def choose_release(recipe: Recipe) -> Release:
    """What was asked for; else what is installed."""
    if recipe.trtllm_version is not None:
        return Release.parse(recipe.trtllm_version)
    installed = detect()
    if installed is None:
        raise ContractError(f"no TensorRT-LLM is installed here: give --trtllm-version, one of {', '.join(lines())}")
    return installed


def find_facts(recipe: Recipe) -> QwenFacts:
    """Of the checkpoint where it is here, else of the model as it was published."""
    if recipe.model_dir is not None and recipe.model_dir.is_dir():
        return read_checkpoint(recipe.model_dir)
    name = recipe.model or str(recipe.model_dir)
    facts = known(name)
    if facts is None:
        raise SettingsError(
            f"{name} is neither a folder nor a published Qwen: give model_dir, or model, one of "
            f"{', '.join(known_names())}"
        )
    return facts


def find_examples(places: Sequence[Path] = EXAMPLES_PLACES) -> Path | None:
    return next((place for place in places if place.is_dir()), None)


def plan_of(recipe: Recipe) -> BuildPlan:
    made = make_plan(recipe, choose_release(recipe), find_facts(recipe), find_examples())
    _check_scripts(made)
    return made


def _check_scripts(made: BuildPlan) -> None:
    """An examples folder that was given must have what this release calls."""
    if made.recipe.trtllm_examples is None:
        return
    scripts = [Path(word) for stage in made.stages for command in stage.commands for word in command.argv[1:2]]
    for script in scripts:
        if script.suffix == ".py" and not script.is_file():
            raise SettingsError(
                f"{script} does not exist: give --trtllm-examples the examples folder of TensorRT-LLM {made.release}"
            )
