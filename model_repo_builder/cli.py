"""The command line ``model-repo-builder``: words in, settings out, errors as one sentence. No logic of its own.

Exit codes: 0 done, 1 it failed, 2 what was asked cannot work; ``launch`` returns tritonserver's own code.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from pathlib import Path
from types import FrameType
from typing import NoReturn

from model_repo_builder import contract
from model_repo_builder.errors import (
    BuilderError,
    CheckpointError,
    ContractError,
    LaunchError,
    RepositoryError,
    SettingsError,
)
from model_repo_builder.gateway_toml import FILE_NAME
from model_repo_builder.launch import Ports, Progress, TritonServer
from model_repo_builder.repository import plan, write
from model_repo_builder.settings import CHOICES, ENGINES, RepoSettings

_USAGE_ERRORS = (SettingsError, ContractError, CheckpointError, RepositoryError)

_REPO_EXAMPLES = """\
examples:
  on a CPU, from a GGUF file:
    model-repo-builder repo repository --engine openvino --model qwen2.5-0.5b.gguf --tokenizer
    Qwen2.5-0.5B-Instruct on a GPU, from an engine that trtllm-build wrote: model-repo-builder repo repository
    --engine trtllm --engine-dir engines/qwen --tokenizer Qwen2.5-7B-Instruct

then:
    model-repo-builder launch repository
    gateway serve --config repository/gateway.toml
"""
_LAUNCH_EXAMPLES = """\
example:
    model-repo-builder launch repository --grpc-port 9001 --http-port 9000 --metrics-port 9002

It stays in the foreground. Ctrl-C (or SIGTERM) lets running requests finish, a second one ends it at once.
"""

# Settings that have a flag under another name, or none: they are given by the main arguments.
_OWN_FLAGS = ("engine", "tokenizer_dir", "model_path", "engine_dir", "contract", "model_name")
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
    "enable_kv_cache_reuse": "prompts that begin alike share their cache",
    "kv_cache_free_gpu_mem_fraction": "share of free GPU memory for the cache",
    "max_tokens_in_paged_kv_cache": "size of the cache in tokens, where several engines share a GPU",
    "max_attention_window_size": "attention window in tokens",
    "sink_token_length": "tokens at the beginning that stay in the attention window",
    "kv_cache_host_memory_bytes": "memory of the machine that the cache may use too",
    "gpu_device_ids": "GPUs per instance, such as 0,1 or 0,1;2,3",
    "decoding_mode": "the engine's kind of sampling; not given: any that a request asks for",
    "normalize_log_probs": "log probabilities of beams are divided by their length",
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except LaunchError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.log:
            print(f"\n--- tritonserver's log ---\n{error.log.rstrip()}", file=sys.stderr)
        return 1
    except _USAGE_ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BuilderError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _repo(options: argparse.Namespace) -> int:
    model = Path(options.model) if options.model else None
    own = {
        "engine": options.engine,
        "tokenizer_dir": Path(options.tokenizer),
        "model_path": model,
        "engine_dir": Path(options.engine_dir) if options.engine_dir else None,
        "contract": options.contract,
        "model_name": options.model_name,
    }
    given = {spec.name: getattr(options, spec.name) for spec in _flagged() if hasattr(options, spec.name)}
    settings = RepoSettings(**own, **given)
    output = Path(options.output)
    write(plan(settings), output)
    print(
        f"{output} is ready: next `model-repo-builder launch {output}`, "
        f"and `gateway serve --config {output / FILE_NAME}`"
    )
    return 0


def _launch(options: argparse.Namespace) -> int:
    repository = Path(options.repository)
    ports = Ports(options.grpc_port, options.http_port, options.metrics_port)
    log_file = Path(options.log_file) if options.log_file else None
    given = Path(options.tritonserver) if options.tritonserver else None
    server = TritonServer.start(repository, ports=ports, host=options.host, tritonserver=given, log_file=log_file)
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        server.terminate()

    with server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        log = _Tail(server) if options.verbose else None
        try:
            server.wait_ready(options.timeout, progress=_Shown(log))
        except LaunchError:
            if not stopping:
                raise
        else:
            print(
                f"Triton is ready: gRPC {server.grpc_address}, HTTP {server.http_address}",
                file=sys.stderr,
                flush=True,
            )
        while log is not None and server.poll() is None:
            log.show()
            server.wait_for(0.2)
        code = server.wait()
        if code and not stopping:
            raise LaunchError(f"tritonserver ended by itself with exit code {code}", server.log_text())
        return code


class _Shown:
    """Prints what is loaded whenever that changes, and each ten seconds that it takes."""

    def __init__(self, tail: _Tail | None) -> None:
        self._last: tuple[object, ...] = ()
        self._tail = tail

    def __call__(self, progress: Progress) -> None:
        if self._tail is not None:
            self._tail.show()
        now = (progress.models, int(progress.elapsed // 10))
        if now == self._last:
            return
        self._last = now
        loaded, waiting = (", ".join(names) or "-" for names in (progress.models.loaded, progress.models.waiting))
        print(f"{progress.elapsed:5.1f} s  loaded: {loaded}  loading: {waiting}", file=sys.stderr, flush=True)


class _Tail:
    """Prints the server's log as it grows."""

    def __init__(self, server: TritonServer) -> None:
        self._server = server
        self._shown = 0

    def show(self) -> None:
        text = self._server.log_text()
        print(text[self._shown :], end="", file=sys.stderr, flush=True)
        self._shown = len(text)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, instead of listing every flag before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see `{self.prog} --help`)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="model-repo-builder",
        description="Builds Triton model repositories for Qwen, and runs them.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    repo = commands.add_parser(
        "repo",
        usage="%(prog)s OUTPUT --engine {trtllm,openvino} --tokenizer DIR (--model PATH | --engine-dir DIR) [SETTINGS]",
        help="write a model repository",
        description="Writes a Triton model repository of five models, and gateway.toml beside them. "
        "OUTPUT must not exist, or be empty.",
        epilog=_REPO_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    repo.set_defaults(run=_repo)
    repo.add_argument("output", metavar="OUTPUT", help="folder to write; it becomes the model repository")
    repo.add_argument("--engine", required=True, choices=ENGINES, help="what runs the model")
    repo.add_argument("--tokenizer", required=True, metavar="DIR", help="Hugging Face tokenizer folder of the model")
    repo.add_argument("--model", metavar="PATH", help="for openvino: a Qwen GGUF file, or an OpenVINO IR folder")
    repo.add_argument("--engine-dir", metavar="DIR", help="for trtllm: the folder that trtllm-build wrote")
    repo.add_argument(
        "--contract",
        default=contract.releases()[0],
        choices=contract.releases(),
        help="release of the Triton models to follow",
    )
    repo.add_argument(
        "--model-name", default="qwen", metavar="NAME", help="what API clients call the model (default: qwen)"
    )
    settings = repo.add_argument_group("settings of the models")
    for spec in _flagged():
        _add_flag(settings, spec.name, str(spec.type).removesuffix(" | None"), spec.default)
    launch = commands.add_parser(
        "launch",
        help="run tritonserver on a repository",
        description="Finds tritonserver, starts it on the repository, waits until it is ready, and stays with it.",
        epilog=_LAUNCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    launch.set_defaults(run=_launch)
    launch.add_argument("repository", metavar="REPO", help="folder that `model-repo-builder repo` wrote")
    for name, port in (("grpc", 8001), ("http", 8000), ("metrics", 8002)):
        launch.add_argument(f"--{name}-port", type=int, default=port, metavar="PORT", help=f"default: {port}")
    launch.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    launch.add_argument("--tritonserver", metavar="PATH", help="the program, where it is not found by itself")
    launch.add_argument("--log-file", metavar="FILE", help="keep tritonserver's log in this file")
    launch.add_argument("--verbose", action="store_true", help="show tritonserver's log")
    launch.add_argument(
        "--timeout", type=_seconds, default=600.0, metavar="S", help="give up loading after S seconds (600)"
    )
    return parser


def _flagged() -> list[Field[object]]:
    return [spec for spec in fields(RepoSettings) if spec.name not in (*_OWN_FLAGS, *_NO_FLAG)]


def _add_flag(group: argparse._ArgumentGroup, name: str, kind: str, default: object) -> None:
    """A setting as a flag. Left away it is absent, so that the default lives in ``settings`` alone."""
    shown = "" if default is None else f" (default: {str(default).lower() if isinstance(default, bool) else default})"
    converters: dict[str, Callable[[str], object]] = {"int": int, "float": float, "bool": _boolean}
    group.add_argument(
        f"--{name.replace('_', '-')}",
        type=converters.get(kind, str),
        choices=CHOICES.get(name),
        metavar=None if name in CHOICES else {"int": "N", "float": "X", "bool": "true|false"}.get(kind, "TEXT"),
        default=argparse.SUPPRESS,
        help=_HELP[name] + shown,
    )


def _boolean(text: str) -> bool:
    values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return values[text.lower()]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
