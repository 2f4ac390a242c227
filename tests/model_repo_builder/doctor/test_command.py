import json
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.cli import main
from tests.model_repo_builder.doctor.repositories import edit, good_repository


def test_a_good_repository(tmp_path: Path, capsys: Any) -> None:
    repository = good_repository(tmp_path, preprocessing_instance_count=1, bls_instance_count=8)
    assert main(["doctor", str(repository), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert [row for row in said["findings"] if row["where"] != "this machine"] == []


def test_a_placeholder_is_named_in_the_table(tmp_path: Path, capsys: Any) -> None:
    repository = good_repository(tmp_path)
    edit(repository, "tensorrt_llm", gpt_model_path="${engine_dir}")
    assert main(["doctor", str(repository)]) == 1
    said = capsys.readouterr().out
    assert "ERROR     tensorrt_llm  [placeholder]" in said
    assert "${engine_dir}" in said
    assert all(f"\n  {label} " in said for label in ("what", "why", "how"))
    assert said.splitlines()[-1].startswith("1 error")


def test_a_warning_is_no_failure(tmp_path: Path) -> None:
    repository = good_repository(tmp_path)
    edit(repository, "tensorrt_llm", batch_scheduler_policy="max_utilization")
    assert main(["doctor", str(repository)]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to examine"),
        (["/no/such/folder"], "does not exist"),
        (["."], "no model repository"),
    ],
    ids=["nothing", "missing", "no repository"],
)
def test_what_cannot_be_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
