"""Checks of the machine: shared memory for the Python models, and what earlier servers left in it."""

from __future__ import annotations

from collections.abc import Iterator

from model_repo_builder.doctor.finding import Finding, warning
from model_repo_builder.doctor.subject import SHARED_MEMORY, Subject

MIB = 2**20
# What one instance of a Python model may take, and room for pieces in flight.
_PER_INSTANCE = 64 * MIB
_ROOM = 1.5


def needed_bytes(subject: Subject) -> int:
    instances = sum(config.instances or 1 for config in subject.models.values() if config.backend == "python")
    return int(instances * _PER_INSTANCE * _ROOM)


def shared_memory(subject: Subject) -> Iterator[Finding]:
    size, needed = subject.machine.shm_bytes, needed_bytes(subject)
    if size is not None and size < needed:
        yield warning(
            "shm-size",
            "this machine",
            f"{SHARED_MEMORY} has {size // MIB} MiB, and the Python models may need {needed // MIB} MiB",
            "each instance of a Python model moves its tensors through shared memory; when it is full, requests fail "
            "with 'No space left on device'",
            f"start the container with --shm-size={-(-needed // 2**30)}g, or lower the instance counts",
        )


def leftovers(subject: Subject) -> Iterator[Finding]:
    regions = subject.machine.regions
    if regions:
        shown = ", ".join(regions[:3]) + (" …" if len(regions) > 3 else "")
        yield warning(
            "shm-leftovers",
            "this machine",
            f"{len(regions)} regions lie in {SHARED_MEMORY} although no tritonserver runs: {shown}",
            "a server that was killed left them; they take memory until they are deleted",
            f"delete them, if no container shares this {SHARED_MEMORY}: rm {SHARED_MEMORY}/triton_python_backend_shm_*",
        )


CHECKS = (shared_memory, leftovers)
