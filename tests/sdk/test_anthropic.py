"""The real anthropic package reads what /v1/messages sends."""

from __future__ import annotations

import pytest

from tests.sdk.anthropic_checks import CHECKS
from tests.sdk.conftest import Run


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_reads(run_checks: Run, check: str) -> None:
    wrong = run_checks("tests.sdk.anthropic_checks", None)[check]
    assert wrong is None, wrong
