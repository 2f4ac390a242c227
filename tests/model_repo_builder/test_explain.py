from pathlib import Path

import pytest

from model_repo_builder.contract import releases
from model_repo_builder.explain import explain, explained
from model_repo_builder.repository import plan
from tests.model_repo_builder.shapes import openvino_settings


@pytest.mark.parametrize("release", releases())
def test_every_setting_of_the_contract_has_a_reason(tmp_path: Path, release: str) -> None:
    settings = openvino_settings(tmp_path, contract=release)
    repository = plan(settings)
    rows = list(explain(repository, settings))
    assert {row.name for row in rows} == repository.contract.settings
    assert all(row.reason for row in rows)
    assert ("inferred:" in explained(repository, settings)) == (repository.contract.inferred is not None)


@pytest.mark.parametrize(
    ("name", "value", "origin"),
    [
        ("triton_max_batch_size", "3", "given"),
        ("decoupled_mode", "true", "default"),
        ("max_seq_len", "512", "derived"),
        ("gpu_device_ids", "-", "left out"),
        ("medusa_choices", "-", "left out"),
    ],
)
def test_where_a_value_comes_from(tmp_path: Path, name: str, value: str, origin: str) -> None:
    settings = openvino_settings(tmp_path, triton_max_batch_size=3)
    (row,) = (row for row in explain(plan(settings), settings) if row.name == name)
    assert (row.value, row.origin) == (value, origin)
