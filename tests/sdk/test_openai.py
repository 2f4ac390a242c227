"""The real openai package reads everything the gateway sends: the current version, and the last 1.x."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.conftest import Run
from tests.sdk.openai_checks import CHECKS
from tests.sdk.processes import openai_of

MODULE = "tests.sdk.openai_checks"


@pytest.fixture(params=["1.x", "current"])
def first(request: pytest.FixtureRequest) -> Path | None:
    return openai_of(request.param)


def test_the_version(run_checks: Run, first: Path | None) -> None:
    version = run_checks(MODULE, first)["version"]
    assert version
    assert version.startswith("1.") is (first is not None)


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_reads(run_checks: Run, first: Path | None, check: str) -> None:
    wrong = run_checks(MODULE, first)[check]
    assert wrong is None, wrong
