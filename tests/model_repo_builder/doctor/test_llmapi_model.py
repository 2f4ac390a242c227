from collections.abc import Callable
from pathlib import Path

import pytest

from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.subject import Machine, read_repository
from model_repo_builder.migrate import migrate
from model_repo_builder.repository import write
from tests.model_repo_builder.doctor.repositories import good_repository, replace_text, rows

YAML = "tensorrt_llm/1/model.yaml"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda repository: None, set()),
        (lambda repository: (repository / YAML).unlink(), {("error", "model-yaml", "tensorrt_llm")}),
        (
            lambda repository: replace_text(repository, "tensorrt_llm", "decoupled: true", "decoupled: false"),
            {("warning", "model-yaml-decoupled", "tensorrt_llm"), ("warning", "not-decoupled", "tensorrt_llm")},
        ),
    ],
    ids=["good", "no model.yaml", "decoupled differs"],
)
def test_an_llmapi_repository(
    tmp_path: Path, broken: Callable[[Path], object], expected: set[tuple[str, str, str]]
) -> None:
    repository = tmp_path / "new"
    write(migrate(good_repository(tmp_path), "Qwen/Qwen2.5-7B-Instruct").plan, repository)
    (repository / "tensorrt_llm" / "1" / "model.py").touch()
    broken(repository)
    assert rows(examine(read_repository(repository, Machine()))) == expected
