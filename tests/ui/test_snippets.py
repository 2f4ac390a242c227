"""The present request as a program: each is run, and says what the page said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from loadtest.engine.script import Script
from tests.gateway.core.test_keys import ALICE
from tests.support.gateway import Gateway
from tests.ui.conftest import Open
from tests.ui.visitor import Visitor

AWKWARD = 'it\'s "quoted" $HOME `x` \\ JSON\nJSON\n{y} 你好 🙂'


def snippet(visitor: Visitor, name: str) -> str:
    visitor.page.get_by_role("button", name="Code", exact=True).click()
    visitor.page.get_by_role("tab", name=name).click()
    return str(visitor.page.locator("#code-text").evaluate("node => node.textContent"))


def run(command: list[str], program: str) -> str:
    environment = {**os.environ, "GATEWAY_API_KEY": ALICE}
    done = subprocess.run(command, input=program, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def asking(visit: Open, keyed: Gateway) -> Visitor:
    """With a key, awkward text, and everything set that has its own way into a program."""
    visitor = visit(keyed).open(model=None)
    visitor.gives_key(ALICE)
    page = visitor.page
    page.locator("#model").select_option("direct")
    page.get_by_label("System prompt").fill(AWKWARD)
    page.locator("#sampling-top_k").fill("5")
    page.locator("#sampling-temperature").fill("0")
    page.get_by_role("button", name="Example").click()
    visitor.prompt.fill("say it again")
    return visitor


def test_curl(asking: Visitor) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    asking.prompt.fill(AWKWARD)
    told = run(["sh"], snippet(asking, "curl"))
    assert told.endswith("data: [DONE]\n\n")
    assert "你好" in told


def test_python(asking: Visitor) -> None:
    program = snippet(asking, "Python")
    assert ALICE not in program
    assert run([sys.executable, "-"], program) == "say it again\n"
    assert '"top_k": 5' in program.partition("extra_body=")[2]


def test_javascript_is_well_formed(asking: Visitor) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    asking.prompt.fill(AWKWARD)
    program = snippet(asking, "JavaScript")
    run(["node", "--input-type=module", "--check", "-"], program)


def test_without_a_key_none_is_asked_for(visitor: Visitor) -> None:
    visitor.asks(Script(text="hello"))
    for name in ("curl", "Python", "JavaScript"):
        program = snippet(visitor, name)
        assert "GATEWAY_API_KEY" not in program
        assert "hello" in program, "what was said so far"
        visitor.page.get_by_role("button", name="Close").last.click()
        expect(visitor.page.locator("#code-dialog")).to_be_hidden()
