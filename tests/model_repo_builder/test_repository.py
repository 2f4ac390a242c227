import ast
import json
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from model_repo_builder.errors import RepositoryError, SettingsError
from model_repo_builder.repository import Plan, plan, write
from model_repo_builder.settings import RepoSettings
from tests.model_repo_builder.shapes import openvino_settings, write_engine, write_tokenizer_files

MODELS = ["ensemble", "postprocessing", "preprocessing", "tensorrt_llm", "tensorrt_llm_bls"]


def config(repository: Plan, model: str) -> Any:
    text = repository.files[PurePosixPath(model, "config.pbtxt")].decode()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def test_five_models_each_with_a_version(tmp_path: Path) -> None:
    files = plan(openvino_settings(tmp_path)).files
    assert sorted({path.parts[0] for path in files if len(path.parts) > 1}) == MODELS
    for model in MODELS:
        assert any(path.parts[:2] == (model, "1") for path in files), model
    assert PurePosixPath("gateway.toml") in files


@pytest.mark.parametrize("model", ["preprocessing", "postprocessing", "tensorrt_llm_bls", "tensorrt_llm"])
def test_every_module_that_is_imported_lies_beside_the_model(tmp_path: Path, model: str) -> None:
    files = {
        path.name: data for path, data in plan(openvino_settings(tmp_path)).files.items() if path.parts[0] == model
    }
    assert "model.py" in files
    imported = {
        node.module
        for name, data in files.items()
        if name.endswith(".py")
        for node in ast.walk(ast.parse(data))
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert {f"{module}.py" for module in imported} == {n for n in files if n.endswith(".py") and n != "model.py"}


def test_the_engine_learns_what_the_files_say(tmp_path: Path) -> None:
    repository = plan(openvino_settings(tmp_path))
    parameters = {name: value.string_value for name, value in config(repository, "tensorrt_llm").parameters.items()}
    assert parameters["model_path"] == str(tmp_path / "model.gguf")
    assert parameters["max_seq_len"] == "512"
    assert parameters["vocab_size"] == "8"
    assert parameters["eos_token_ids"] == "5,3"
    assert parameters["exclude_input_in_output"] == "true"
    assert repository.gateway.eos_token_ids == (5, 3)
    assert repository.gateway.max_model_len == 512


def test_bls_knows_its_wiring(tmp_path: Path) -> None:
    wiring = json.loads(plan(openvino_settings(tmp_path)).files[PurePosixPath("tensorrt_llm_bls/1/wiring.json")])
    assert wiring["inputs"]["temperature"] == "temperature"
    assert wiring["inputs"]["top_p"] == "runtime_top_p"


def trtllm(folder: Path, **changes: Any) -> RepoSettings:
    tokenizer = write_tokenizer_files(folder / "tokenizer")
    engine = write_engine(folder / "engine")
    return RepoSettings(**{"engine": "trtllm", "tokenizer_dir": tokenizer, "engine_dir": engine, **changes})


def test_a_tensorrt_engine(tmp_path: Path) -> None:
    repository = plan(trtllm(tmp_path))
    engine = config(repository, "tensorrt_llm")
    assert engine.backend == "tensorrtllm"
    assert engine.parameters["gpt_model_path"].string_value == str(tmp_path / "engine")
    assert engine.parameters["enable_chunked_context"].string_value == "false"  # it was built without
    assert list(engine.dynamic_batching.preferred_batch_size) == [8]
    assert config(repository, "tensorrt_llm_bls").instance_group[0].count == 8
    assert repository.gateway.vocab_size == 152064


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"triton_max_batch_size": 17}, "built for at most 16"),
        ({"max_beam_width": 2}, "built for at most 1"),
        ({"enable_kv_cache_reuse": True}, "use_paged_context_fmha"),
        ({"enable_chunked_context": True}, "use_paged_context_fmha"),
        ({"max_seq_len": 5000}, "at most 1536"),
    ],
)
def test_what_the_engine_was_not_built_for(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        plan(trtllm(tmp_path, **changes))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("exists", [False, True], ids=["a new folder", "an empty folder"])
def test_write(tmp_path: Path, exists: bool) -> None:
    repository, output = plan(openvino_settings(tmp_path / "in")), tmp_path / "deep" / "repo"
    if exists:
        output.mkdir(parents=True)
    write(repository, output)
    assert snapshot(output) == {str(path): data for path, data in repository.files.items()}
    assert [path.name for path in output.parent.iterdir()] == ["repo"]


def test_a_folder_with_files_is_left_untouched(tmp_path: Path) -> None:
    repository, output = plan(openvino_settings(tmp_path / "in")), tmp_path / "out"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    with pytest.raises(RepositoryError, match="not empty and is left untouched"):
        write(repository, output)
    assert snapshot(output) == {"notes.txt": b"mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    repository, output = plan(openvino_settings(tmp_path / "in")), tmp_path / "out"
    output.write_text("mine")
    with pytest.raises(RepositoryError, match="in the way"):
        write(repository, output)
    assert output.read_text() == "mine"


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    # A file where a folder must be: the second file of the plan cannot be written.
    files = {PurePosixPath("a"): b"1", PurePosixPath("a/b"): b"2"}
    broken = replace(plan(openvino_settings(tmp_path / "in")), files=files)
    with pytest.raises(RepositoryError, match="nothing was left there"):
        write(broken, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
