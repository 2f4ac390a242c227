"""What is asked of TensorRT-LLM's Python API, by modules that record the calls: TensorRT-LLM itself is not here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from model_repo_builder import qwen, recipe
from model_repo_builder.plan import make_plan
from model_repo_builder.release import Release
from model_repo_builder.trtllm_api import main


@dataclass
class Calls:
    made: list[dict[str, Any]] = field(default_factory=list)

    def model(self) -> Any:
        calls = self.made

        class QWenForCausalLM:
            def __init__(self, rank: int) -> None:
                self.rank = rank

            @classmethod
            def from_hugging_face(cls, model: str, dtype: str, **more: Any) -> QWenForCausalLM:
                calls.append({"call": "from_hugging_face", "model": model, "dtype": dtype, **more})
                return cls(more["mapping"].rank)

            @classmethod
            def quantize(cls, model: str, output: str, **more: Any) -> None:
                calls.append({"call": "quantize", "model": model, "output": output, **more})

            def save_checkpoint(self, output: str, save_config: bool) -> None:
                calls.append({"call": "save", "rank": self.rank, "output": output, "config": save_config})

        return QWenForCausalLM


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()
    install(monkeypatch, "tensorrt_llm")
    install(monkeypatch, "tensorrt_llm.models", QWenForCausalLM=made.model())
    install(monkeypatch, "tensorrt_llm.mapping", Mapping=SimpleNamespace)
    install(monkeypatch, "tensorrt_llm.models.modeling_utils", QuantConfig=SimpleNamespace)
    names = ("W8A16", "W4A16", "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN", "INT8")
    algorithms = SimpleNamespace(**{name: name for name in names})
    install(monkeypatch, "tensorrt_llm.quantization", QuantAlgo=algorithms)
    return made


def install(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    module = sys.modules.get(name) or ModuleType(name)
    for key, value in members.items():
        monkeypatch.setattr(module, key, value, raising=False)
    monkeypatch.setitem(sys.modules, name, module)


def planned(release: str, **keys: Any) -> list[str]:
    """The arguments of the first stage, as the plan gives them."""
    facts = qwen.known("Qwen2.5-7B")
    assert facts is not None
    made = recipe.make({"model_dir": "model", "output_dir": "out", **keys})
    argv = make_plan(made, Release.parse(release), facts).stages[0].commands[0].argv
    return list(argv[3:])


@pytest.mark.parametrize(
    ("release", "extra"),
    [("0.12.0", {"load_model_on_cpu": True}), ("0.16.0", {"load_model_on_cpu": True}), ("1.1", {"device": "cpu"})],
)
def test_every_rank_is_converted_and_the_first_writes_the_config(
    calls: Calls, release: str, extra: dict[str, object]
) -> None:
    assert main(planned(release, tp_size=2, pp_size=2, load_on_cpu=True)) == 0
    conversions = [call for call in calls.made if call["call"] == "from_hugging_face"]
    mappings = [call["mapping"] for call in conversions]
    assert [mapping.rank for mapping in mappings] == [0, 1, 2, 3]
    assert {(mapping.world_size, mapping.tp_size, mapping.pp_size) for mapping in mappings} == {(4, 2, 2)}
    assert {(call["model"], call["dtype"]) for call in conversions} == {("model", "bfloat16")}
    known = {"call", "model", "dtype", "mapping", "quant_config", "use_parallel_embedding", "embedding_sharding_dim"}
    assert all({key: call[key] for key in call.keys() - known} == extra for call in conversions)
    saved = [call for call in calls.made if call["call"] == "save"]
    assert [(call["rank"], call["config"]) for call in saved] == [(0, True), (1, False), (2, False), (3, False)]


def test_several_workers_convert_every_rank(calls: Calls) -> None:
    assert main(planned("0.16.0", tp_size=4, workers=4)) == 0
    saved = [call for call in calls.made if call["call"] == "save"]
    assert sorted(call["rank"] for call in saved) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("keys", "call", "expected"),
    [
        ({}, "from_hugging_face", {}),
        ({"quantization": "int8_weight_only"}, "from_hugging_face", {"quant_algo": "W8A16"}),
        ({"quantization": "int4_weight_only"}, "from_hugging_face", {"quant_algo": "W4A16"}),
        ({"kv_cache_dtype": "int8"}, "quantize", {"kv_cache_quant_algo": "INT8"}),
        (
            {"quantization": "smoothquant"},
            "quantize",
            {"quant_algo": "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN", "smoothquant_val": 0.5},
        ),
    ],
    ids=str,
)
def test_quantizations_of_the_conversion(
    calls: Calls, keys: dict[str, Any], call: str, expected: dict[str, object]
) -> None:
    assert main(planned("0.16.0", **keys)) == 0
    assert calls.made[0]["call"] == call
    assert vars(calls.made[0]["quant_config"]) == expected


def exporter(made: list[dict[str, Any]], release: str) -> Callable[..., None]:
    """With the arguments that the function has in three generations."""

    def early(*, model_dir: str, device: str, calib_dataset: str, dtype: str, qformat: str, tp_size: int) -> None:
        made.append({"model_dir": model_dir, "qformat": qformat, "device": device})

    def middle(*, model_dir: str, qformat: str, kv_cache_dtype: str, cp_size: int, seed: int) -> None:
        made.append({"qformat": qformat, "kv_cache_dtype": kv_cache_dtype, "cp_size": cp_size})

    def late(*, qformat: str, device_map: str = "auto", quantize_lm_head: bool = False, calib_size: int) -> None:
        made.append({"qformat": qformat, "device_map": device_map, "calib_size": calib_size})

    return {"0.12.0": early, "0.16.0": middle, "1.1": late}[release]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("0.12.0", {"model_dir": "model", "qformat": "fp8", "device": "cuda"}),
        ("0.16.0", {"qformat": "fp8", "kv_cache_dtype": "fp8", "cp_size": 1}),
        ("1.1", {"qformat": "fp8", "device_map": "auto", "calib_size": 512}),
    ],
)
def test_quantization_passes_what_the_installed_function_asks_for(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, release: str, expected: dict[str, object]
) -> None:
    made: list[dict[str, Any]] = []
    install(monkeypatch, "tensorrt_llm.quantization", quantize_and_export=exporter(made, release))
    assert main(planned(release, quantization="fp8")) == 0
    assert made == [expected]


def test_an_argument_that_nobody_knows_is_named(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def newer(*, qformat: str, flux: str) -> None:
        raise AssertionError("not to be called")

    install(monkeypatch, "tensorrt_llm.quantization", quantize_and_export=newer)
    assert main(planned("1.2.1", quantization="fp8")) == 1
    assert "asks for flux" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "usage: "),
        (["convert_checkpoint", "--release", "0.11.0"], 1, "use the script of its examples"),
        (["convert_checkpoint", "--release", "0.16.0", "--qwen_type", "qwen2"], 1, "--qwen_type"),
        (["convert_checkpoint", "--release", "0.16.0", "--model_dir", "m"], 1, "is not installed here"),
    ],
    ids=str,
)
def test_what_cannot_run(arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "tensorrt_llm" not in sys.modules
    assert main(arguments) == code
    assert says in capsys.readouterr().err
