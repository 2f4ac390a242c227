"""``launch``: tritonserver in the foreground, with progress, signals and its exit code."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from model_repo_builder.errors import LaunchError
from model_repo_builder.launch import Progress, TritonServer
from model_repo_builder.ports import Ports

EXAMPLES = """\
example:
    model-repo-builder launch repository --grpc-port 9001 --http-port 9000 --metrics-port 9002

It stays in the foreground. Ctrl-C (or SIGTERM) lets running requests finish, a second one ends it at once.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    launch = commands.add_parser(
        "launch",
        help="run tritonserver on a repository",
        description="Finds tritonserver, starts it on the repository, waits until it is ready, and stays with it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    launch.set_defaults(run=run)
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


def run(options: argparse.Namespace) -> int:
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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
