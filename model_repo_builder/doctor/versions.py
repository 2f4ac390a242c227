"""Checks that the models and the engine are of one release. A release is told by its tensors, not by its name."""

from __future__ import annotations

from collections.abc import Iterator

from model_repo_builder import contract, lock
from model_repo_builder.config_text import Config
from model_repo_builder.doctor.engine_folder import served_engine
from model_repo_builder.doctor.finding import Finding, error, warning
from model_repo_builder.doctor.subject import ENGINE, Subject
from model_repo_builder.errors import ContractError, RepositoryError
from model_repo_builder.machine import this_machine

Signature = tuple[frozenset[str], frozenset[str]]
_WHY = (
    "an engine runs on the release that built it only, and that release's backend wants its own tensors and parameters"
)


def release(subject: Subject) -> Iterator[Finding]:
    config, engine = served_engine(subject)
    if config is None or engine is None or config.error is not None:
        return
    if not engine.version:
        yield warning(
            "engine-version",
            ENGINE,
            f"{engine.folder / 'config.json'} does not say which release built the engine",
            "a server of another release fails to load it, and says little about why",
            "write down the release that you built with, and serve with the same container image",
        )
        return
    have = _signature(config)
    nearest = nearest_contracts(have)
    try:
        expected = contract.load(engine.version)
    except ContractError:
        yield warning(
            "engine-version",
            ENGINE,
            f"the engine was built by TensorRT-LLM {engine.version}, of which nothing is known here",
            _WHY,
            f"make sure that tritonserver's image has TensorRT-LLM {engine.version}, and its own templates",
        )
        return
    if expected.release in nearest:
        return
    what = (
        f"the engine was built by TensorRT-LLM {engine.version}, and the tensors of {ENGINE} are those of "
        f"{' or '.join(nearest)}"
    )
    how = f"write the repository for {engine.version}, or build the engine with the release that serves it"
    certain = _distance(have, _of_contract(nearest[0])) == 0
    yield (error if certain else warning)("engine-version", ENGINE, what, _WHY, how)


def nearest_contracts(have: Signature) -> tuple[str, ...]:
    """The contracts whose engine model is most like this one; several where a release changed nothing."""
    distances = {name: _distance(have, _of_contract(name)) for name in contract.releases()}
    least = min(distances.values())
    return tuple(name for name, distance in distances.items() if distance == least)


def _of_contract(name: str) -> Signature:
    engine = contract.load(name).model(ENGINE)
    return frozenset(tensor.name for tensor in engine.inputs), frozenset(tensor.name for tensor in engine.outputs)


def _signature(config: Config) -> Signature:
    message = config.message
    return frozenset(tensor.name for tensor in message.input), frozenset(tensor.name for tensor in message.output)


def _distance(one: Signature, other: Signature) -> int:
    return len(one[0] ^ other[0]) + len(one[1] ^ other[1])


def locked(subject: Subject) -> Iterator[Finding]:
    """Against what the build wrote down of itself, where there is such a file."""
    if subject.folder is None:
        return
    try:
        known = lock.read(subject.folder)
        sentences = () if known is None else lock.check(known, this_machine())
    except RepositoryError as failure:
        sentences = (str(failure),)
    for sentence in sentences:
        what, _, how = sentence.partition(": ")
        yield error(
            "lock",
            lock.FILE_NAME,
            what,
            "an engine runs only as it was built: its files, its release, its kind of GPU; `launch` refuses another",
            how or "build the engine again with `model-repo-builder build`",
        )


CHECKS = (release, locked)
