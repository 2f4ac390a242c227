"""``launch``: tritonservers in the foreground, with progress, signals and an exit code."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import FrameType

from model_repo_builder import lock
from model_repo_builder.deployment import Instance, Wishes, deployment
from model_repo_builder.errors import ContractError, LaunchError, RepositoryError, SettingsError
from model_repo_builder.launch import Progress, TritonServer, check_repository
from model_repo_builder.nginx import HEADER, nginx_conf
from model_repo_builder.official_launcher import launcher
from model_repo_builder.ports import Ports, address, check_ports
from model_repo_builder.release import Release, detect
from model_repo_builder.served_engine import served_engines
from model_repo_builder.supervisor import Supervisor

EXAMPLES = """\
examples:
    model-repo-builder launch repository --grpc-port 9001 --http-port 9000 --metrics-port 9002

    # two copies of an engine of two GPUs, each on its own, and an nginx in front of them
    model-repo-builder launch repository --instances 2 --devices '0,1;2,3' --nginx-conf triton.conf

    # several engines behind one server, which starts their workers
    model-repo-builder launch repository --orchestrator

It stays in the foreground. Ctrl-C (or SIGTERM) lets running requests finish, a second one ends all at once.
If one instance ends by itself the others are stopped, unless --keep-going is given. Nothing is left behind.

A TensorRT engine is started through mpirun, with as many ranks as its config.json says, by the command that the
official launch_triton_server.py of its release composes. Those commands are compared with the official ones; that
several ranks then serve an engine on GPUs was never tried where this is developed, which has no GPU. Commands for
releases after 0.19 are inferred from reading a later launcher, and a note says so.
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
    launch.add_argument(
        "--log-file", metavar="FILE", help="keep tritonserver's log in this file (of several: FILE-1, FILE-2, ...)"
    )
    launch.add_argument("--verbose", action="store_true", help="show tritonserver's log")
    launch.add_argument(
        "--timeout", type=_seconds, default=600.0, metavar="S", help="give up loading after S seconds (600)"
    )
    _add_several(launch.add_argument_group("several instances of the repository (leader mode)"))
    _add_mpi(launch.add_argument_group("TensorRT-LLM on several GPUs"))


def _add_several(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--instances", type=_count, metavar="N", help="tritonservers to start (1, or one per --devices)")
    group.add_argument(
        "--devices",
        type=_devices,
        default=(),
        metavar="'0,1;2,3'",
        help="CUDA_VISIBLE_DEVICES of each instance (default: the next ones in order)",
    )
    group.add_argument(
        "--port-step", type=int, default=10, metavar="N", help="from the ports of one instance to the next's (10)"
    )
    group.add_argument("--keep-going", action="store_true", help="go on with the others when one ends by itself")
    group.add_argument("--nginx-conf", metavar="FILE", help="write a configuration of nginx that balances them")
    group.add_argument("--nginx-http-port", type=int, default=8080, metavar="PORT", help="default: 8080")
    group.add_argument("--nginx-grpc-port", type=int, default=8081, metavar="PORT", help="default: 8081")


def _add_mpi(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--world-size", type=_count, metavar="N", help="ranks (default: as the engine's config.json says)"
    )
    group.add_argument(
        "--trtllm-version", type=_release, metavar="V", help="default: the engine's, else the installed one"
    )
    group.add_argument("--no-mpi", action="store_true", help="without mpirun: llmapi, or an engine of one GPU")
    group.add_argument("--oversubscribe", action="store_true", help="mpirun --oversubscribe, for Slurm")
    group.add_argument("--orchestrator", action="store_true", help="several engines behind one server")
    group.add_argument(
        "--disable-spawn-processes",
        action="store_true",
        help="orchestrator: start its workers, at the ranks that participant_ids say",
    )
    group.add_argument(
        "--gpu0-pool-bytes", type=int, default=0, metavar="N", help="CUDA memory pool on GPU 0, for vision encoders"
    )
    group.add_argument(
        "--trtllm-llmapi-launch", action="store_true", help="llmapi: start its ranks by mpirun and this program"
    )


def run(options: argparse.Namespace) -> int:
    repository = Path(options.repository)
    ports = Ports(options.grpc_port, options.http_port, options.metrics_port)
    check_repository(repository)
    wrong = lock.mismatch(repository)
    if wrong is not None:
        raise RepositoryError(wrong)
    instances = _instances(options, repository, ports)
    for instance in instances:
        check_ports(options.host, instance.ports)
    if options.nginx_conf:
        _write_nginx(Path(options.nginx_conf), options, instances)
    official = instances[0].official
    if official and launcher(official.release).inferred:
        print(
            f"note: how TensorRT-LLM {official.release} is launched is inferred from a later launcher", file=sys.stderr
        )
    several = len(instances) > 1
    starts = {each.name: partial(_start, options, repository, each, several) for each in instances}
    shown = _Screen(several, options.verbose)
    supervisor = Supervisor(starts, shown, timeout=options.timeout, keep_going=options.keep_going)

    def stop(number: int, frame: FrameType | None) -> None:
        supervisor.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return supervisor.run()


def _instances(options: argparse.Namespace, repository: Path, ports: Ports) -> tuple[Instance, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    wishes = Wishes(
        ports=ports,
        port_step=options.port_step,
        instances=options.instances,
        devices=options.devices,
        visible=tuple(visible.split(",")) if visible else (),
        world_size=options.world_size,
        release=options.trtllm_version,
        installed=detect(),
        no_mpi=options.no_mpi,
        oversubscribe=options.oversubscribe,
        orchestrator=options.orchestrator,
        disable_spawn_processes=options.disable_spawn_processes,
        gpu0_pool_bytes=options.gpu0_pool_bytes,
        llmapi_launch=options.trtllm_llmapi_launch,
        gpus=_number_of_gpus() if options.orchestrator else 0,
        triton_version=os.environ.get("NVIDIA_TRITON_SERVER_VERSION"),
    )
    return deployment(wishes, served_engines(repository, options.world_size))


def _start(options: argparse.Namespace, repository: Path, instance: Instance, several: bool) -> TritonServer:
    log_file = Path(options.log_file) if options.log_file else None
    if log_file and several:
        log_file = log_file.with_name(f"{log_file.stem}-{instance.name.rpartition('-')[2]}{log_file.suffix}")
    return TritonServer.start(
        repository,
        ports=instance.ports,
        host=options.host,
        tritonserver=Path(options.tritonserver) if options.tritonserver else None,
        log_file=log_file,
        official=instance.official,
        environment=instance.environment,
    )


def _write_nginx(path: Path, options: argparse.Namespace, instances: tuple[Instance, ...]) -> None:
    text = nginx_conf(
        [address(options.host, each.ports.http) for each in instances],
        [address(options.host, each.ports.grpc) for each in instances],
        options.nginx_http_port,
        options.nginx_grpc_port,
    )
    try:
        if path.exists() and not path.read_text("utf-8", "replace").startswith(HEADER):
            raise SettingsError(f"{path} was not written by this command: give --nginx-conf another file")
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}): give --nginx-conf another file") from error


def _number_of_gpus() -> int:
    """As the official launcher counts them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    listed = subprocess.run([program, "--list-gpus"], capture_output=True, text=True, check=False)
    return len(listed.stdout.splitlines())


class _Screen:
    """Prints what is loaded whenever that changes, and each ten seconds that it takes."""

    def __init__(self, several: bool, verbose: bool) -> None:
        self._several = several
        self._verbose = verbose
        self._last: dict[str, tuple[object, ...]] = {}
        self._shown: dict[str, int] = {}

    def output(self, name: str, server: TritonServer) -> None:
        if self._verbose:
            new = server.log_bytes(self._shown.get(name, 0))
            sys.stderr.flush()
            sys.stderr.buffer.write(new)
            sys.stderr.buffer.flush()
            self._shown[name] = self._shown.get(name, 0) + len(new)

    def loading(self, name: str, progress: Progress) -> None:
        now = (progress.models, int(progress.elapsed // 10))
        if now == self._last.get(name):
            return
        self._last[name] = now
        loaded, waiting = (", ".join(names) or "-" for names in (progress.models.loaded, progress.models.waiting))
        which = f"{name}  " if self._several else ""
        self._say(f"{progress.elapsed:5.1f} s  {which}loaded: {loaded}  loading: {waiting}")

    def ready(self, name: str, server: TritonServer) -> None:
        which = name if self._several else "Triton"
        self._say(f"{which} is ready: gRPC {server.grpc_address}, HTTP {server.http_address}")

    def lost(self, name: str, error: LaunchError) -> None:
        self._say(f"error: {error}; the others go on")

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1024")
    return int(text)


def _release(text: str) -> Release:
    try:
        return Release.parse(text)
    except ContractError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _devices(text: str) -> tuple[tuple[str, ...], ...]:
    groups = tuple(tuple(device.strip() for device in group.split(",")) for group in text.split(";"))
    if not all(device for group in groups for device in group):
        raise argparse.ArgumentTypeError(f"{text!r} are no devices: write them as 0,1;2,3")
    return groups
