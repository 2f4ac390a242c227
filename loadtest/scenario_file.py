"""Scenarios on disk: those that come with the project by name, any other by its path."""

from __future__ import annotations

import sys
from pathlib import Path

from loadtest.scenario import Scenario, WrongScenario, from_document

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "scenarios"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(given: str) -> Scenario:
    """WrongScenario says what is wrong with which file."""
    own = FOLDER / f"{given}.toml"
    path = own if given in names() else Path(given)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise WrongScenario(f"there is no file {given}; give a path, or one of {', '.join(names())}.") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise WrongScenario(f"{path} cannot be read: {exc}.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise WrongScenario(f"{path} is no TOML: {exc}.") from exc
    try:
        return from_document(document)
    except WrongScenario as exc:
        raise WrongScenario(f"{path}: {exc}") from exc
