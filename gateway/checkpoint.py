"""What a checkpoint's folder says of a model: context length and end ids, for models that no gateway.toml describes.

It knows Hugging Face's JSON files. It must not know tokenizers or Triton.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.core.errors import SettingsError


def max_model_len(folder: Path) -> int | None:
    """``max_position_embeddings`` of config.json, or None. The engine may have been built for less."""
    value = _read(folder / "config.json").get("max_position_embeddings")
    return value if isinstance(value, int) and value > 1 else None


def eos_token_ids(folder: Path) -> tuple[int, ...]:
    """Every end id that generation_config.json, else config.json, names; empty where neither does."""
    for name in ("generation_config.json", "config.json"):
        value = _read(folder / name).get("eos_token_id")
        ids = value if isinstance(value, list) else [value]
        found = tuple(id for id in ids if type(id) is int and id >= 0)
        if found:
            return found
    return ()


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{path} cannot be read: {exc}. Copy it again from the checkpoint.") from exc
    return document if isinstance(document, dict) else {}
