from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.errors import SettingsError
from model_repo_builder.settings import RepoSettings

GIVEN: dict[str, Any] = {"engine": "openvino", "tokenizer_dir": Path("t"), "model_path": Path("m.gguf")}


def test_defaults_are_those_known_to_be_good() -> None:
    settings = RepoSettings(**GIVEN)
    assert settings.decoupled_mode
    assert settings.exclude_input_in_output
    assert not settings.accumulate_tokens
    assert not settings.add_special_tokens
    assert not settings.trust_remote_code
    assert settings.batching_strategy == "inflight_fused_batching"
    assert settings.batch_scheduler_policy == "guaranteed_no_evict"
    assert settings.max_queue_delay_microseconds == 0
    assert settings.postprocessing_instance_count == 1


@pytest.mark.parametrize(
    ("changes", "instances"),
    [
        pytest.param({}, 8, id="default batch size"),
        pytest.param({"engine": "trtllm", "engine_dir": Path("e"), "triton_max_batch_size": 16}, 16, id="batch size"),
        pytest.param({"bls_instance_count": 3}, 3, id="as given"),
    ],
)
def test_bls_instances(changes: dict[str, Any], instances: int) -> None:
    assert RepoSettings(**{**GIVEN, **changes}).bls_instances == instances


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine": "cuda"}, "engine is 'cuda': choose one of trtllm, openvino"),
        ({"model_path": None}, "needs a model"),
        ({"engine": "trtllm"}, "needs engine_dir"),
        ({"batch_scheduler_policy": "guaranteed_completion"}, "choose one of guaranteed_no_evict, max_utilization"),
        ({"batching_strategy": "v1"}, "choose one of inflight_fused_batching"),
        ({"decoding_mode": "greedy"}, "decoding_mode"),
        ({"triton_max_batch_size": 0}, "at least 1"),
        ({"triton_max_batch_size": -3}, "at least 1"),
        ({"triton_max_batch_size": 2**31}, "more than Triton can hold"),
        ({"triton_max_batch_size": True}, "must be of type int"),
        ({"triton_max_batch_size": 1.5}, "must be of type int"),
        ({"triton_max_batch_size": "8"}, "must be of type int"),
        ({"decoupled_mode": "true"}, "must be of type bool"),
        ({"decoupled_mode": 1}, "must be of type bool"),
        ({"tokenizer_dir": "t"}, "must be of type Path"),
        ({"max_seq_len": 0}, "at least 1"),
        ({"vocab_size": -1}, "at least 1"),
        ({"cancellation_check_period_ms": 0}, "at least 1"),
        ({"max_queue_delay_microseconds": -1}, "must not be negative"),
        ({"kv_cache_free_gpu_mem_fraction": 0.0}, "between 0 and 1"),
        ({"kv_cache_free_gpu_mem_fraction": 1.0}, "between 0 and 1"),
        ({"kv_cache_free_gpu_mem_fraction": float("nan")}, "between 0 and 1"),
        ({"kv_cache_free_gpu_mem_fraction": float("inf")}, "between 0 and 1"),
        ({"postprocessing_instance_count": 2}, "out of order"),
        ({"enable_kv_cache_reuse": True, "max_beam_width": 2}, "max_beam_width 1 only"),
        ({"model_name": ""}, "model_name"),
        ({"model_name": " qwen"}, "model_name"),
        ({"model_name": "a\nb"}, "model_name"),
        ({"triton_address": "localhost"}, "host:port"),
        ({"triton_address": "http://localhost:8001"}, "host:port"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        RepoSettings(**{**GIVEN, **changes})


def test_several_postprocessing_instances_without_streaming() -> None:
    settings = RepoSettings(**GIVEN, decoupled_mode=False, postprocessing_instance_count=4)
    assert settings.postprocessing_instance_count == 4
