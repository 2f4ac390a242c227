"""The main job on this machine, without a GPU: build a model repository, start a real Triton on it and the gateway in
front of it, and chat. Every command it runs is printed, so that it can be run by hand.

Children die with this process, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
MODEL = "qwen"
SEEDLING = ROOT / "model_repo_builder" / "seedling"
QUESTIONS = ("Hello!", "How do I start the gateway?", "网关的默认端口是多少？")
THINKING_QUESTION = "What is 27 + 15?"
TOOL_QUESTION = "What time is it in Tokyo?"
STARTUP_SECONDS = 300


class DemoError(Exception):
    """What went wrong, in a sentence that says what to do."""


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="make demo",
        description="A model repository, a real Triton and the gateway on this machine. Ctrl-C ends it.",
    )
    arguments.add_argument("--once", action="store_true", help="end after the answer")
    arguments.add_argument("--model", type=Path, help="a Qwen GGUF file (make demo MODEL=...)")
    arguments.add_argument("--tokenizer", type=Path, help="its tokenizer folder (make demo TOKENIZER=...)")
    arguments.add_argument("--question", action="append", help="what to ask; may be given several times")
    arguments.add_argument("--port", type=int, default=9000, help="of the gateway (default 9000)")
    arguments.add_argument("--grpc-port", type=int, default=8001, help="of Triton (default 8001)")
    arguments.add_argument("--http-port", type=int, default=8000, help="of Triton (default 8000)")
    arguments.add_argument("--metrics-port", type=int, default=8002, help="of Triton (default 8002)")
    return arguments


def check_ports(args: argparse.Namespace) -> None:
    for flag in ("port", "grpc_port", "http_port", "metrics_port"):
        number = getattr(args, flag)
        try:
            socket.create_server(("127.0.0.1", number)).close()
        except (OSError, OverflowError) as exc:
            option = "--" + flag.replace("_", "-")
            reason = "is taken" if isinstance(exc, OSError) and exc.errno == 98 else f"cannot be used ({exc})"
            raise DemoError(
                f"Port {number} {reason}; choose another: make demo ARGS='{option} {number + 1000}'"
            ) from exc


def model_and_tokenizer(args: argparse.Namespace) -> tuple[Path, Path]:
    """What was given, else Seedling, the tiny Qwen that comes with the project."""
    if (args.model is None) != (args.tokenizer is None):
        raise DemoError("Give both: make demo MODEL=model.gguf TOKENIZER=folder-of-its-tokenizer")
    if args.model is not None:
        return args.model, args.tokenizer
    files = sorted(SEEDLING.glob("*.gguf"))
    if not files:
        raise DemoError(f"{SEEDLING} holds no model: restore it with git, or give MODEL= and TOKENIZER=")
    return files[0], SEEDLING


def shown(command: tuple[str, ...]) -> None:
    words = [Path(word).name if word.startswith(str(BIN)) else word for word in command]
    print(f"\n$ {shlex.join(words)}", flush=True)


def run(*command: str) -> None:
    shown(command)
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise DemoError("That command failed; its message above says why.")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@contextlib.contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session of its own, so that Ctrl-C reaches it through us and in order. Stopped at the end."""
    shown(command)
    child = subprocess.Popen(command, cwd=ROOT, start_new_session=True, preexec_fn=_die_with_parent)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def wait_until_answered(url: str, child: subprocess.Popen[bytes], what: str) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise DemoError(f"{what} stopped; its message above says why.")
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.5)  # more than the launcher takes to say that it is ready
    raise DemoError(f"{what} was not ready within {STARTUP_SECONDS} seconds; its log above says how far it came.")


def converse(base_url: str, args: argparse.Namespace) -> None:
    """The questions, then one that needs a tool, through the OpenAI SDK."""
    from conversation import EmptyAnswer, ask, ask_with_tools
    from openai import OpenAI

    with OpenAI(base_url=base_url, api_key="none") as client:
        try:
            for question in args.question or QUESTIONS:
                ask(client, MODEL, question)
            if not args.question:
                ask(client, MODEL, THINKING_QUESTION, thinking=True)
            # A model of the user's own may have a template without tools.
            if not args.question and client.models.retrieve(MODEL).to_dict()["capabilities"]["tools"]:
                ask_with_tools(client, MODEL, TOOL_QUESTION)
        except EmptyAnswer as exc:
            raise DemoError(str(exc)) from exc


def demo(args: argparse.Namespace, folder: Path) -> None:
    check_ports(args)
    model, tokenizer = model_and_tokenizer(args)
    questions = args.question or QUESTIONS
    repository = folder / "repository"
    triton = ("--grpc-port", args.grpc_port, "--http-port", args.http_port, "--metrics-port", args.metrics_port)
    base_url = f"http://127.0.0.1:{args.port}"
    run(
        *(str(BIN / "model-repo-builder"), "repo", str(repository), "--engine", "openvino", "--model", str(model)),
        *("--tokenizer", str(tokenizer), "--model-name", MODEL, "--triton-address", f"127.0.0.1:{args.grpc_port}"),
    )
    with (
        started(str(BIN / "model-repo-builder"), "launch", str(repository), *map(str, triton)) as server,
        contextlib.ExitStack() as stack,
    ):
        wait_until_answered(f"http://127.0.0.1:{args.http_port}/v2/health/ready", server, "Triton")
        gateway = stack.enter_context(
            started(
                *(str(BIN / "gateway"), "serve", "--config", str(repository / "gateway.toml")),
                *("--port", str(args.port), "--log-level", "warning"),
            )
        )
        wait_until_answered(f"{base_url}/readyz", gateway, "The gateway")
        converse(f"{base_url}/v1", args)
        print(
            f"\nTry it yourself:\n\n  curl -N {base_url}/v1/chat/completions -H 'content-type: application/json' \\\n"
            f'    -d \'{{"model": "{MODEL}", "stream": true, '
            f'"messages": [{{"role": "user", "content": "{questions[0]}"}}]}}\'\n\n'
            f"Or chat in a browser: {base_url}/ (the API's description is at {base_url}/docs)."
        )
        if args.once:
            return
        print("Ctrl-C ends it.", flush=True)
        while server.poll() is None and gateway.poll() is None:
            time.sleep(0.2)
        raise DemoError(f"{'Triton' if gateway.poll() is None else 'The gateway'} stopped by itself; see above.")


def main() -> int:
    args = parser().parse_args()
    # A terminal's Ctrl-C and a supervisor's SIGTERM end it alike: by leaving the with blocks above.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with it ignored
    with tempfile.TemporaryDirectory(prefix="qwen-demo-") as folder:
        try:
            demo(args, Path(folder))
        except DemoError as error:
            print(f"\ndemo: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
