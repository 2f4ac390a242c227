"""The file ``gateway.toml`` beside a repository: what the gateway must know of the models in it.

Knows the names in that file, which the gateway reads; the two packages meet here and in the tensors only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "gateway.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayModel:
    name: str
    triton: str
    tokenizer: Path
    max_model_len: int
    eos_token_ids: tuple[int, ...]
    vocab_size: int
    route: str = "auto"
    direct: str = "tensorrt_llm"
    ensemble: str = "ensemble"
    bls: str = "tensorrt_llm_bls"


def gateway_toml(model: GatewayModel) -> str:
    values = {
        "name": _text(model.name),
        "triton": _text(model.triton),
        "route": _text(model.route),
        "tokenizer": _text(str(model.tokenizer)),
        "max_model_len": str(model.max_model_len),
        "eos_token_ids": f"[{', '.join(map(str, model.eos_token_ids))}]",
        "vocab_size": str(model.vocab_size),
        "direct": _text(model.direct),
        "ensemble": _text(model.ensemble),
        "bls": _text(model.bls),
    }
    lines = [f"{name} = {value}" for name, value in values.items()]
    return "\n".join(
        [
            "# For `gateway serve --config`: the models of the Triton repository in this folder.",
            "[[models]]",
            *lines,
            "",
        ]
    )


def _text(value: str) -> str:
    # A TOML basic string is a JSON string, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
