"""The parameters of a Python model's config.pbtxt as values.

Knows the shape of the configuration that Triton hands over, not what the parameters mean.
"""

from collections.abc import Mapping
from typing import Any


class ModelSettings:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._name = config.get("name", "")
        self._parameters: Mapping[str, Any] = config.get("parameters", {})

    def text(self, name: str, default: str = "") -> str:
        """An unfilled ``${...}`` of a hand-made configuration counts as not given."""
        value = self._parameters.get(name, {}).get("string_value", "")
        return default if not value or value.startswith("${") else value

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise ValueError(f"model {self._name} needs the parameter {name} in its config.pbtxt")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name).strip().lower()
        if value in ("true", "yes", "1", "t"):
            return True
        if value in ("false", "no", "0", "f"):
            return False
        if value:
            raise self._wrong(name, "true or false")
        return default

    def number(self, name: str, default: int) -> int:
        value = self.text(name)
        try:
            return int(value) if value else default
        except ValueError:
            raise self._wrong(name, "a whole number") from None

    def numbers(self, name: str) -> list[int]:
        """Whole numbers with commas between them."""
        try:
            return [int(part) for part in self.text(name).split(",") if part.strip()]
        except ValueError:
            raise self._wrong(name, "whole numbers with commas between them") from None

    def _wrong(self, name: str, wanted: str) -> ValueError:
        return ValueError(f"parameter {name} of model {self._name} is {self.text(name)!r}: it must be {wanted}")
