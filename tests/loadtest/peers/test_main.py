"""What the command line chooses."""

from __future__ import annotations

import pytest

from loadtest.peers.__main__ import chosen, loads, main, parser
from loadtest.peers.catalog import FLOOR, OURS, PEERS, TURN

CHOICES = {
    "all": (None, [peer.name for peer in PEERS if not peer.by_name]),
    "one-beside-ours": (["dynamo"], [FLOOR, TURN, OURS, "dynamo"]),
    "one-that-is-asked-for-by-name": (["litellm-openai"], [FLOOR, TURN, OURS, "litellm-openai"]),
}


@pytest.mark.parametrize(("names", "expected"), CHOICES.values(), ids=CHOICES)
def test_chosen(names: list[str] | None, expected: list[str]) -> None:
    assert [peer.name for peer in chosen(names)] == expected


def test_a_name_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "dinamo"]) == 2
    assert "'dinamo'; there are emitter, emitter-turn, gateway, " in capsys.readouterr().err


def test_loads() -> None:
    assert [load.name for load in loads(parser().parse_args([]))] == ["paced", "saturated"]
    (stepped,) = loads(parser().parse_args(["--load", "stepped", "--tokens", "7", "--streams", "3"]))
    assert (stepped.tokens, stepped.streams, stepped.pace.steps) == (7, 3, True)


def test_the_list_names_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [peer.name for peer in PEERS]
