"""``repo``: settings on the command line → a model repository on disk. No logic of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path

from model_repo_builder.explain import explained
from model_repo_builder.gateway_toml import FILE_NAME
from model_repo_builder.llmapi_plan import plan_llmapi
from model_repo_builder.repository import plan, write
from model_repo_builder.settings import CHOICES, ENGINES, RepoSettings

EXAMPLES = """\
examples:
  on a CPU, from a GGUF file:
    model-repo-builder repo repository --engine openvino --model qwen2.5-0.5b.gguf \\
        --tokenizer Qwen2.5-0.5B-Instruct
  on a GPU, from an engine that trtllm-build wrote:
    model-repo-builder repo repository --engine trtllm --engine-dir engines/qwen \\
        --tokenizer Qwen2.5-7B-Instruct
  on a GPU, from a checkpoint, with PyTorch:
    model-repo-builder repo repository --engine llmapi --model Qwen2.5-7B-Instruct \\
        --tokenizer Qwen2.5-7B-Instruct

then:
    model-repo-builder launch repository
    gateway serve --config repository/gateway.toml
"""

# Settings that have a flag under another name, or none: they are given by the main arguments.
_OWN_FLAGS = ("engine", "tokenizer_dir", "model_path", "engine_dir", "contract", "model_name", "official_dir")
_NO_FLAG = ("tensorrt_llm_model_name",)
_HELP = {
    "triton_address": "where the gateway finds this Triton; written to gateway.toml",
    "triton_max_batch_size": "most sequences at once: at most what a TensorRT engine was built for",
    "max_beam_width": "widest beam search a request may ask for",
    "max_seq_len": "longest prompt and answer together, in tokens; not given: what the model holds",
    "vocab_size": "length of the engine's logits; not given: read from the model",
    "preprocessing_instance_count": "processes that tokenize",
    "postprocessing_instance_count": "processes that turn tokens into text; 1 unless nobody streams",
    "bls_instance_count": "processes of tensorrt_llm_bls, each for one request at a time; not given: the batch size",
    "decoupled_mode": "one request may have many answers: streaming needs it",
    "accumulate_tokens": "tensorrt_llm_bls streams the whole text so far instead of what is new",
    "exclude_input_in_output": "answers do not repeat the prompt",
    "add_special_tokens": "the tokenizer adds its own to a prompt; a chat prompt has them already",
    "skip_special_tokens": "tokens like <|im_end|> do not appear in text",
    "trust_remote_code": "Python files in the tokenizer folder may run",
    "cancellation_check_period_ms": "how often a running request is checked for having been cancelled",
    "batching_strategy": "how the engine forms batches",
    "batch_scheduler_policy": "guaranteed_no_evict never pauses a running request",
    "max_queue_delay_microseconds": "how long Triton holds requests back to collect a batch",
    "enable_chunked_context": "long prompts are processed in pieces; not given: on where the engine can do it",
    "max_queue_size": "requests that may wait in Triton before more are refused; 0: any number",
    "enable_kv_cache_reuse": "prompts that begin alike share their cache; not given: on where the engine can do it",
    "kv_cache_free_gpu_mem_fraction": "share of free GPU memory for the cache",
    "max_tokens_in_paged_kv_cache": "size of the cache in tokens, where several engines share a GPU",
    "max_attention_window_size": "attention window in tokens",
    "sink_token_length": "tokens at the beginning that stay in the attention window",
    "kv_cache_host_memory_bytes": "memory of the machine that the cache may use too",
    "gpu_device_ids": "GPUs per instance, such as 0,1 or 0,1;2,3",
    "decoding_mode": "the engine's kind of sampling; not given: any that a request asks for",
    "normalize_log_probs": "log probabilities of beams are divided by their length",
    "multi_block_mode": "long contexts are spread over more of the GPU while generating",
    "enable_context_fmha_fp32_acc": "attention over prompts adds up in 32 bits",
    "kv_cache_onboard_blocks": "blocks in the machine's memory are copied back to the GPU when they are used again",
    "gpu_weights_percent": "share of the weights that stays on the GPU, where the engine streams weights",
    "cuda_graph_mode": "steps of generation are replayed as CUDA graphs",
    "cuda_graph_cache_size": "how many CUDA graphs are kept",
    "participant_ids": "MPI ranks of each instance in orchestrator mode, such as 1,2;3,4",
    "num_nodes": "machines that one engine is spread over",
    "guided_decoding_backend": "what holds answers to a schema or grammar",
    "xgrammar_tokenizer_info_path": "the tokenizer as xgrammar wants it: a file that TensorRT-LLM's script writes",
    "logits_datatype": "type of the logits; not given: the engine's",
    "encoder_input_features_data_type": "type of an encoder's input; not given: the engine's weights",
    "prompt_embedding_table_data_type": "type of prompt embeddings; not given: the engine's weights",
    "tensor_parallel_size": "for llmapi: GPUs that share each layer",
    "pipeline_parallel_size": "for llmapi: GPUs that take layers in turn",
    "lora_cache_optimal_adapter_size": "adapter size that the cache's pages are made for",
    "lora_cache_max_adapter_size": "largest adapter size that fits",
    "lora_cache_gpu_memory_fraction": "share of free GPU memory for adapters",
    "lora_cache_host_memory_bytes": "memory of the machine for adapters",
    "lora_prefetch_dir": "folder of adapters to load at the start",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    repo = commands.add_parser(
        "repo",
        usage="%(prog)s OUTPUT --engine {trtllm,openvino,llmapi} --tokenizer DIR "
        "(--model PATH | --engine-dir DIR) [SETTINGS]",
        help="write a model repository",
        description="Writes a Triton model repository of five models (llmapi: of one), and gateway.toml beside them. "
        "OUTPUT must not exist, or be empty.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    repo.set_defaults(run=run)
    repo.add_argument("output", metavar="OUTPUT", help="folder to write; it becomes the model repository")
    repo.add_argument("--engine", required=True, choices=ENGINES, help="what runs the model")
    repo.add_argument("--tokenizer", required=True, metavar="DIR", help="Hugging Face tokenizer folder of the model")
    repo.add_argument(
        "--model",
        metavar="PATH",
        help="for openvino: a Qwen GGUF file, or an OpenVINO IR folder; for llmapi: the folder of a checkpoint",
    )
    repo.add_argument("--engine-dir", metavar="DIR", help="for trtllm: the folder that trtllm-build wrote")
    repo.add_argument("--official", metavar="DIR", help="for llmapi: where TensorRT-LLM's all_models/llmapi lies")
    repo.add_argument(
        "--contract",
        metavar="RELEASE",
        help="release of the Triton models to follow, such as 0.16.0 or 1.1; not given: the one that built the engine, "
        "and 0.10.0 for openvino",
    )
    repo.add_argument(
        "--model-name", default="qwen", metavar="NAME", help="what API clients call the model (default: qwen)"
    )
    repo.add_argument(
        "--explain", action="store_true", help="write nothing: print every setting, its value and the reason for it"
    )
    settings = repo.add_argument_group("settings of the models")
    for spec in _flagged():
        _add_flag(settings, spec.name, str(spec.type).removesuffix(" | None"), spec.default)


def run(options: argparse.Namespace) -> int:
    model = Path(options.model) if options.model else None
    own = {
        "engine": options.engine,
        "tokenizer_dir": Path(options.tokenizer),
        "model_path": model,
        "engine_dir": Path(options.engine_dir) if options.engine_dir else None,
        "contract": options.contract,
        "model_name": options.model_name,
        "official_dir": Path(options.official) if options.official else None,
    }
    given = {spec.name: getattr(options, spec.name) for spec in _flagged() if hasattr(options, spec.name)}
    settings = RepoSettings(**own, **given)
    output, repository = Path(options.output), plan_llmapi(settings) if settings.engine == "llmapi" else plan(settings)
    if options.explain:
        print(explained(repository, settings))
        return 0
    if repository.contract.inferred:
        print(f"note: {repository.contract.inferred}", file=sys.stderr)
    write(repository, output)
    print(
        f"{output} is ready: next `model-repo-builder launch {output}`, "
        f"and `gateway serve --config {output / FILE_NAME}`"
    )
    for note in repository.notes:
        print(f"first: {note}")
    return 0


def _flagged() -> list[Field[object]]:
    return [spec for spec in fields(RepoSettings) if spec.name not in (*_OWN_FLAGS, *_NO_FLAG)]


def _add_flag(group: argparse._ArgumentGroup, name: str, kind: str, default: object) -> None:
    """A setting as a flag. Left away it is absent, so that the default lives in ``settings`` alone."""
    shown = "" if default is None else f" (default: {str(default).lower() if isinstance(default, bool) else default})"
    converters: dict[str, Callable[[str], object]] = {"int": int, "float": float, "bool": _boolean, "Path": Path}
    group.add_argument(
        f"--{name.replace('_', '-')}",
        type=converters.get(kind, str),
        choices=CHOICES.get(name),
        metavar=None
        if name in CHOICES
        else {"int": "N", "float": "X", "bool": "true|false", "Path": "PATH"}.get(kind, "TEXT"),
        default=argparse.SUPPRESS,
        help=_HELP[name] + shown,
    )


def _boolean(text: str) -> bool:
    values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return values[text.lower()]
