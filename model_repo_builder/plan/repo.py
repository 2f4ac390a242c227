"""The last stage: ``model-repo-builder repo`` around the engine that was built. Pure.

Knows which settings of the repository follow from the recipe. Must not know what the repository's files hold.
"""

from __future__ import annotations

from pathlib import Path

from model_repo_builder import contract
from model_repo_builder.plan.engine import paged_context
from model_repo_builder.plan.lengths import Lengths
from model_repo_builder.qwen import QwenFacts
from model_repo_builder.recipe import Recipe
from model_repo_builder.release import Release
from model_repo_builder.stages import Command, Stage


def stage(recipe: Recipe, release: Release, facts: QwenFacts, lengths: Lengths, output: Path) -> Stage:
    repository, engine = output / "repository", output / "engine"
    tokenizer = recipe.model_dir or Path(facts.name)
    name, _ = contract.resolve(str(release))
    settings: dict[str, object] = {
        "triton_max_batch_size": recipe.max_batch_size,
        "max_beam_width": recipe.max_beam_width,
        "max_seq_len": lengths.sequence,
    }
    reasons = {_flag(key): "what the engine is built for" for key in settings}
    if recipe.max_beam_width == 1:
        on = paged_context(recipe)[0]
        settings["enable_kv_cache_reuse"] = on
        reasons["--enable-kv-cache-reuse"] = (
            "prompts that begin alike share their cache" if on else "the engine is built without what it needs"
        )
    settings |= recipe.repository
    reasons |= {_flag(key): "as the recipe says" for key in recipe.repository}
    argv = ["model-repo-builder", "repo", str(repository), "--engine", "trtllm", "--engine-dir", str(engine)]
    argv += ["--tokenizer", str(tokenizer), "--contract", name]
    reasons["--contract"] = f"the Triton models of TensorRT-LLM {release}"
    for key, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        argv += [_flag(key), text]
    return Stage(
        name="repository",
        commands=(Command(tuple(argv), reasons=reasons),),
        reads=(engine / "config.json",),
        writes=(repository / "gateway.toml", repository / "tensorrt_llm" / "config.pbtxt"),
        output=repository,
        reason="the five models that Triton serves, and gateway.toml beside them",
        disk_bytes=1 << 20,
    )


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"
