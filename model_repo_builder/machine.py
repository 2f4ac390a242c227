"""What this machine is to a TensorRT engine: its GPUs, the installed releases, the image it runs in.

Knows nvidia-smi, package metadata and the environment variables of NVIDIA's containers. What cannot be found out is
``None`` or empty, and never a guess. Imports neither TensorRT-LLM nor TensorRT.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from model_repo_builder.release import detect

IMAGE_VARIABLE = "MODEL_REPO_BUILDER_IMAGE"
_CONTAINER_VARIABLES = ("NVIDIA_TRITON_SERVER_VERSION", "NVIDIA_TENSORRT_LLM_VERSION")
_QUERY = ("nvidia-smi", "--query-gpu=name,compute_cap,memory.total", "--format=csv,noheader,nounits")
_SMI_SECONDS = 20
_NO_NUMBER = ("", "[N/A]", "[Not Supported]")


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    compute_capability: str | None = None
    memory_mib: int | None = None

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.compute_capability})" if self.compute_capability else self.name


@dataclass(frozen=True, slots=True)
class Machine:
    """``gpus`` is None where nvidia-smi is missing, and empty where it finds none."""

    release: str | None = None
    tensorrt: str | None = None
    gpus: tuple[Gpu, ...] | None = None
    image: str | None = None


def this_machine(environment: Mapping[str, str] = os.environ) -> Machine:
    release = detect()
    return Machine(
        release=None if release is None else str(release),
        tensorrt=_tensorrt(),
        gpus=_gpus(environment),
        image=_image(environment),
    )


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """A line per GPU: name, compute capability, memory in MiB. A name may hold a comma."""
    gpus = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 2)]
        if len(parts) == 3:
            name, capability, memory = parts
            known = None if capability in _NO_NUMBER else capability
            gpus.append(Gpu(name, known, int(memory) if memory.isdecimal() else None))
    return tuple(gpus)


def _gpus(environment: Mapping[str, str]) -> tuple[Gpu, ...] | None:
    try:
        done = subprocess.run(
            _QUERY, capture_output=True, text=True, timeout=_SMI_SECONDS, env=dict(environment), check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_gpus(done.stdout) if done.returncode == 0 else None


def _tensorrt() -> str | None:
    """The wheel has had several names."""
    for name in ("tensorrt", "tensorrt_cu13", "tensorrt_cu12"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _image(environment: Mapping[str, str]) -> str | None:
    """As the user names it, else as far as NVIDIA's containers say."""
    if environment.get(IMAGE_VARIABLE):
        return environment[IMAGE_VARIABLE]
    found = [f"{name}={environment[name]}" for name in _CONTAINER_VARIABLES if environment.get(name)]
    return ", ".join(found) or None
