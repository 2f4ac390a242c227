"""What a key file may say, and which key is found."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from gateway.core.caller import Caller
from gateway.core.errors import SettingsError
from gateway.core.keys import hashed, read_keys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ALICE, BOB = "a" * 40, "b" * 40


def table(name: str = "alice", key: str = ALICE, rest: str = "") -> str:
    return f'[[keys]]\nname = "{name}"\nhash = "{hashed(key)}"\n{rest}\n'


def test_a_key_is_found_wherever_it_stands() -> None:
    keys = read_keys(tomllib.loads(table() + table("bob", BOB)))
    names = []
    for key in (ALICE, BOB):
        found = keys.find(key.encode())
        assert found is not None
        names.append(found.caller.name)
    assert names == ["alice", "bob"]


@pytest.mark.parametrize(
    "presented",
    [b"", b"a", ALICE[:-1].encode(), (ALICE + "a").encode(), hashed(ALICE).encode(), b"\x00\xff" * 20, b"x" * 100_000],
    ids=["empty", "short", "less", "more", "the-hash", "binary", "long"],
)
def test_what_is_no_key(presented: bytes) -> None:
    assert read_keys(tomllib.loads(table())).find(presented) is None


def test_what_a_key_says_of_its_owner() -> None:
    rest = (
        'models = ["q", "e"]\nrequests_per_minute = 60\ntokens_per_minute = 1000\nmax_streams = 2\npriority = "low"\n'
        "admin = true\nexpires = 2027-01-31"
    )
    (key,) = read_keys(tomllib.loads(table(rest=rest))).keys
    assert key.caller == Caller("alice", "low", frozenset({"q", "e"}), 2, 60, 1000, True)
    assert key.expires == 1801353600.0


def test_nothing_said_is_no_limit_and_zero_is_the_same() -> None:
    (silent,) = read_keys(tomllib.loads(table())).keys
    (zero,) = read_keys(
        tomllib.loads(table(rest="requests_per_minute = 0\ntokens_per_minute = 0\nmax_streams = 0"))
    ).keys
    assert silent.caller == zero.caller == Caller("alice")
    assert silent.expires is None


WRONG = [
    pytest.param("", "headed", id="empty"),
    pytest.param("keys = []", "it has no keys", id="no-keys"),
    pytest.param("keys = 1", "headed", id="no-tables"),
    pytest.param("keys = [1]", "headed", id="numbers"),
    pytest.param(table() + "[other]\n", "nothing else", id="another-table"),
    pytest.param(f'[[keys]]\nhash = "{hashed(ALICE)}"', "number 1 lacks a 'name'", id="no-name"),
    pytest.param(table("a b"), "'a b'", id="name-with-space"),
    pytest.param(table("a/b"), "'a/b'", id="name-with-slash"),
    pytest.param(table("x" * 65), "1 to 64", id="long-name"),
    pytest.param('[[keys]]\nname = "a"', "'a': 'hash' must be", id="no-hash"),
    pytest.param(f'[[keys]]\nname = "a"\nhash = "{ALICE}"', "'a': 'hash' must be", id="the-key-itself"),
    pytest.param('[[keys]]\nname = "a"\nhash = 1', "'a': 'hash' must be", id="hash-of-another-type"),
    pytest.param(table(rest="model = 1"), "unknown field 'model'", id="unknown-field"),
    pytest.param(table(rest="models = []"), "'models' must be", id="no-models"),
    pytest.param(table(rest='models = "q"'), "'models' must be", id="models-as-text"),
    pytest.param(table(rest="requests_per_minute = -1"), "'requests_per_minute' must be", id="negative"),
    pytest.param(table(rest="tokens_per_minute = 1.5"), "'tokens_per_minute' must be", id="fraction"),
    pytest.param(table(rest="max_streams = true"), "'max_streams' must be", id="a-truth-is-no-number"),
    pytest.param(table(rest=f"tokens_per_minute = {2**60}"), "'tokens_per_minute' must be", id="huge"),
    pytest.param(table(rest='priority = "urgent"'), "high, normal, low", id="priority"),
    pytest.param(table(rest='admin = "yes"'), "'admin' must be", id="admin"),
    pytest.param(table(rest='expires = "2027-01-31"'), "'expires' must be", id="expires-as-text"),
    pytest.param(table(rest="expires = 2027-01-31T12:00:00"), "with its zone", id="expires-nowhere"),
    pytest.param(table() + table("alice", BOB), "same name", id="name-twice"),
    pytest.param(table() + table("bob", ALICE), "'bob' has the same hash", id="key-twice"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_file_is_a_sentence_without_hashes(text: str, said: str) -> None:
    document: dict[str, Any] = tomllib.loads(text)
    with pytest.raises(SettingsError, match=said) as refused:
        read_keys(document)
    assert hashed(ALICE) not in refused.value.message
    assert ALICE not in refused.value.message


@pytest.mark.parametrize("key", ["", "a" * 31, "a b" * 20, "é" * 40, "a" * 40 + "\n"], ids=repr)
def test_keys_that_are_not_safe(key: str) -> None:
    with pytest.raises(SettingsError, match="at least 32"):
        hashed(key)
