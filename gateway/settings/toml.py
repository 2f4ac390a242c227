"""Values of gateway.toml and of the environment as the types of settings' fields.

It knows TOML's types and dataclass fields. It must not know what any setting means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

from gateway.core.errors import SettingsError

S = TypeVar("S")

_EXPECTED = {"s": "text in quotes", "i": "a whole number", "f": "a number", "b": "true or false", "M": "a table"}


def tables(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The array of tables of that name. SettingsError where it is something else."""
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise SettingsError(f"gateway.toml: write each model as a table headed [[{name}]], with two brackets.")
    return found


def checked(cls: type, table: Any, where: str) -> dict[str, Any]:
    """The table's values, of names that ``cls`` has as fields and of their types."""
    if not isinstance(table, Mapping):
        raise SettingsError(f"gateway.toml: {where} must be a table.")
    known = {item.name: item for item in fields(cls)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise SettingsError(f"gateway.toml: {where} has the unknown key '{name}'; known are {', '.join(known)}.")
        values[name] = _typed(value, known[name], f"gateway.toml: {where} {name}")
    return values


def from_environment(cls: type, prefix: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The values that the environment gives to fields of ``cls``: PREFIX and the field's name in capitals."""
    values: dict[str, Any] = {}
    for item in fields(cls):
        variable = f"{prefix}{item.name.upper()}"
        if variable in environ:
            values[item.name] = _parsed(environ[variable], item, variable)
    return values


def _typed(value: Any, item: Field[Any], where: str) -> Any:
    kind = str(item.type)
    if kind.startswith("tuple[int"):
        if isinstance(value, list) and all(type(v) is int for v in value):
            return tuple(value)
        raise SettingsError(f"{where} must be a list of whole numbers.")
    if kind.startswith("tuple[str"):
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        raise SettingsError(f"{where} must be text in quotes, or a list of such texts.")
    if kind.startswith("Mapping") and isinstance(value, dict):
        return value
    if kind == "bool" and type(value) is bool:
        return value
    if kind.startswith("int") and type(value) is int:
        return value
    if kind.startswith("float") and type(value) in (int, float):
        return float(value)
    if kind.startswith("str") and isinstance(value, str):
        return value
    raise SettingsError(f"{where} must be {_EXPECTED[kind[0]]}, not {value!r}.")


def _parsed(text: str, item: Field[Any], variable: str) -> Any:
    """An environment variable's text as the field's type."""
    kind = str(item.type).partition(" ")[0]
    if kind == "bool":
        if text.lower() in ("true", "1", "false", "0"):
            return text.lower() in ("true", "1")
        raise SettingsError(f"{variable} is {text!r}, but must be true or false.")
    make: Any = {"int": int, "float": float, "str": str}.get(kind)
    if make is None:
        raise SettingsError(f"{variable} cannot be set by the environment; write '{item.name}' in gateway.toml.")
    try:
        return make(text)
    except ValueError:
        raise SettingsError(f"{variable} is {text!r}, but must be {kind}.") from None


def check_seconds(settings: Any, where: str, *, longest: float = 7 * 86400.0) -> None:
    """SettingsError unless every field that ends in ``_seconds`` is between 0 and ``longest``. NaN is not."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.name.endswith("_seconds") and not (value is None or 0 <= value <= longest):
            raise SettingsError(
                f"{where} {item.name} must be between 0 and {longest:g}, not {value:g}."
                + (" 0 means no limit." if item.default is not MISSING else "")
            )
