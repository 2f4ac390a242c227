import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.detokenize import Detokenizer
from tests.gateway.vocabulary import BYTES, CONTROL, Vocabulary
from tests.support.splits import every_split

vocabulary = Vocabulary()


def as_bytes(data: bytes) -> list[int]:
    return [BYTES + byte for byte in data]


CASES = [
    pytest.param(vocabulary.encode("hello world"), "hello world", id="words"),
    pytest.param(as_bytes("聪".encode()), "聪", id="three-bytes"),
    pytest.param(as_bytes("👨‍👩‍👧".encode()), "👨‍👩‍👧", id="family-of-emoji"),
    pytest.param([*as_bytes("聪".encode()[:2]), CONTROL, *as_bytes("聪".encode()[2:])], "聪", id="control-inside"),
    pytest.param(as_bytes("聪".encode()[:2]), "\ufffd", id="cut-off-at-the-end"),
    pytest.param(as_bytes(b"\xff\xfea"), "\ufffd\ufffda", id="no-utf-8"),
    pytest.param(as_bytes("聪".encode()[:1] + b"a"), "\ufffda", id="broken-then-ascii"),
    pytest.param(as_bytes(b"\xed\xa0\x80"), "\ufffd\ufffd\ufffd", id="surrogate-is-no-text"),
    pytest.param([-1, *vocabulary.encode("hello"), 10_000], "hello", id="ids-outside-the-vocabulary"),
    pytest.param([], "", id="nothing"),
]


@pytest.mark.parametrize(("ids", "text"), CASES)
def test_text_of_every_split(ids: list[int], text: str) -> None:
    for parts in every_split(ids):
        detokenizer = Detokenizer(vocabulary.table)
        assert "".join(map(detokenizer.push, parts)) + detokenizer.flush() == text


def test_nothing_is_held_that_is_certain() -> None:
    detokenizer = Detokenizer(vocabulary.table)
    assert detokenizer.push(as_bytes("a聪".encode()[:3])) == "a"
    assert detokenizer.push(as_bytes("聪".encode()[2:])) == "聪"


@given(st.binary(max_size=200))
def test_any_bytes_equal_decoding_them_at_once(data: bytes) -> None:
    detokenizer = Detokenizer(vocabulary.table)
    joined = "".join(detokenizer.push([id]) for id in as_bytes(data)) + detokenizer.flush()
    assert joined == data.decode("utf-8", "replace")
