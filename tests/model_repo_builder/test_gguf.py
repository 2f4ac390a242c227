import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model_repo_builder.errors import CheckpointError
from model_repo_builder.gguf import Header, LongArray, read_header
from tests.model_repo_builder.shapes import gguf_bytes, gguf_entry, gguf_text

WHOLE = gguf_bytes()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def header(entries: list[bytes], *, version: int = 3, tensors: int = 0, count: int | None = None) -> bytes:
    number = len(entries) if count is None else count
    return b"GGUF" + struct.pack("<IQQ", version, tensors, number) + b"".join(entries)


def test_reads_metadata_and_shapes(tmp_path: Path) -> None:
    read = read_header(write(tmp_path / "m.gguf", WHOLE))
    assert read.text("general.architecture") == "qwen2"
    assert read.number("qwen2.context_length") == 512
    assert read.metadata["tokenizer.ggml.tokens"] == LongArray(70)
    assert read.metadata["some.flags"] == (True, False, True)
    assert read.tensors == {"token_embd.weight": (64, 8)}


def test_a_value_of_another_type_is_no_number(tmp_path: Path) -> None:
    read = read_header(write(tmp_path / "m.gguf", WHOLE))
    assert read.number("general.architecture") is None
    assert read.text("qwen2.context_length") is None


def test_reads_a_real_file(tiny_qwen_gguf: Path) -> None:
    read = read_header(tiny_qwen_gguf)
    assert read.text("general.architecture") == "qwen2"
    assert "token_embd.weight" in read.tensors


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    for size in range(len(WHOLE)):
        with pytest.raises(CheckpointError):
            read_header(write(tmp_path / "m.gguf", WHOLE[:size]))


HUGE = 2**62


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"not a gguf file", "begin with the letters GGUF", id="another format"),
        pytest.param(b"", "cannot be read", id="empty"),
        pytest.param(header([], version=99), "version 99", id="version"),
        pytest.param(header([], version=3, count=HUGE), "claims", id="entries"),
        pytest.param(header([], tensors=HUGE), "claims", id="tensors"),
        pytest.param(header([struct.pack("<Q", HUGE)]), "middle of its header", id="key length"),
        pytest.param(header([gguf_entry("k", 8, struct.pack("<Q", HUGE))]), "middle of its header", id="text length"),
        pytest.param(header([gguf_entry("k", 9, struct.pack("<IQ", 4, HUGE))]), "middle of its header", id="numbers"),
        pytest.param(header([gguf_entry("k", 9, struct.pack("<IQ", 8, HUGE))]), "claims", id="texts"),
        pytest.param(header([gguf_entry("k", 9, struct.pack("<IQ", 9, 1))]), "unknown or nested", id="nested array"),
        pytest.param(header([gguf_entry("k", 77, b"")]), "unknown type 77", id="unknown type"),
        pytest.param(
            header([gguf_text("t") + struct.pack("<I", 2**31)], tensors=1, count=0), "dimensions", id="dimensions"
        ),
    ],
)
def test_hostile_files(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_header(write(tmp_path / "m.gguf", data))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_header(tmp_path / "none.gguf")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(4, len(WHOLE) - 1), with_bytes=st.binary(min_size=1, max_size=8))
@example(at=16, with_bytes=b"\0")  # no metadata, whose bytes are a tensor then
def test_damage_is_an_error_or_another_header_never_a_crash(tmp_path: Path, at: int, with_bytes: bytes) -> None:
    damaged = WHOLE[:at] + with_bytes + WHOLE[at + len(with_bytes) :]
    with contextlib.suppress(CheckpointError):
        assert isinstance(read_header(write(tmp_path / "m.gguf", damaged)), Header)
