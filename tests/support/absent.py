"""What a test needs and this machine has not: it is skipped by name, and fails in CI, which has everything."""

import os
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """``what``: the words, with what to install."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
