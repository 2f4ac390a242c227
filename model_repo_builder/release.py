"""Which release of TensorRT-LLM: how it is written, which one is installed, and what is known of its tools.

Knows that releases have an order and that the data of some is inferred from their neighbours. Must not know what any
flag means, and never imports tensorrt_llm: the installed release is read from its package metadata.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from importlib import metadata, resources
from typing import Any

from model_repo_builder.errors import ContractError

_WRITTEN = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?((?:rc|a|b|\.dev|\.post)\d+)?(?:\+\S+)?")
_LAST_WITH_ENGINES = "1.2.1"
_TOOLS = "contracts/tools"


@dataclass(frozen=True, slots=True, order=True)
class Release:
    major: int
    minor: int
    patch: int = 0
    label: str = field(default="", compare=False)  # "rc6", as it was written

    @classmethod
    def parse(cls, text: str) -> Release:
        """``1.1``, ``0.10.0``, ``v0.10.0`` and ``1.1.0rc6`` are all understood."""
        match = _WRITTEN.fullmatch(text.strip())
        if match is None:
            raise ContractError(f"{text!r} is no release of TensorRT-LLM: write it like 0.10.0, 0.16 or 1.1")
        major, minor, patch, label = match.groups()
        return cls(int(major), int(minor), int(patch or 0), label or "")

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}{self.label}"

    @property
    def line(self) -> str:
        """The minor line, which the data is kept for: patches of a line share their tools."""
        return f"{self.major}.{self.minor}"

    def since(self, line: str) -> bool:
        """Whether this is the given line or a later one."""
        return (self.major, self.minor) >= _numbers(line)

    @property
    def inferred(self) -> bool:
        """Whether the data was taken from a neighbouring state instead of the release's own files."""
        return bool(tools_of(self)["inferred"])

    @property
    def source(self) -> str:
        return str(tools_of(self)["source"])


def lines() -> tuple[str, ...]:
    """Every minor line there is data for, oldest first."""
    names = (entry.name for entry in resources.files("model_repo_builder").joinpath(_TOOLS).iterdir())
    found = (name[1:].removesuffix(".json") for name in names if name.endswith(".json"))
    return tuple(sorted(found, key=_numbers))


def tools_of(release: Release) -> dict[str, Any]:
    """What is known of the command lines of a release; see the fields in ``contracts/tools``."""
    known = lines()
    if release.line not in known:
        hint = (
            f"TensorRT engines ended after {_LAST_WITH_ENGINES}, so build with that release or serve with llmapi"
            if (release.major, release.minor) > _numbers(known[-1])
            else f"choose one of {', '.join(known)}"
        )
        raise ContractError(f"there is no data for the tools of TensorRT-LLM {release}: {hint}")
    return _read(release.line)


def families_since(family: str) -> str | None:
    """The first line whose tools take this family of Qwen."""
    return next((line for line in lines() if family in _read(line)["families"]), None)


def detect() -> Release | None:
    """The installed tensorrt_llm, without importing it: that takes half a minute and a GPU."""
    try:
        return Release.parse(metadata.version("tensorrt_llm"))
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _read(line: str) -> dict[str, Any]:
    text = resources.files("model_repo_builder").joinpath(_TOOLS, f"v{line}.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _numbers(line: str) -> tuple[int, int]:
    major, minor = line.split(".")
    return int(major), int(minor)
