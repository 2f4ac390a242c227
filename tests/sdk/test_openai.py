"""The real openai package reads everything the gateway sends: the current version, and the last 1.x."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sdk.conftest import OPENAI_1, Run
from tests.sdk.openai_checks import CHECKS

MODULE = "tests.sdk.openai_checks"


@pytest.fixture(params=["1.x", "current"])
def first(request: pytest.FixtureRequest) -> Path | None:
    """What stands first on the path: the folder with the old version, or nothing."""
    if request.param == "current":
        return None
    if not (OPENAI_1 / "openai").is_dir():
        reason = f"openai 1.x is not in {OPENAI_1}: make setup"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return OPENAI_1


def test_the_version(run_checks: Run, first: Path | None) -> None:
    version = run_checks(MODULE, first)["version"]
    assert version
    assert version.startswith("1.") is (first is not None)


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_reads(run_checks: Run, first: Path | None, check: str) -> None:
    wrong = run_checks(MODULE, first)[check]
    assert wrong is None, wrong
