"""A gateway in front of the scripted engine with everything switched on: a model that thinks, LoRAs, strictness."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.tokenizer import TokenizerFolder

OPENING = "{{- '<|im_start|>assistant\\n' -}}"
# As Qwen3's template does it: thinking is closed in the prompt where it is not wanted.
THINKING = OPENING + (
    "{%- if enable_thinking is defined and not enable_thinking -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}"
)


def thinking_folder(path: Path, tokenizer: TokenizerFolder) -> Path:
    """The tokenizer with a template that knows ``enable_thinking``."""
    shutil.copytree(tokenizer.path, path)
    config = path / "tokenizer_config.json"
    document = json.loads(config.read_text("utf-8"))
    assert OPENING in document["chat_template"]
    document["chat_template"] = document["chat_template"].replace(OPENING, THINKING)
    config.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return path


def features_toml(path: Path, triton: str, tokenizer: TokenizerFolder, *, strict: bool = False) -> Path:
    """Models: ``direct`` and ``ensemble``, ``thinker``, and ``pirate``, a LoRA of ``direct``."""
    thinker = thinking_folder(path.with_suffix(".thinker"), tokenizer)
    rows = [
        ("direct", "direct", tokenizer.path, "adapters = { pirate = 7 }\n"),
        ("ensemble", "ensemble", tokenizer.path, ""),
        ("thinker", "direct", thinker, ""),
    ]
    server = f'[server]\nstrict = {str(strict).lower()}\nreasoning_field = "both"\n\n'
    models = "\n".join(
        f'[[models]]\nname = "{name}"\nroute = "{route}"\ntriton = "{triton}"\ntokenizer = "{folder}"\n'
        f"max_model_len = 2048\nvocab_size = {tokenizer.vocab_size}\n{more}"
        for name, route, folder, more in rows
    )
    path.write_text(server + models, "utf-8")
    return path
