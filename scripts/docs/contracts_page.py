"""reference/contracts.md: which release of TensorRT-LLM has which Triton models and tensors, from the builder's data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from model_repo_builder.contract import Contract, Setting, Tensor, load, releases, resolve
from model_repo_builder.release import Release, lines
from scripts.docs.table import code, table

INTRODUCTION = """\
# Contracts

A contract is what the Triton models of a release of TensorRT-LLM declare: names, types and shapes of their tensors. The builder
writes repositories by it (`--contract`), and the gateway reads what a running Triton declares and goes by that. How to add one is in
[Contributing](../../CONTRIBUTING.md#add-a-release).

"""


def page() -> str:
    """The whole page."""
    contracts = [load(name) for name in releases()]
    parts = [INTRODUCTION, "## Releases\n", table(("TensorRT-LLM", "contract", "how it is known"), _releases())]
    parts.append("\nBelow, contracts are in this order, oldest first.\n")
    for name in dict.fromkeys(model.name for contract in contracts for model in contract.models):
        parts.append(f"## `{name}`\n")
        for side in ("inputs", "outputs"):
            parts.append(f"### {side.capitalize()} of `{name}`\n")
            parts.append(_matrix(name, side, contracts))
    return "\n".join(parts)


def _releases() -> Iterable[tuple[str, str, str]]:
    for line in lines():
        contract, inferred = resolve(line)
        tools = "" if not Release.parse(line).inferred else " Flags of its tools are inferred, too."
        yield line, code(contract), (f"inferred: {inferred}." if inferred else "read from the release.") + tools


def _matrix(model: str, side: str, contracts: list[Contract]) -> str:
    found: dict[str, dict[str, Tensor]] = {}
    for contract in contracts:
        tensors: tuple[Tensor, ...] = getattr(contract.model(model), side)
        for tensor in tensors:
            found.setdefault(tensor.name, {})[contract.release] = tensor
    rows = []
    for name, by_release in found.items():
        types = dict.fromkeys(_type(tensor) for tensor in by_release.values())
        shapes = dict.fromkeys(str(list(tensor.dims)) for tensor in by_release.values())
        there = [(contract.release, _kind(by_release.get(contract.release), side)) for contract in contracts]
        rows.append((code(name), ", ".join(types), ", ".join(shapes), "; ".join(spans(there))))
    return table(("tensor", "type", "shape", "in"), rows)


def spans(there: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Which contracts have a tensor and how ("" where not), in few words: neighbours alike are told together."""
    last = there[-1][0]
    for kind, group in groupby(there, key=lambda pair: pair[1]):
        names = [name for name, _ in group]
        if not kind:
            continue
        if len(names) == len(there):
            yield f"all, {kind}"
        elif names[-1] == last and len(names) > 1:
            yield f"from {names[0]} on, {kind}"
        elif names[0] == there[0][0] and len(names) > 1:
            yield f"up to {names[-1]}, {kind}"
        else:
            yield f"{names[0]} to {names[-1]}, {kind}" if len(names) > 1 else f"{names[0]}, {kind}"


def _type(tensor: Tensor) -> str:
    if isinstance(tensor.type, Setting):
        return f"as `{tensor.type.name}` says"
    return tensor.type.removeprefix("TYPE_")


def _kind(tensor: Tensor | None, side: str) -> str:
    if tensor is None:
        return ""
    if side == "outputs":
        return "given"
    return "optional" if tensor.optional else "needed"
