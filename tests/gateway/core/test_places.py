from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.places import Place, address, host_of, listed, without_doubles

ADDRESSES = [
    ("a name", "gpu-1:8001", "gpu-1:8001"),
    ("case and spaces", " GPU-1.Example:8001 ", "gpu-1.example:8001"),
    ("zeros", "10.0.0.1:08001", "10.0.0.1:8001"),
    ("IPv6", "[::1]:8001", "[::1]:8001"),
    ("IPv6 of an interface", "[fe80::1%eth0]:8001", "[fe80::1%eth0]:8001"),
    ("no port", "gpu-1", None),
    ("no host", ":8001", None),
    ("port 0", "gpu-1:0", None),
    ("port too high", "gpu-1:65536", None),
    ("a URL", "http://gpu-1:8001", None),
    ("bare IPv6", "::1:8001", None),
    ("a control character", "gpu\x00-1:8001", None),
    ("digits of another script", "gpu-1:\u0668\u0660", None),
    ("nothing", "", None),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in ADDRESSES], ids=[row[0] for row in ADDRESSES])
def test_addresses(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="HOST:PORT"):
            address(text)
    else:
        assert address(text) == expected


def test_the_host_keeps_its_brackets_for_a_url() -> None:
    assert host_of("[::1]:8001") == "[::1]"
    assert host_of("gpu-1:8001") == "gpu-1"


LISTS = [
    ("TOML", 'endpoints = ["a:1", "b:2"]', (Place("a:1"), Place("b:2"))),
    (
        "TOML with tables",
        'endpoints = [\n  "a:1",\n  {address = "b:2", weight = 2, metrics = "http://b:8002/metrics"},\n]',
        (Place("a:1"), Place("b:2", 2.0, "http://b:8002/metrics")),
    ),
    ("TOML with array of tables", '[[endpoints]]\naddress = "a:1"\nweight = 0.5\n', (Place("a:1", 0.5),)),
    ("none at all", "endpoints = []\n", ()),
    ("lines", "# ours\na:1\n\n  b:2   # the new one\n", (Place("a:1"), Place("b:2"))),
    ("one line without its end", "a:1", (Place("a:1"),)),
    ("lines of IPv6", "[::1]:1\n[::2]:1\n", (Place("[::1]:1"), Place("[::2]:1"))),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS])
def test_lists(text: str, expected: tuple[Place, ...]) -> None:
    assert listed(text) == expected


BROKEN = [
    ("empty", "", "it is empty"),
    ("comments only", "# a:1\n", "comments only"),
    ("half a list", 'endpoints = ["a:1", ', "not valid TOML"),
    ("half a line", "a:1\nb", "line 2: 'b' is not HOST:PORT"),
    ("another key", 'endpoints = ["a:1"]\nendpoint = 1', "unknown key 'endpoint'"),
    ("a misspelt key", 'endpoint = ["a:1"]', "unknown key 'endpoint'"),
    ("no list", 'endpoints = "a:1"', "must be a list"),
    ("a number", "endpoints = [8001]", "endpoint 1 must be"),
    ("no address", "endpoints = [{weight = 1.0}]", "endpoint 1 must be"),
    ("a bad address", 'endpoints = ["a:1", "b"]', "endpoint 2: 'b' is not HOST:PORT"),
    ("unknown in a table", 'endpoints = [{address = "a:1", wieght = 1}]', "unknown key 'wieght'"),
    ("weight 0", 'endpoints = [{address = "a:1", weight = 0}]', "weight is 0"),
    ("weight nan", 'endpoints = [{address = "a:1", weight = nan}]', "weight is nan"),
    ("weight true", 'endpoints = [{address = "a:1", weight = true}]', "weight is True"),
    ("huge weight", 'endpoints = [{address = "a:1", weight = 1e9}]', "up to 1000"),
    ("metrics of another scheme", 'endpoints = [{address = "a:1", metrics = "file:///etc/passwd"}]', "metrics must be"),
    ("deeply nested", "endpoints = " + "[" * 100_000, "not valid TOML"),
    ("a very long line", "x" * 100_000, "^line 1: .{1,400}$"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_list_says_what_and_where(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        listed(text)


@given(st.text() | st.text().map("endpoints = [{}".format) | st.text().map("a:1\n{}".format))
def test_any_text_is_a_list_or_a_clear_no(text: str) -> None:
    try:
        places = listed(text)
    except ValueError:
        return
    assert all(address(place.address) == place.address and place.weight > 0 for place in places)


def test_the_first_of_each_address_counts() -> None:
    first, second = Place("a:1", 2.0), Place("a:1", 1.0)
    assert without_doubles([first, Place("b:1"), second, second]) == ((first, Place("b:1")), ("a:1",))
