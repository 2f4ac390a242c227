"""Where tritonserver is on this machine, and what it needs around it to start.

Knows two homes of tritonserver: a complete installation (NVIDIA's container, ``PATH``), which needs nothing,
and the binary in the nvidia-pytriton wheel, which needs its libraries, a backend folder and libpython of the
running Python. Starts nothing.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Mapping
from ctypes.util import find_library
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from model_repo_builder.errors import LaunchError

CONTAINER_BINARY = Path("/opt/tritonserver/bin/tritonserver")
_STUB = "triton_python_backend_stub"
_BACKEND_FILES = ("libtriton_python.so", "triton_python_backend_utils.py")


@dataclass(frozen=True, slots=True)
class Installation:
    """``wheel`` is the folder ``pytriton/tritonserver`` where the binary comes from that wheel."""

    binary: Path
    wheel: Path | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What to add to the command line and to the environment."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def find_tritonserver(given: Path | None, environment: Mapping[str, str]) -> Installation:
    """The one that was named, else NVIDIA's container, else PATH, else the wheel."""
    if given is not None:
        if not os.access(given, os.X_OK) or given.is_dir():
            raise LaunchError(f"{given} is no program: give the path of the tritonserver binary")
        return _installation(given.resolve())
    if os.access(CONTAINER_BINARY, os.X_OK):
        return Installation(CONTAINER_BINARY)
    on_path = shutil.which("tritonserver", path=environment.get("PATH"))
    if on_path is not None:
        return _installation(Path(on_path).resolve())
    spec = util.find_spec("pytriton")  # finds it without importing it
    if spec is not None and spec.origin is not None:
        installation = _installation(Path(spec.origin).parent / "tritonserver" / "bin" / "tritonserver")
        if os.access(installation.binary, os.X_OK):
            return installation
    raise LaunchError(
        "no tritonserver was found: run inside NVIDIA's Triton container, put tritonserver on PATH, "
        "or install the CPU one with `pip install nvidia-pytriton`"
    )


def find_mpirun(environment: Mapping[str, str]) -> str:
    found = shutil.which("mpirun", path=environment.get("PATH"))
    if found is None:
        raise LaunchError(
            "mpirun was not found, and TensorRT-LLM's ranks are started with it: run inside NVIDIA's Triton container, "
            "put Open MPI's mpirun on PATH, or give --no-mpi for an engine of one GPU (from 0.19)"
        )
    return found


def check_llmapi_launch(environment: Mapping[str, str]) -> None:
    if shutil.which("trtllm-llmapi-launch", path=environment.get("PATH")) is None:
        raise LaunchError(
            "trtllm-llmapi-launch was not found: run where tensorrt_llm is installed, "
            "or leave --trtllm-llmapi-launch out, so that llmapi starts its processes by itself"
        )


def surroundings(installation: Installation, folder: Path, environment: Mapping[str, str]) -> Surroundings:
    """Prepares ``folder`` (private, removed after the run) for the installation."""
    if installation.wheel is None:
        return Surroundings((), {})
    check_numpy()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    backend = folder / "backends" / "python"
    backend.mkdir(parents=True)
    stub = installation.wheel / "python_backend_stubs" / version / _STUB
    if not stub.is_file():
        found = sorted(path.parent.name for path in installation.wheel.glob(f"python_backend_stubs/*/{_STUB}"))
        raise LaunchError(
            f"the tritonserver of nvidia-pytriton cannot run models on Python {version}: use one of {', '.join(found)}"
        )
    for source in (stub, *(installation.wheel / "backends" / "python" / name for name in _BACKEND_FILES)):
        if not source.is_file():
            raise LaunchError(f"{source} is missing: install nvidia-pytriton again")
        (backend / source.name).symlink_to(source)
    libraries = [str(installation.wheel.parent.parent / "nvidia_pytriton.libs"), *libpython_folder()]
    packages = [
        path for path in sys.path if path.endswith(("site-packages", "dist-packages"))
    ] or site.getsitepackages()
    return Surroundings(
        ("--backend-directory", str(backend.parent)),
        {
            "LD_LIBRARY_PATH": _joined(libraries, environment.get("LD_LIBRARY_PATH")),
            # The embedded interpreter finds its standard library, and a virtual environment, through `python` on PATH.
            "PATH": _joined([str(Path(sys.executable).parent)], environment.get("PATH")),
            "PYTHONPATH": _joined(packages, environment.get("PYTHONPATH")),
        },
    )


def check_numpy() -> None:
    """The Python backend of Triton 2.51 dies when it meets numpy 2."""
    try:
        version = metadata.version("numpy")
    except metadata.PackageNotFoundError:
        raise LaunchError("numpy is missing, and Triton's Python models need it: `pip install 'numpy<2'`") from None
    if int(version.split(".")[0]) < 2:
        return
    if sys.version_info >= (3, 13):
        raise LaunchError(
            f"the Python backend of nvidia-pytriton's tritonserver needs numpy 1, which does not exist for Python "
            f"{sys.version_info.major}.{sys.version_info.minor}: use Python 3.10, 3.11 or 3.12 here"
        )
    raise LaunchError(
        f"the Python backend of nvidia-pytriton's tritonserver cannot use numpy {version}: `pip install 'numpy<2'`"
    )


def libpython_folder() -> list[str]:
    """The folder of libpython that the backend's stub links to; none where the system's linker finds it by itself."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"libpython{version}.so.1.0"
    folders = [sysconfig.get_config_var("LIBDIR"), Path(sys.base_prefix) / "lib"]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    if multiarch:
        folders += [Path("/usr/lib") / multiarch, Path("/lib") / multiarch]
    for folder in folders:
        if folder and (Path(folder) / name).is_file():
            return [str(folder)]
    if find_library(f"python{version}"):
        return []
    raise LaunchError(
        f"the shared library {name} is missing, and Triton's Python models need it: "
        f"`apt-get install libpython{version}`, or use a Python that was built with --enable-shared"
    )


def _installation(binary: Path) -> Installation:
    home = binary.parent.parent
    return Installation(binary, home if (home / "python_backend_stubs").is_dir() else None)


def _joined(paths: list[str], rest: str | None) -> str:
    return os.pathsep.join([*dict.fromkeys(paths), *([rest] if rest else [])])
