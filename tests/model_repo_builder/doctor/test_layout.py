import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.subject import Machine, read_repository
from tests.model_repo_builder.doctor.repositories import (
    edit,
    good_repository,
    official_templates,
    replace_text,
    rows,
)

QUIET = Machine(shm_bytes=2**34)


def found(repository: Path) -> set[tuple[str, str, str]]:
    return rows(examine(read_repository(repository, QUIET)))


def test_nothing_is_found_in_a_good_repository(tmp_path: Path) -> None:
    assert examine(read_repository(good_repository(tmp_path), QUIET)) == ()


BROKEN: list[tuple[str, Callable[[Path], object], tuple[str, str, str]]] = [
    (
        "a placeholder outside quotes",
        lambda r: replace_text(r, "tensorrt_llm", "decoupled: true", "decoupled: ${decoupled_mode}"),
        ("error", "placeholder", "tensorrt_llm"),
    ),
    (
        "a placeholder for a path",
        lambda r: edit(r, "tensorrt_llm", gpt_model_path="${engine_dir}"),
        ("error", "placeholder", "tensorrt_llm"),
    ),
    (
        "a placeholder for the backend",
        lambda r: replace_text(r, "tensorrt_llm", '"tensorrtllm"', '"${triton_backend}"'),
        ("error", "placeholder", "tensorrt_llm"),
    ),
    (
        "a placeholder that may stay",
        lambda r: edit(r, "tensorrt_llm", medusa_choices="${medusa_choices}"),
        ("note", "placeholder-optional", "tensorrt_llm"),
    ),
    (
        "a missing brace",
        lambda r: replace_text(r, "preprocessing", "max_batch_size", "{ max_batch_size"),
        ("error", "unreadable", "preprocessing"),
    ),
    (
        "another name",
        lambda r: replace_text(r, "preprocessing", 'name: "preprocessing"', 'name: "pre"'),
        ("error", "name", "preprocessing"),
    ),
    (
        "a folder of a notebook",
        lambda r: (r / ".ipynb_checkpoints").mkdir(),
        ("error", "stray-folder", ".ipynb_checkpoints"),
    ),
    (
        "no version folder",
        lambda r: shutil.rmtree(r / "ensemble" / "1"),
        ("error", "version-folder", "ensemble"),
    ),
    (
        "no model.py",
        lambda r: (r / "postprocessing" / "1" / "model.py").unlink(),
        ("error", "model-py", "postprocessing"),
    ),
]


@pytest.mark.parametrize(("broken", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_broken_is_found(tmp_path: Path, broken: Callable[[Path], object], expected: tuple[str, ...]) -> None:
    repository = good_repository(tmp_path)
    broken(repository)
    assert expected in found(repository)


def test_templates_that_nobody_filled(tmp_path: Path) -> None:
    findings = examine(read_repository(official_templates(tmp_path / "templates"), QUIET))
    unfilled = {(finding.where, finding.what.split()[0]) for finding in findings if finding.check == "placeholder"}
    assert {
        ("preprocessing", "${preprocessing_instance_count}"),
        ("preprocessing", "${tokenizer_dir}"),
        ("tensorrt_llm", "${batching_strategy}"),
        ("tensorrt_llm", "${decoupled_mode}"),
        ("tensorrt_llm", "${engine_dir}"),
        ("tensorrt_llm", "${max_queue_delay_microseconds}"),
        ("tensorrt_llm_bls", "${tensorrt_llm_model_name}"),
        ("ensemble", "${triton_max_batch_size}"),
    } <= unfilled
    assert not [finding for finding in findings if finding.check == "unreadable"]
