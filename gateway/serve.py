"""``gateway``: the command line, and the composition root that wires everything.

Command line → settings → tokenizers, backends, service, application → uvicorn. No other module creates these.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from gateway import __version__, checkpoint
from gateway.core.errors import SettingsError
from gateway.core.routes import ROUTES
from gateway.core.sampling import ModelLimits
from gateway.embedder import Embedder, ServedEmbedding
from gateway.embedding_tokenizer import JsonTokenizer
from gateway.http.answer import EndpointSettings
from gateway.http.app import create_app
from gateway.metrics import Metrics
from gateway.service import ServedModel, Service, with_adapters
from gateway.settings import EmbeddingSettings, ModelSettings, Settings
from gateway.tokenizer import HuggingFaceTokenizer
from gateway.triton.backend import Backend
from gateway.triton.embedding_backend import EmbeddingBackend
from gateway.triton.grpc_transport import GrpcTransport

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

logger = logging.getLogger("gateway")

EXAMPLES = """\
examples:
  gateway serve --config repository/gateway.toml
      what model-repo-builder wrote beside the repository; several [[models]] may be listed
  gateway serve --triton gpu-1:8001 --tokenizer ./Qwen2.5-7B-Instruct --model qwen --max-model-len 8192
      an existing Triton with the official templates, without any file

then:
  curl http://127.0.0.1:9000/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "qwen", "messages": [{"role": "user", "content": "你好"}], "stream": true}'
"""


def parser() -> argparse.ArgumentParser:
    """The command line of ``gateway``."""
    root = argparse.ArgumentParser(
        prog="gateway",
        description="OpenAI-compatible API in front of NVIDIA Triton running TensorRT-LLM engines of Qwen.",
    )
    root.add_argument("--version", action="version", version=f"gateway {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the gateway",
        description="Runs the gateway until Ctrl-C or SIGTERM; streams in flight may finish first.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument(
        "--config", type=Path, metavar="FILE", help="gateway.toml with [[models]] and, if wanted, [server]"
    )
    one = serve.add_argument_group("one model without a file")
    one.add_argument("--triton", metavar="HOST:PORT", help="gRPC endpoint of Triton")
    one.add_argument("--tokenizer", metavar="DIR", help="folder of the model's tokenizer, or a model id of the hub")
    one.add_argument("--model", metavar="NAME", help='what clients send as "model"')
    one.add_argument(
        "--route",
        choices=("auto", *ROUTES),
        help="how Triton is asked (auto: direct, else ensemble, else bls)",
    )
    one.add_argument(
        "--max-model-len", type=int, metavar="N", help="tokens of prompt and answer (default: the checkpoint's; "
        "give the engine's max_seq_len where it is less)"
    )  # fmt: skip
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1; 0.0.0.0 for all)")
    serve.add_argument("--port", type=int, help="port to listen on (default 9000)")
    serve.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="(default info)")
    return root


def read_settings(args: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Settings from a parsed command line. SettingsError says what does not fit together."""
    flags = {name: getattr(args, name) for name in ("host", "port", "log_level")}
    single = {name: getattr(args, name) for name in ("triton", "tokenizer", "route", "max_model_len")}
    single["name"] = args.model
    given = {name: value for name, value in single.items() if value is not None}
    if args.config is not None:
        if given:
            raise SettingsError("Give either --config or the flags of one model, not both.")
        return Settings.read(_toml(args.config), environ, flags, folder=args.config.resolve().parent)
    missing = [
        f"--{'model' if name == 'name' else name}" for name in ("triton", "tokenizer", "name") if name not in given
    ]
    if missing:
        raise SettingsError(
            f"Give --config FILE, or --triton, --tokenizer and --model (missing: {', '.join(missing)})."
        )
    return Settings.read({"models": [given]}, environ, flags, folder=Path.cwd())


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as exc:
        raise SettingsError(f"The configuration {path} cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:
        raise SettingsError(f"The configuration {path} is not valid TOML: {exc}.") from exc


def served_model(settings: ModelSettings) -> ServedModel:
    """A model wired to its tokenizer and its Triton."""
    tokenizer = HuggingFaceTokenizer.load(settings.tokenizer)
    folder = Path(settings.tokenizer)
    max_model_len = settings.max_model_len or checkpoint.max_model_len(folder)
    if max_model_len is None:
        raise SettingsError(
            f"model '{settings.name}': nobody says how many tokens the engine can hold. Set max_model_len "
            "(--max-model-len) to the engine's max_seq_len."
        )
    end_ids = settings.eos_token_ids or checkpoint.eos_token_ids(folder) or tokenizer.end_ids
    if not end_ids:
        raise SettingsError(f"model '{settings.name}': no end token is known. Set eos_token_ids in gateway.toml.")
    return ServedModel(
        limits=ModelLimits(settings.name, max_model_len, end_ids, vocab_size=settings.vocab_size),
        tokenizer=tokenizer,
        backend=Backend(
            GrpcTransport(settings.triton),
            route=settings.route,
            triton_models=settings.triton_models,
            tokens_per_block=settings.tokens_per_block,
        ),
        created=int(time.time()),
    )


def served_embedding(settings: EmbeddingSettings) -> ServedEmbedding:
    """An embedding model wired to its tokenizer, if it has one, and its Triton."""
    tokenizer = None if settings.tokenizer is None else JsonTokenizer.load(settings.tokenizer)
    max_model_len = settings.max_model_len
    if max_model_len is None and settings.tokenizer is not None:
        max_model_len = checkpoint.max_model_len(Path(settings.tokenizer))
        if max_model_len is None:
            raise SettingsError(
                f"embedding model '{settings.name}': nobody says how many tokens an input may have. Set max_model_len."
            )
    return ServedEmbedding(
        name=settings.name,
        tokenizer=tokenizer,
        backend=EmbeddingBackend(GrpcTransport(settings.triton), settings.route(max_model_len)),
        created=int(time.time()),
        max_model_len=max_model_len,
    )


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Runs until a signal. Everything is made inside the event loop, because gRPC channels belong to one."""
    metrics = Metrics()
    models: dict[str, ServedModel] = {}
    for model in settings.models:
        models |= with_adapters(served_model(model), model.loras)
    service = Service(models, metrics, strict=settings.strict)
    embeddings = {model.name: served_embedding(model) for model in settings.embeddings}
    embedder = Embedder(embeddings, metrics, strict=settings.strict)
    edge = EndpointSettings(
        settings.max_body_bytes, settings.ping_seconds, settings.grace_seconds, settings.reasoning_names
    )
    config = uvicorn.Config(
        create_app(service, embedder, metrics, edge),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.grace_seconds) + 1,
    )
    host, port = listener.getsockname()[:2]
    names = ", ".join([*service.models, *embedder.models])
    logger.info("gateway %s on http://%s:%d, models: %s", __version__, host, port, names)
    await uvicorn.Server(config).serve(sockets=[listener])
    logger.info("gateway stopped")


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; taken first, because loading a tokenizer takes seconds. SettingsError where it is taken."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {exc.strerror or exc}. Choose another with --host and --port."
        ) from exc


def main(argv: Sequence[str] | None = None) -> int:
    """The console command. 2 for a command line or settings that cannot work."""
    args = parser().parse_args(argv)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it advises to install PyTorch, which nobody needs here
    try:
        settings = read_settings(args, os.environ)
        logging.basicConfig(
            level=settings.log_level.upper(),
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
            stream=sys.stderr,
        )
        logging.getLogger("uvicorn").setLevel("WARNING")
        uvloop.run(serve(settings, listen(settings.host, settings.port)))
    except SettingsError as error:
        print(f"gateway: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
