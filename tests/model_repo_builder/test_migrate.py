import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from loadtest.engine import FOLDER as ENGINE
from loadtest.engine.script import Script
from model_repo_builder.cli import main
from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.subject import Machine, read_repository
from model_repo_builder.errors import BuilderError
from model_repo_builder.migrate import Migration, migrate
from model_repo_builder.ports import Ports
from tests.gateway.asking import ask
from tests.model_repo_builder.doctor.repositories import (
    edit,
    good_repository,
    replace_text,
    rows,
    write_engine,
)
from tests.model_repo_builder.test_qwen import checkpoint
from tests.support.gateway import gateway_serving
from tests.support.llmapi_triton import HERE
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import require, running, set_parameters

SHARED = Path(__file__).parents[3] / "shared" / "contracts" / "triton_repo_llmapi_main.json"


def old_repository(folder: Path) -> Path:
    """A repository whose tokenizer folder is the whole checkpoint, as people who download it have it."""
    repository = good_repository(folder, kv_cache_free_gpu_mem_fraction=0.7, enable_kv_cache_reuse=True)
    checkpoint(folder / "tokenizer")
    return repository


def model_yaml(migration: Migration) -> dict[str, Any]:
    return dict(yaml.safe_load(text_of(migration, "tensorrt_llm/1/model.yaml")))


def text_of(migration: Migration, path: str) -> str:
    return next(data.decode() for name, data in migration.plan.files.items() if str(name) == path)


def config_of(migration: Migration) -> Any:
    return text_format.Parse(text_of(migration, "tensorrt_llm/config.pbtxt"), model_config_pb2.ModelConfig())


def test_values_are_taken_over(tmp_path: Path) -> None:
    repository = old_repository(tmp_path)
    edit(repository, "tensorrt_llm", max_attention_window_size="4096,1024", max_tokens_in_paged_kv_cache="9000")
    migration = migrate(repository)
    assert model_yaml(migration) == {
        "model": str(tmp_path / "tokenizer"),
        "backend": "pytorch",
        "tokenizer": str(tmp_path / "tokenizer"),
        "max_batch_size": 8,
        "max_seq_len": 1536,
        "max_num_tokens": 4096,
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1,
        "enable_chunked_prefill": True,
        "kv_cache_config": {
            "enable_block_reuse": True,
            "free_gpu_memory_fraction": 0.7,
            "max_tokens": 9000,
            "max_attention_window": [4096, 1024],
        },
        "scheduler_config": {"capacity_scheduler_policy": "GUARANTEED_NO_EVICT"},
        "triton_config": {"cancellation_check_period_ms": 50, "decoupled": True, "max_batch_size": 0},
    }
    assert {row.key for row in migration.taken} >= {"max_seq_len", "kv_cache_config.free_gpu_memory_fraction"}


def test_the_engines_gpus_and_cache_are_taken_over(tmp_path: Path) -> None:
    write_engine(tmp_path / "engine", ranks=2)
    path = tmp_path / "engine" / "config.json"
    data = json.loads(path.read_text())
    data["pretrained_config"]["quantization"] = {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}
    path.write_text(json.dumps(data))
    migration = migrate(old_repository(tmp_path))
    values = model_yaml(migration)
    assert (values["tensor_parallel_size"], values["kv_cache_config"]["dtype"]) == (2, "fp8")
    assert "the engine's quantization, FP8" in {row.feature for row in migration.lost}


def test_the_model_declares_what_llmapi_declares(tmp_path: Path) -> None:
    if not SHARED.is_file():
        pytest.skip("the official declarations are not beside the project")
    official = json.loads(SHARED.read_text())["models"]["tensorrt_llm"]
    config = config_of(migrate(old_repository(tmp_path)))
    for side, tensors in (("inputs", config.input), ("outputs", config.output)):
        assert [
            (tensor.name, model_config_pb2.DataType.Name(tensor.data_type), list(tensor.dims), tensor.optional)
            if side == "inputs"
            else (tensor.name, model_config_pb2.DataType.Name(tensor.data_type), list(tensor.dims))
            for tensor in tensors
        ] == [
            (tensor["name"], tensor["data_type"], tensor["dims"], *([tensor["optional"]] if side == "inputs" else []))
            for tensor in official[side]
        ]
    assert (config.backend, config.max_batch_size) == ("python", 0)
    # Stands in config.pbtxt too, since a launcher may disable what would read it from model.yaml.
    assert config.model_transaction_policy.decoupled is True


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    repository = old_repository(tmp_path)
    edit(repository, "tensorrt_llm", gpu_device_ids="0,1", decoding_mode="top_k_top_p")
    lost = {row.feature for row in migrate(repository).lost}
    assert {"logit_bias", "log-probabilities of tokens", "token ids in and out", "beam search"} <= lost
    assert {"gpu_device_ids = 0,1", "decoding_mode = top_k_top_p"} <= lost
    assert not {"max_beam_width = 1", "gpt_model_type = inflight_fused_batching"} & lost
    assert "guided decoding (response_format, forced tool calls)" not in lost  # v0.10 has none to lose


def test_guided_decoding_is_lost_where_there_was_some(tmp_path: Path) -> None:
    repository = good_repository(tmp_path, contract="v0.19.0")
    checkpoint(tmp_path / "tokenizer")
    assert any(row.feature.startswith("guided decoding") for row in migrate(repository).lost)


def test_official_files_are_copied(tmp_path: Path) -> None:
    official = tmp_path / "TensorRT-LLM" / "triton_backend/all_models/llmapi/tensorrt_llm/1"
    official.mkdir(parents=True)
    (official / "model.py").write_text("# model")
    (official / "helpers.py").write_text("# helpers")
    migration = migrate(old_repository(tmp_path), official=tmp_path / "TensorRT-LLM")
    assert text_of(migration, "tensorrt_llm/1/model.py") == "# model"
    assert text_of(migration, "tensorrt_llm/1/helpers.py") == "# helpers"
    assert not [step for step in migration.todo if "model.py" in step]


def test_the_command_says_what_to_do(tmp_path: Path, capsys: Any) -> None:
    repository, output = old_repository(tmp_path), tmp_path / "new"
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    assert main(["migrate", str(repository), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "kv_cache_config.free_gpu_memory_fraction = 0.7  (from kv_cache_free_gpu_mem_fraction)" in said
    assert "  logit_bias: " in said
    assert "copy model.py and helpers.py" in said
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before
    # The one thing that is still to be done is what the doctor finds.
    assert rows(examine(read_repository(output, Machine()))) == {("error", "model-py", "tensorrt_llm")}


REFUSED: list[tuple[str, Callable[[Path], object], str]] = [
    ("no checkpoint", lambda r: (r.parent / "tokenizer" / "model.safetensors").unlink(), "give --model"),
    ("no tokenizer", lambda r: edit(r, "preprocessing", tokenizer_dir="${tokenizer_dir}"), "set tokenizer_dir"),
    ("no engine", lambda r: replace_text(r, "tensorrt_llm", '"tensorrtllm"', '"python"'), "no TensorRT engine"),
    ("unreadable", lambda r: replace_text(r, "tensorrt_llm", "max_batch_size", "{ x"), "model-repo-builder doctor"),
    ("no number", lambda r: edit(r, "tensorrt_llm", sink_token_length="few"), "cannot be taken over"),
    ("gone", shutil.rmtree, "does not exist"),
]


@pytest.mark.parametrize(("broken", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_migrated(tmp_path: Path, capsys: Any, broken: Callable[[Path], object], words: str) -> None:
    repository = old_repository(tmp_path)
    broken(repository)
    assert main(["migrate", str(repository), "--output", str(tmp_path / "new")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_an_llmapi_repository_is_migrated_already(tmp_path: Path) -> None:
    main(["migrate", str(old_repository(tmp_path)), "--output", str(tmp_path / "new")])
    with pytest.raises(BuilderError, match="already"):
        migrate(tmp_path / "new")


@pytest.mark.parametrize(
    ("model", "words"),
    [("/no/such/folder", "does not exist"), ("./here", "does not exist"), ("name", "does not exist")],
)
def test_a_checkpoint_that_is_not_there(tmp_path: Path, model: str, words: str) -> None:
    with pytest.raises(BuilderError, match=words):
        migrate(good_repository(tmp_path), model)


def test_a_name_on_the_hub_is_taken_as_it_is(tmp_path: Path) -> None:
    assert model_yaml(migrate(good_repository(tmp_path), "Qwen/Qwen2.5-7B-Instruct"))["model"] == (
        "Qwen/Qwen2.5-7B-Instruct"
    )


def test_triton_and_the_gateway_take_what_was_written(tmp_path: Path, tokenizer: TokenizerFolder) -> None:
    """The engine scripted: llmapi itself needs a GPU."""
    require("pytriton")
    ports, old, new = Ports.free(), good_repository(tmp_path), tmp_path / "new"
    for model in ("preprocessing", "postprocessing"):
        edit(old, model, tokenizer_dir=str(tokenizer.path))
    gateway = (old / "gateway.toml").read_text().replace("127.0.0.1:8001", f"127.0.0.1:{ports.grpc}")
    (old / "gateway.toml").write_text(gateway)
    checkpoint(tmp_path / "checkpoint")
    assert main(["migrate", str(old), "--output", str(new), "--model", str(tmp_path / "checkpoint")]) == 0
    for source in (HERE / "llmapi_engine/model.py", ENGINE / "journal.py", ENGINE / "script.py"):
        shutil.copy(source, new / "tensorrt_llm" / "1")
    set_parameters(new / "tensorrt_llm", journal=str(tmp_path / "journal.jsonl"))
    with (
        running(new, ports, tmp_path / "triton.log"),
        gateway_serving(tmp_path / "gateway.log", "--config", str(new / "gateway.toml")) as serving,
    ):
        for stream in (True, False):
            answer = ask(serving, Script(text="你好, llmapi"), model="qwen", stream=stream)
            assert (answer.text, answer.reason) == ("你好, llmapi", "stop")
