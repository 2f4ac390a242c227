"""A command line under construction: only flags that the release's tool has, each with its value and its reason.

Knows the form of the tool data: flags with types, choices and defaults. Must not know what any flag is for.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from model_repo_builder.errors import ContractError, SettingsError
from model_repo_builder.release import Release, tools_of

_TYPES: Mapping[str, Callable[[str], object]] = {"int": int, "float": float, "str": str}


class Arguments:
    """Flags of one tool of one release, in the order they were put."""

    def __init__(self, release: Release, tool: str) -> None:
        self._release, self._tool = release, tool
        self._flags: dict[str, dict[str, Any]] = flags_of(release, tool)
        self._argv: list[str] = []
        self.reasons: dict[str, str] = {}

    def has(self, flag: str) -> bool:
        return flag in self._flags

    def put(self, flag: str, value: object = None, reason: str = "") -> None:
        """A flag the tool must have; without a value it is a switch."""
        spec = self._flags.get(flag)
        if spec is None:
            raise ContractError(f"{self._tool} of TensorRT-LLM {self._release} has no {flag}: leave its setting away")
        text = None if value is None else str(value)
        choices = spec.get("choices")
        if choices and text is not None and text not in map(str, choices):
            raise SettingsError(
                f"{flag} {text} is not possible in TensorRT-LLM {self._release}: choose one of "
                f"{', '.join(map(str, choices))}"
            )
        self._argv += [flag] if text is None else [flag, text]
        if reason:
            self.reasons[flag] = reason

    def put_if_known(self, flag: str, value: object = None, reason: str = "") -> None:
        """A flag that only some releases have, and need not have to do what was asked."""
        if self.has(flag):
            self.put(flag, value, reason)

    def argv(self) -> tuple[str, ...]:
        return tuple(self._argv)


def flags_of(release: Release, tool: str) -> dict[str, dict[str, Any]]:
    flags: dict[str, dict[str, Any]] = tools_of(release)["tools"][tool]["flags"]
    return flags


def parser(release: Release, tool: str) -> argparse.ArgumentParser:
    """The command line of a tool, as the release has it."""
    made = _Parser(prog=tool, allow_abbrev=False)
    for flag, spec in flags_of(release, tool).items():
        names = [flag, *spec.get("aliases", ())]
        if spec["type"] == "flag":
            made.add_argument(*names, action="store_true")
            continue
        made.add_argument(
            *names,
            type=_TYPES[spec["type"]],
            default=spec["default"],
            choices=spec.get("choices"),
            nargs=spec.get("nargs"),
            const=spec.get("const"),
        )
    return made


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{self.prog}: {message}")
