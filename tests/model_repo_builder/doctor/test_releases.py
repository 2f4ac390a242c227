"""Every release's repositories: a good one has nothing to find, an unfilled one has all of its placeholders named."""

import json
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.comparison import compare, read_folder
from model_repo_builder.contract import releases
from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.subject import Machine, read_repository
from tests.model_repo_builder.doctor.repositories import good_repository, official_templates

QUIET = Machine(shm_bytes=2**34)
SHARED = Path(__file__).parents[4] / "shared" / "contracts"
each_release = pytest.mark.parametrize("release", releases())


def must_fill(release: str) -> Any:
    path = SHARED / f"template_vars_{release}.json"
    if not path.is_file():
        pytest.skip("the official placeholders are not beside the project")
    return json.loads(path.read_text())["must_fill_unquoted"]


@each_release
def test_nothing_is_found_in_a_good_repository(tmp_path: Path, release: str) -> None:
    assert examine(read_repository(good_repository(tmp_path, contract=release), QUIET)) == ()


@each_release
def test_every_placeholder_that_must_be_filled_is_named(tmp_path: Path, release: str) -> None:
    expected = {(model, f"${{{name}}}") for model, names in must_fill(release).items() for name in names}
    findings = examine(read_repository(official_templates(tmp_path, release), QUIET))
    named = {(each.where, each.what.split()[0]) for each in findings if each.check == "placeholder"}
    assert expected <= named
    # What an unfilled value would be is not judged: only placeholders are wrong with these files.
    assert {each.check for each in findings if each.severity.value == "error"} == {"placeholder"}


@each_release
def test_the_engine_model_differs_from_the_templates_in_nothing_but_parameters_left_out(
    tmp_path: Path, release: str
) -> None:
    official = read_folder(official_templates(tmp_path / "official", release))
    differences = compare(read_folder(good_repository(tmp_path, contract=release)), official)
    engine = [difference for difference in differences if difference.model == "tensorrt_llm"]
    assert {difference.field.split()[0] for difference in engine} == {"parameter"}
    # What the gateway reads of the engine's guides is an addition of ours.
    assert {each.field for each in engine if each.here is not None} <= {"parameter guided_decoding_guide_types"}
