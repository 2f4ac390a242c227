"""The repository of the one llmapi model: its declaration, its model.yaml, and what is refused."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from model_repo_builder.cli import main
from model_repo_builder.errors import BuilderError
from model_repo_builder.llmapi_plan import plan_llmapi
from model_repo_builder.repository import Plan
from model_repo_builder.settings import RepoSettings
from tests.model_repo_builder.shapes import write_tokenizer_files
from tests.model_repo_builder.test_qwen import checkpoint

SHARED = Path(__file__).parents[3] / "shared" / "contracts"


def planned(folder: Path, **changes: Any) -> Plan:
    given = {
        "engine": "llmapi",
        "tokenizer_dir": write_tokenizer_files(folder / "tokenizer"),
        "model_path": checkpoint(folder / "checkpoint"),
        **changes,
    }
    return plan_llmapi(RepoSettings(**given))


def yaml_lines(plan: Plan) -> list[str]:
    return plan.files[PurePosixPath("tensorrt_llm/1/model.yaml")].decode().splitlines()


def test_the_model_is_declared_as_officially(tmp_path: Path) -> None:
    source = SHARED / "triton_repo_llmapi_main.json"
    if not source.is_file():
        pytest.skip("the contract facts are not on this machine")
    facts = json.loads(source.read_text("utf-8"))["models"]["tensorrt_llm"]
    text = planned(tmp_path).files[PurePosixPath("tensorrt_llm/config.pbtxt")].decode()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    kind = model_config_pb2.DataType.Name
    assert [(t.name, kind(t.data_type), list(t.dims), t.optional) for t in config.input] == [
        (t["name"], t["data_type"], t["dims"], t["optional"]) for t in facts["inputs"]
    ]
    assert [(t.name, kind(t.data_type), list(t.dims)) for t in config.output] == [
        (t["name"], t["data_type"], t["dims"]) for t in facts["outputs"]
    ]
    # In config.pbtxt, since the official launcher keeps model.yaml's triton_config from having an effect.
    assert config.model_transaction_policy.decoupled


def test_settings_reach_model_yaml(tmp_path: Path) -> None:
    changes = {"tensor_parallel_size": 2, "enable_kv_cache_reuse": False, "max_seq_len": 64, "decoupled_mode": False}
    plan = planned(tmp_path, **changes)
    lines = yaml_lines(plan)
    for line in (
        f'model: "{tmp_path / "checkpoint"}"',
        'backend: "pytorch"',
        "tensor_parallel_size: 2",
        "max_seq_len: 64",
        "  enable_block_reuse: false",
        "  free_gpu_memory_fraction: 0.85",
        '  capacity_scheduler_policy: "GUARANTEED_NO_EVICT"',
        "  decoupled: false",
        "  cancellation_check_period_ms: 50",
    ):
        assert line in lines
    assert any("tried in a release" in line for line in lines)
    assert plan.gateway.route == "llmapi"
    assert plan.gateway.max_model_len == 64
    assert "model.py" in plan.notes[0]


def test_the_official_files_are_copied_where_they_are_given(tmp_path: Path) -> None:
    version = tmp_path / "official" / "tensorrt_llm" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text("# theirs")
    plan = planned(tmp_path, official_dir=tmp_path / "official")
    assert plan.files[PurePosixPath("tensorrt_llm/1/model.py")] == b"# theirs"
    assert plan.notes == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_path": None}, "engine llmapi needs a model"),
        ({"contract": "0.16.0"}, "is one of TensorRT engines"),
        ({"max_beam_width": 2}, "max_beam_width has no place"),
        ({"gpu_device_ids": "0,1"}, "gpu_device_ids has no place"),
        ({"tensor_parallel_size": 0}, "at least 1"),
        ({"max_seq_len": 10**9}, "holds at most"),
        ({"engine": "openvino", "tensor_parallel_size": 2}, "is for engine llmapi"),
        ({"official_dir": Path("/no/such/folder")}, "has no llmapi model"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BuilderError) as caught:
        planned(tmp_path, **changes)
    assert words in str(caught.value)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer, model = write_tokenizer_files(tmp_path / "tokenizer"), checkpoint(tmp_path / "checkpoint")
    given = ["--engine", "llmapi", "--tokenizer", str(tokenizer), "--model", str(model)]
    assert main(["repo", str(tmp_path / "out"), *given, "--explain"]) == 0
    assert "tensor_parallel_size = 1  (default)" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert main(["repo", str(tmp_path / "out"), *given]) == 0
    assert "first: copy model.py" in capsys.readouterr().out
    assert (tmp_path / "out" / "tensorrt_llm" / "1" / "model.yaml").is_file()
