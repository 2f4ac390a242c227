import pytest

from model_repo_builder.triton_models.shared.tokenizer_folder import load_tokenizer
from model_repo_builder.triton_models.shared.utf8_stream import TokenBytes, Utf8Stream, continues, decode_piece
from tests.support.splits import every_split
from tests.support.tokenizer import TokenizerFolder

EVERY_BYTE = TokenBytes([bytes([byte]) for byte in range(256)])

CASES = {
    "ascii": b"plain",
    "hanzi": "聪明的孩子".encode(),
    "family": "👨‍👩‍👧".encode(),
    "a lone lead byte at the end": b"ab\xe8\x81",
    "a lone lead byte in the middle": b"a\xe8b",
    "continuations without a lead": b"\x80\x80a",
    "bytes that are never UTF-8": b"\xff\xfe\xff",
    "a surrogate": b"\xed\xa0\x80x",
    "overlong": b"\xc0\xafx",
    "a replacement character of its own": "a\ufffdb".encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES.keys())
def test_pieces_are_the_whole_over_every_split(data: bytes) -> None:
    whole = data.decode("utf-8", "replace")
    assert EVERY_BYTE.text(data) == whole
    for pieces in every_split(data):
        stream = Utf8Stream(EVERY_BYTE)
        assert "".join([*(stream.push(piece) for piece in pieces), stream.flush()]) == whole, pieces


@pytest.mark.parametrize("data", CASES.values(), ids=CASES.keys())
def test_pieces_with_their_leftovers_are_the_whole_over_every_split(data: bytes) -> None:
    for pieces in every_split(data):
        text, pending = "", b""
        for piece in pieces:
            more, pending = decode_piece(pending, piece)
            assert len(pending) <= 3
            text += more
        assert text + pending.decode("utf-8", "replace") == data.decode("utf-8", "replace"), pieces


def test_ids_without_a_token_have_no_text() -> None:
    assert TokenBytes([b"a", b"b"]).text([0, -1, 7, 1, 2**31]) == "ab"


@pytest.mark.parametrize(
    ("piece", "expected"), [(b"", False), (b"a", False), (b"\x80", True), (b"\xbf", True), (b"\xe8", False)]
)
def test_continues(piece: bytes, expected: bool) -> None:
    assert continues(piece) is expected


@pytest.mark.parametrize("text", ["如何保持正能量?😀 hello world", "聪 👨‍👩‍👧", "a\n\n b\t", "<think>so</think>"])
def test_a_real_tokenizer_over_every_split(tokenizer: TokenizerFolder, text: str) -> None:
    loaded = load_tokenizer(str(tokenizer.path))
    (ids,) = loaded.prompts([text])
    for pieces in every_split(ids):
        stream = Utf8Stream(loaded.token_bytes)
        assert "".join([*(stream.push(piece) for piece in pieces), stream.flush()]) == text


def test_special_tokens_are_shown_only_if_asked(tokenizer: TokenizerFolder) -> None:
    (ids,) = load_tokenizer(str(tokenizer.path)).prompts(["a<|im_end|>b<think>"])
    assert tokenizer.end_id in ids
    assert load_tokenizer(str(tokenizer.path)).token_bytes.text(ids) == "ab<think>"
    shown = load_tokenizer(str(tokenizer.path), skip_special_tokens=False)
    assert shown.token_bytes.text(ids) == "a<|im_end|>b<think>"
