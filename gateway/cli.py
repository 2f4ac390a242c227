"""``gateway``: the command line. It knows flags and files; their meaning is in ``settings``, the work in ``serve``."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from gateway import __version__, logs
from gateway.commands import keys
from gateway.commands.chat import command as chat
from gateway.commands.check import command as check
from gateway.commands.completion import command as completion
from gateway.core.errors import SettingsError
from gateway.core.routes import ROUTES
from gateway.listening import listen
from gateway.reload import SettingsFile
from gateway.settings import Settings
from gateway.workers import Workers

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OVERVIEW = """\
examples:
  gateway serve --config repository/gateway.toml
      serve what model-repo-builder built
  gateway chat
      talk to it; `gateway check` judges it, or any other OpenAI-compatible server
  gateway keys new alice --requests-per-minute 60
      from the first key on every request needs one

Each command has its own: gateway COMMAND --help
"""
CAPABILITIES = """\
examples:
  gateway capabilities --markdown > fields.md
"""
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


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, instead of listing every flag before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"gateway: {message}. Help: {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The command line of ``gateway``."""
    root: argparse.ArgumentParser = _Parser(
        prog="gateway",
        description="OpenAI-compatible API in front of NVIDIA Triton running TensorRT-LLM engines of Qwen.",
        epilog=OVERVIEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    one.add_argument(
        "--triton", metavar="HOST:PORT", action="append", help="gRPC endpoint of Triton; repeat it for several"
    )
    one.add_argument("--tokenizer", metavar="DIR", help="folder of the model's tokenizer, or a model id of the hub")
    one.add_argument("--model", metavar="NAME", help='what clients send as "model"')
    one.add_argument(
        "--route",
        choices=("auto", *ROUTES),
        help="how Triton is asked (auto: direct, else llmapi, ensemble, bls: what the repository has)",
    )
    one.add_argument(
        "--max-model-len", type=int, metavar="N", help="tokens of prompt and answer (default: the checkpoint's; "
        "give the engine's max_seq_len where it is less)"
    )  # fmt: skip
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1; 0.0.0.0 for all)")
    serve.add_argument("--port", type=int, help="port to listen on (default 9000)")
    serve.add_argument("--workers", type=int, metavar="N", help="processes that share the port (default 1)")
    serve.add_argument(
        "--no-playground", dest="playground", action="store_false", default=None, help="no page for people at /"
    )
    serve.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="(default info)")
    able = commands.add_parser(
        "capabilities",
        help="what the gateway supports",
        description="Prints which fields of requests are supported, and which input of a Triton model each one needs. "
        "What a running model can do is in GET /v1/models/{id}.",
        epilog=CAPABILITIES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    able.add_argument("--markdown", action="store_true", help="as the README's table (the only form so far)")
    keys.add(commands)
    chat.add(commands)
    check.add(commands)
    completion.add(commands)
    return root


def read_settings(args: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Settings from a parsed command line. SettingsError says what does not fit together."""
    flags = {name: getattr(args, name) for name in ("host", "port", "workers", "log_level", "playground")}
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


def _paths(args: argparse.Namespace, settings: Settings) -> tuple[str, ...]:
    """The files that the settings come from."""
    paths = (args.config, settings.server.tls_cert, settings.server.tls_key)
    return tuple(str(path) for path in paths if path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as exc:
        raise SettingsError(f"The configuration {path} cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:
        raise SettingsError(f"The configuration {path} is not valid TOML: {exc}.") from exc


def main(argv: Sequence[str] | None = None) -> int:
    """The console command. 2 for a command line or settings that cannot work."""
    root = parser()
    args = root.parse_args(argv)
    if args.command == "completion":
        return completion.run(args, root)
    if args.command == "capabilities":
        from gateway.core import capabilities  # every schema: not for serving processes' parent

        print(capabilities.markdown(), end="")
        return 0
    # Where it is needed, transformers advises to install PyTorch, which nobody needs here.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        if args.command == "keys":
            return keys.run(args)
        if args.command == "chat":
            return chat.run(args, os.environ)
        if args.command == "check":
            return check.run(args, os.environ)
        source = SettingsFile(lambda: read_settings(args, os.environ), lambda settings: _paths(args, settings))
        server = source.settings.server
        logs.configure(server.log_level, server.log_format)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until somebody can act on it: what it asks for is done just now
        if server.workers > 1:
            return Workers(source).run()
        listener = listen(server.host, server.port)
        gc.disable()  # nothing of what is loaded now goes away: ``serve`` puts it aside
        import uvloop

        from gateway.serve import serve_alone  # takes most of a second: not for --help

        uvloop.run(serve_alone(source, listener))
    except SettingsError as error:
        print(f"gateway: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
