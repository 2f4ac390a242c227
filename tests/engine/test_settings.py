"""Parameters of the model → settings, and the sentences for what is wrong with them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from model_repo_builder.triton_models.openvino.gguf_file import DamagedFile, check_gguf, opened_for_writing
from model_repo_builder.triton_models.openvino.settings import SettingsError, read_settings

FULL = {"max_seq_len": "2048", "vocab_size": "800", "eos_token_ids": "748, 746"}


def test_read(tiny_qwen_gguf: Path) -> None:
    settings = read_settings(
        {
            **FULL,
            "model_path": str(tiny_qwen_gguf),
            "exclude_input_in_output": "true",
            "cancellation_check_period_ms": "20",
            "guided_decoding_compile_ms": "500",
            "enable_kv_cache_reuse": "True",
            "max_tokens_in_paged_kv_cache": "512",
            "batching_strategy": "of no concern",
        }
    )
    assert (settings.model_path, settings.max_seq_len, settings.vocab_size) == (tiny_qwen_gguf, 2048, 800)
    assert (settings.eos_token_ids, settings.exclude_input_in_output) == ((748, 746), True)
    assert (settings.cancel_period, settings.reuse_kv_cache) == (0.02, True)
    assert (settings.kv_cache_tokens, settings.capacity) == (512, 512)
    assert settings.guide_milliseconds == 500


def test_defaults(tiny_qwen_gguf: Path) -> None:
    settings = read_settings({**FULL, "model_path": str(tiny_qwen_gguf)})
    assert (settings.exclude_input_in_output, settings.cancel_period, settings.reuse_kv_cache) == (False, 0.1, False)
    assert (settings.kv_cache_tokens, settings.capacity) == (None, 2048)
    assert settings.guide_milliseconds == 2000


WRONG = [
    pytest.param({"model_path": ""}, "model_path is missing", id="no model"),
    pytest.param({"model_path": "/nowhere/model.gguf"}, "/nowhere/model.gguf does not exist", id="not there"),
    pytest.param({"model_path": "{folder}"}, "has no openvino_model.xml", id="folder without IR"),
    pytest.param({"model_path": "{folder}/model.bin"}, "neither a .gguf file", id="another file"),
    pytest.param({"max_seq_len": ""}, "max_seq_len is missing", id="no length"),
    pytest.param({"max_seq_len": "1"}, "max_seq_len is '1'", id="length too small"),
    pytest.param({"vocab_size": "many"}, "vocab_size is 'many'", id="no number"),
    pytest.param({"eos_token_ids": "1;2"}, "eos_token_ids is '1;2'", id="ids"),
    pytest.param({"enable_kv_cache_reuse": "maybe"}, "enable_kv_cache_reuse is 'maybe'", id="flag"),
]


@pytest.mark.parametrize(("parameters", "text"), WRONG)
def test_wrong(parameters: dict[str, str], text: str, tmp_path: Path, tiny_qwen_gguf: Path) -> None:
    (tmp_path / "model.bin").touch()
    given = {**FULL, "model_path": str(tiny_qwen_gguf), **parameters}
    given = {name: value.replace("{folder}", str(tmp_path)) for name, value in given.items()}
    with pytest.raises(SettingsError, match=text):
        read_settings(given)


def test_a_whole_gguf_passes(tiny_qwen_gguf: Path) -> None:
    check_gguf(tiny_qwen_gguf)


DAMAGED = [
    pytest.param(0, "not a GGUF file", id="empty"),
    pytest.param(20, "ends inside its header", id="inside the counts"),
    pytest.param(3000, "ends inside its header", id="inside the vocabulary"),
    pytest.param(-400_000, "is cut off", id="inside the weights"),
    pytest.param(-1, "is cut off", id="one byte short"),
]


@pytest.mark.parametrize(("length", "text"), DAMAGED)
def test_a_damaged_gguf_is_told(length: int, text: str, tmp_path: Path, tiny_qwen_gguf: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny_qwen_gguf.read_bytes()[:length])
    with pytest.raises(DamagedFile, match=text):
        check_gguf(path)


def test_another_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("this is no model")
    with pytest.raises(DamagedFile, match="not a GGUF file"):
        check_gguf(path)


def test_a_file_that_may_be_written_is_loaded_where_it_lies(tiny_qwen_gguf: Path) -> None:
    with opened_for_writing(tiny_qwen_gguf) as path:
        assert path == tiny_qwen_gguf


def test_a_file_that_may_only_be_read_is_loaded_from_a_copy(tiny_qwen_gguf: Path, tmp_path: Path) -> None:
    """A program that runs may not be written by anybody, root included; see also tests/deploy/test_cpu_stage.py."""
    program = tmp_path / "model.gguf"
    shutil.copy(shutil.which("sleep") or "", program)
    running = subprocess.Popen([program, "60"])
    try:
        with opened_for_writing(program) as path:
            assert path != program
            assert path.name == "model.gguf"
            assert path.read_bytes() == program.read_bytes()
        assert not path.parent.exists()
    finally:
        running.kill()
        running.wait()
