from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core import capabilities
from gateway.core.schema.chat import UNSERVED, ChatRequest
from gateway.core.schema.completions import CompletionRequest
from tests.gateway.vocabulary import Vocabulary

ROOT = Path(__file__).parents[3]


def test_the_readme_s_table_is_current() -> None:
    check = [sys.executable, "-m", "scripts.tables", "--check"]
    done = subprocess.run(check, cwd=ROOT, check=False)
    assert done.returncode == 0, "run: python -m scripts.tables"


def test_every_field_of_a_schema_has_a_row() -> None:
    table = capabilities.markdown()
    for name in {**ChatRequest.model_fields, **CompletionRequest.model_fields, **UNSERVED}:
        assert f"`{name}`" in table


@pytest.mark.parametrize("names", [capabilities.NO_EFFECT, capabilities.GUIDED, capabilities.TEMPLATE])
def test_the_words_are_about_fields_that_exist(names: frozenset[str]) -> None:
    assert not names - set(ChatRequest.model_fields)
    assert not set(capabilities.REMARKS) - set(ChatRequest.model_fields)


def test_a_model_whose_triton_is_away_tells_what_its_template_can() -> None:
    card = capabilities.of_model(None, Vocabulary(thinks=True, call_style="xml"))
    assert (card["route"], card["reasoning"], card["tools"]) == (None, True, "xml")
