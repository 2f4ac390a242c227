"""Scenario files: what they may say, what is refused and how; and the requests that come of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.asks import asks
from loadtest.lengths import lengths
from loadtest.scenario import Scenario, WrongScenario, changed
from loadtest.scenario_file import FOLDER, names, read

WHOLE = """\
about = "all of it"
[load]
rate = 4
requests = 30
seed = 7
timeout_seconds = 9.5
[prompt]
words = "uniform:3:5"
[answer]
tokens = "uniform:10:20"
exact = true
gap_ms = 2
[slow_readers]
share = 0.5
bytes = 64
every_ms = 20
[leavers]
share = 0.5
within_seconds = 2
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scenario.toml"


def test_every_key(path: Path) -> None:
    path.write_text(WHOLE, "utf-8")
    found = read(str(path))
    assert (found.rate, found.requests, found.seed, found.timeout, found.exact) == (4.0, 30, 7, 9.5, True)
    assert found.words is not None
    assert (found.words.text, found.tokens.text, found.gap_ms) == ("uniform:3:5", "uniform:10:20", 2.0)
    assert (found.slow, found.slow_bytes, found.slow_every_ms, found.leave, found.leave_within) == (0.5, 64, 20, 0.5, 2)


WRONG = {
    "no-toml": ("[load", "is no TOML"),
    "unknown-key": ("[load]\nclient = 3", "there is no 'load.client'; there are about, load.clients"),
    "unknown-table": ("[loda]\nclients = 3", "there is no 'loda'"),
    "no-table": ("load = 3", "write [load] and its keys below it"),
    "text-for-number": ('[load]\nclients = "3"', "load.clients is '3', but must be a whole number"),
    "float-for-whole": ("[load]\nclients = 3.5", "but must be a whole number"),
    "true-for-number": ("[load]\nrate = true", "load.rate is True, but must be a number"),
    "number-for-true": ("[answer]\nexact = 1", "but must be true or false"),
    "nan": ("[load]\nrate = nan", "must be a number that ends"),
    "no-clients": ("[load]\nclients = 0", "load.clients is 0, but must be from 1 to 100000"),
    "share": ("[leavers]\nshare = 1.5", "leavers.share is 1.5, but must be from 0 to 1"),
    "both-loops": ("[load]\nclients = 3\nrate = 2", "load.clients and load.rate exclude each other"),
    "both-prompts": ('[prompt]\ntext = "x"\nwords = 3', "prompt.text and prompt.words exclude each other"),
    "no-prompt": ('[prompt]\ntext = ""', "prompt.text is empty"),
    "length": ('[answer]\ntokens = "some"', "answer.tokens: 'some' is no length; write 64"),
    "length-list": ("[answer]\ntokens = [1]", "answer.tokens must be a whole number or a distribution"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_refused(path: Path, text: str, words: str) -> None:
    path.write_text(text, "utf-8")
    with pytest.raises(WrongScenario) as caught:
        read(str(path))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(WrongScenario, match="give a path, or one of chat, "):
        read("no-such")


@pytest.mark.parametrize("name", names())
def test_those_that_come_along(name: str) -> None:
    found = read(name)
    assert found.about
    assert found == read(str(FOLDER / f"{name}.toml"))
    assert len(list(asks(found, "m"))) == found.requests


def test_the_command_line_goes_first() -> None:
    base = Scenario(rate=3.0, words=lengths(5))
    assert changed(base, {"clients": 4, "text": "Hi", "seed": None}) == Scenario(clients=4, text="Hi")
    with pytest.raises(WrongScenario, match=r"leavers\.share is 2"):
        changed(base, {"leave": 2.0})


def test_requests(path: Path) -> None:
    path.write_text(WHOLE, "utf-8")
    scenario = read(str(path))
    made = list(asks(scenario, "m", (("authorization", "Bearer k"),)))
    bodies = [json.loads(ask.body) for ask in made]
    assert made == list(asks(scenario, "m", (("authorization", "Bearer k"),)))
    assert len({body["messages"][0]["content"] for body in bodies}) > 25
    assert {body["max_tokens"] for body in bodies} <= set(range(10, 21))
    assert all(body["ignore_eos"] and "delay_ms" in body["messages"][0]["content"] for body in bodies)
    slow, leaving = [a for a in made if a.read_bytes], [a for a in made if a.leave_after is not None]
    assert 5 < len(slow) < 25
    assert 5 < len(leaving) < 25
    assert {(a.read_bytes, a.read_every) for a in slow} == {(64, 0.02)}
    assert all(0 <= (a.leave_after or 0) <= 2 for a in leaving)
