import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.cli import main
from model_repo_builder.comparison import Difference, compare, read_folder
from tests.model_repo_builder.doctor.repositories import (
    change,
    edit,
    good_repository,
    official_templates,
    replace_text,
)


def names(differences: tuple[Difference, ...]) -> set[tuple[str, str]]:
    return {(difference.model, difference.field) for difference in differences}


def first_input(how: Callable[[Any], object]) -> Callable[[Path], object]:
    return lambda folder: change(folder, "tensorrt_llm", lambda config: how(config.input[0]))


ROWS: list[tuple[str, Callable[[Path], object], Difference]] = [
    (
        "type",
        first_input(lambda tensor: setattr(tensor, "data_type", 9)),
        Difference("tensorrt_llm", "input input_ids type", "INT64", "INT32"),
    ),
    (
        "dims",
        first_input(lambda tensor: tensor.dims.append(1)),
        Difference("tensorrt_llm", "input input_ids dims", "[-1, 1]", "[-1]"),
    ),
    (
        "optional",
        first_input(lambda tensor: setattr(tensor, "optional", True)),
        Difference("tensorrt_llm", "input input_ids optional", "true", "false"),
    ),
    (
        "ragged",
        first_input(lambda tensor: setattr(tensor, "allow_ragged_batch", False)),
        Difference("tensorrt_llm", "input input_ids ragged", "false", "true"),
    ),
    (
        "a value",
        lambda folder: edit(folder, "tensorrt_llm", gpt_model_type="V1"),
        Difference("tensorrt_llm", "parameter gpt_model_type", "V1", "inflight_fused_batching"),
    ),
    (
        "a parameter more",
        lambda folder: edit(folder, "tensorrt_llm", mine="1"),
        Difference("tensorrt_llm", "parameter mine", "1", None),
    ),
    (
        "a parameter less",
        lambda folder: edit(folder, "tensorrt_llm", gpt_model_type=None),
        Difference("tensorrt_llm", "parameter gpt_model_type", None, "inflight_fused_batching"),
    ),
    (
        "a wire",
        lambda folder: change(
            folder, "ensemble", lambda c: c.ensemble_scheduling.step[0].input_map.update(QUERY="text")
        ),
        Difference("ensemble", "step preprocessing reads QUERY", "text", "text_input"),
    ),
    (
        "batch size",
        lambda folder: replace_text(folder, "ensemble", "max_batch_size: 8", "max_batch_size: 4"),
        Difference("ensemble", "max_batch_size", "4", "8"),
    ),
]


@pytest.mark.parametrize(("changed", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_one_difference(tmp_path: Path, changed: Callable[[Path], object], expected: Difference) -> None:
    official, mine = good_repository(tmp_path / "a"), good_repository(tmp_path / "b")
    for model in ("preprocessing", "postprocessing", "tensorrt_llm_bls"):
        edit(mine, model, tokenizer_dir=str(tmp_path / "a" / "tokenizer"))
    edit(mine, "tensorrt_llm", gpt_model_path=str(tmp_path / "a" / "engine"))
    assert compare(read_folder(mine), read_folder(official)) == ()
    changed(mine)
    assert compare(read_folder(mine), read_folder(official)) == (expected,)


def test_a_placeholder_is_like_any_value(tmp_path: Path) -> None:
    """Against the templates a repository differs by our extensions, and by parameters that it leaves out."""
    official = official_templates(tmp_path / "checkout" / "all_models" / "inflight_batcher_llm")
    differences = compare(read_folder(good_repository(tmp_path)), read_folder(tmp_path / "checkout"))
    assert {difference.field.split()[0] for difference in differences if difference.model == "tensorrt_llm"} == {
        "parameter"
    }
    assert all(difference.here is None for difference in differences if difference.model == "tensorrt_llm")
    assert ("ensemble", "output output_ids type") in names(differences)
    assert names(compare(read_folder(official), read_folder(official))) == set()


def test_a_model_less(tmp_path: Path) -> None:
    here = dict(read_folder(good_repository(tmp_path)))
    there = dict(here)
    del here["tensorrt_llm_bls"]
    assert compare(here, there) == (Difference("tensorrt_llm_bls", "model", None, "there"),)


def test_the_command(tmp_path: Path, capsys: Any) -> None:
    repository = good_repository(tmp_path)
    assert main(["diff", str(repository), str(repository)]) == 0
    assert capsys.readouterr().out == "No differences.\n"
    official_templates(tmp_path / "official")
    assert main(["diff", str(repository), str(tmp_path / "official")]) == 1
    said = capsys.readouterr().out
    assert "\nensemble\n" in f"\n{said}"
    assert "  + output output_ids type: INT32\n" in said
    assert main(["diff", str(repository), str(tmp_path / "official"), "--json"]) == 1
    assert {row["model"] for row in json.loads(capsys.readouterr().out)} >= {"ensemble"}


@pytest.mark.parametrize("folder", ["missing", "."], ids=["missing", "no models"])
def test_what_cannot_be_compared(tmp_path: Path, capsys: Any, folder: str) -> None:
    repository = good_repository(tmp_path)
    assert main(["diff", str(repository), str(tmp_path / folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_config_that_cannot_be_read(tmp_path: Path, capsys: Any) -> None:
    repository = good_repository(tmp_path)
    replace_text(repository, "preprocessing", "max_batch_size", "{ max_batch_size")
    assert main(["diff", str(repository), str(repository)]) == 2
    assert "model-repo-builder doctor" in capsys.readouterr().err
