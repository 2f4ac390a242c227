"""Dockerfiles, as far as tests ask: their instructions in order. Lines are joined; nothing is expanded."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tests.deploy.tools import DEPLOY

FOLDER = DEPLOY / "images"
NAMES = ("gateway", "triton", "triton-cpu")


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Of the exec form, which is a JSON list."""
        found: list[str] = json.loads(self.rest)
        return found


def instructions(name: str) -> list[Instruction]:
    text = (FOLDER / f"{name}.Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(None, 1)) for line in joined.splitlines()]


def last(name: str, word: str) -> Instruction:
    """The one that holds in the end."""
    return [each for each in instructions(name) if each.word == word][-1]


def environment(name: str) -> dict[str, str]:
    """What ENV says; the builder's stages, whose names all begin with PIP, left out."""
    pairs = [pair.partition("=") for each in instructions(name) if each.word == "ENV" for pair in each.rest.split()]
    return {key: value for key, _, value in pairs if not key.startswith("PIP_")}
