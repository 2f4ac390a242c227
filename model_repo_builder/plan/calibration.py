"""The stage that prepares calibration texts, so that the release's tool accepts them. Pure.

Knows what the tools take: a hub name of CNN/DailyMail, ``pileval``, and from 0.11 on a local folder with a column
``text``. A path that contains ``cnn_dailymail`` is read by every release as that set: configuration 3.0.0, column
``article``. So a local set is given that form where only it is understood.
"""

from __future__ import annotations

from pathlib import Path

from model_repo_builder.errors import SettingsError
from model_repo_builder.plan.support import MODELOPT, uses_modelopt
from model_repo_builder.recipe import Recipe
from model_repo_builder.release import Release, tools_of
from model_repo_builder.stages import PYTHON, Command, Stage

_SUFFIXES = (".parquet", ".jsonl", ".json", ".txt")
_CNN = "cnn_dailymail"
_AWQ_MOST = 32


def needed(recipe: Recipe) -> bool:
    return recipe.quantization in (*MODELOPT, "smoothquant") or recipe.effective_kv_cache in ("int8", "fp8")


def dataset(recipe: Recipe, release: Release, output: Path) -> str:
    """What to write after ``--calib_dataset``."""
    if not _is_local(recipe):
        hub = recipe.calibration
        if not uses_modelopt(recipe) and hub == _CNN:
            return f"ccdv/{_CNN}"
        return hub
    return str(_folder(recipe, release, output))


def size(recipe: Recipe) -> int:
    """AWQ's search looks at 32 samples at most, whatever was asked."""
    return min(recipe.calib_size, _AWQ_MOST) if recipe.quantization in ("int4_awq", "w4a8_awq") else recipe.calib_size


def stage(recipe: Recipe, release: Release, output: Path) -> Stage | None:
    """``None`` where the tool fetches its data by itself, or needs none."""
    if not needed(recipe):
        return None
    rules = tools_of(release)["calibration"]
    if not _is_local(recipe):
        if recipe.calibration in rules["hub_names"] or any(
            part in recipe.calibration for part in rules["hub_contains"]
        ):
            return None
        raise SettingsError(
            f"calibration {recipe.calibration!r} is not known to TensorRT-LLM {release}: use cnn_dailymail, pileval, "
            "or a local folder or a .jsonl, .json, .txt or .parquet file"
        )
    folder = _folder(recipe, release, output)
    if _takes_text(recipe, release) and _CNN in str(folder):
        raise SettingsError(
            f"output_dir {output} contains {_CNN!r}, which TensorRT-LLM {release} reads as the name of a data set: "
            "choose another"
        )
    column = "text" if _takes_text(recipe, release) else "article"
    argv = [PYTHON, "-m", "model_repo_builder.calibration", recipe.calibration, str(folder)]
    argv += ["--column", column, "--samples", str(recipe.calib_size)]
    if recipe.calibration_column:
        argv += ["--source-column", recipe.calibration_column]
    return Stage(
        name="calibration",
        commands=(
            Command(
                tuple(argv),
                reasons={"--column": f"the column that TensorRT-LLM {release} reads from this folder"},
            ),
        ),
        reads=(Path(recipe.calibration),),
        writes=(folder / "train.jsonl", folder / "README.md"),
        output=folder,
        reason="the release accepts calibration texts in one form only",
        disk_bytes=recipe.calib_size * 64_000,
    )


def _is_local(recipe: Recipe) -> bool:
    given = recipe.calibration
    return given.endswith(_SUFFIXES) or given.startswith(("/", "./", "../", "~")) or Path(given).is_dir()


def _takes_text(recipe: Recipe, release: Release) -> bool:
    return bool(tools_of(release)["calibration"]["local_folder"]) and uses_modelopt(recipe)


def _folder(recipe: Recipe, release: Release, output: Path) -> Path:
    return output / "calibration" / ("texts" if _takes_text(recipe, release) else _CNN)
