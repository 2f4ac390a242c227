"""Tensors → request: what is read, what is refused, and that the error names the input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_repo_builder.contract import extend, load, releases
from model_repo_builder.triton_models.openvino.guide import Guide
from model_repo_builder.triton_models.openvino.request import (
    NEUTRAL,
    NEUTRAL_LATER,
    RENAMED,
    RequestError,
    is_stop,
    read_request,
)
from model_repo_builder.triton_models.openvino.settings import Settings
from tests.support.engine_client import INPUT_TYPES, word_list

SETTINGS = Settings(
    model_path=Path("model.gguf"),
    max_seq_len=20,
    vocab_size=100,
    eos_token_ids=(98, 97),
    exclude_input_in_output=True,
    cancel_period=0.05,
    reuse_kv_cache=False,
    kv_cache_tokens=None,
)
REQUIRED: dict[str, Any] = {"input_ids": [[5, 6, 7]], "input_lengths": [[3]], "request_output_len": [[4]]}
TYPES = {
    "INT32": np.int32,
    "FP32": np.float32,
    "FP16": np.float16,
    "BOOL": np.bool_,
    "UINT64": np.uint64,
    "BYTES": np.object_,
}


def tensors(**inputs: Any) -> dict[str, Any]:
    given = {**REQUIRED, **inputs}
    return {
        name: np.asarray(value if np.ndim(value) else [value], dtype=TYPES[INPUT_TYPES[name]])
        for name, value in given.items()
        if value is not None
    }


def guide(type: str, text: str | bytes) -> dict[str, Any]:
    text = text.encode() if isinstance(text, str) else text
    return {"guided_decoding_guide_type": type.encode(), "guided_decoding_guide": text}


def test_the_least_that_is_needed() -> None:
    request = read_request("r", tensors(), SETTINGS)
    assert (request.id, request.prompt, request.max_tokens, request.min_tokens) == ("r", (5, 6, 7), 4, 0)
    assert (request.end_ids, request.stop_words) == ({98, 97}, ())
    assert (request.streaming, request.log_probs, request.sampling.greedy) == (False, False, True)
    assert request.sampling.seed is None


READ = [
    pytest.param({"request_output_len": 1000}, "max_tokens", 17, id="clipped to what is left"),
    pytest.param({"request_output_len": 17}, "max_tokens", 17, id="exactly what is left"),
    pytest.param({"min_length": 3}, "min_tokens", 3, id="min_length"),
    pytest.param({"min_length": 30}, "min_tokens", 4, id="min_length above the limit"),
    pytest.param({"end_id": 9}, "end_ids", {9}, id="end_id"),
    pytest.param({"end_id": -1}, "end_ids", frozenset(), id="no end"),
    pytest.param({"stop_words_list": word_list([[5], [7, 8]])}, "stop_words", ((5,), (7, 8)), id="stop words"),
    pytest.param({"stop_words_list": np.zeros((1, 2, 0))}, "stop_words", (), id="empty stop words"),
    pytest.param({"stop_words_list": [[[0, 0], [-1, -1]]]}, "stop_words", (), id="stop words of padding only"),
    pytest.param({"streaming": True}, "streaming", True, id="streaming"),
    pytest.param({"return_log_probs": [[True]]}, "log_probs", True, id="log probs"),
    pytest.param({"pad_id": 3}, "prompt", (5, 6, 7), id="pad_id changes nothing"),
    pytest.param({}, "guide", None, id="no guide"),
    pytest.param({"guided_decoding_guide_type": b""}, "guide", None, id="an empty guide type"),
    pytest.param(guide("regex", "a|é"), "guide", Guide("regex", "a|é"), id="a guide"),
    pytest.param({"guided_decoding_guide_type": b"json"}, "guide", Guide("json", ""), id="json needs no text"),
    pytest.param(guide("json_schema", ' {"const": 1}'), "guide", Guide("json_schema", '{"const": 1}'), id="a schema"),
]


@pytest.mark.parametrize(("inputs", "field", "expected"), READ)
def test_read(inputs: dict[str, Any], field: str, expected: Any) -> None:
    assert getattr(read_request("", tensors(**inputs), SETTINGS), field) == expected


SAMPLING = [
    pytest.param({}, (True, 1.0, 0, 1.0), id="nothing given is greedy"),
    pytest.param({"temperature": 0.7}, (True, 0.7, 0, 1.0), id="temperature alone is greedy, as in TensorRT-LLM"),
    pytest.param({"runtime_top_k": 0, "runtime_top_p": 0.0}, (True, 1.0, 0, 1.0), id="both off is greedy"),
    pytest.param({"runtime_top_k": 1, "runtime_top_p": 0.5}, (True, 1.0, 1, 0.5), id="top_k 1 is greedy"),
    pytest.param({"temperature": 0.0, "runtime_top_p": 0.5}, (True, 0.0, 0, 0.5), id="temperature 0 is greedy"),
    pytest.param({"runtime_top_p": 1.0}, (False, 1.0, 0, 1.0), id="top_p 1 samples from all"),
    pytest.param({"runtime_top_k": 5}, (False, 1.0, 5, 1.0), id="top_k alone"),
    pytest.param({"runtime_top_k": 5, "runtime_top_p": -0.5}, (False, 1.0, 5, 1.0), id="negative top_p is dropped"),
    pytest.param({"runtime_top_k": 0, "runtime_top_p": 0.5, "temperature": 2.0}, (False, 2.0, 0, 0.5), id="nucleus"),
]


@pytest.mark.parametrize(("inputs", "expected"), SAMPLING)
def test_sampling(inputs: dict[str, Any], expected: tuple[bool, float, int, float]) -> None:
    sampling = read_request("", tensors(**inputs), SETTINGS).sampling
    found = (sampling.greedy, sampling.temperature, sampling.top_k, sampling.top_p)
    assert found == pytest.approx(expected)


def test_seeds_have_all_their_bits() -> None:
    assert read_request("", tensors(random_seed=2**64 - 1), SETTINGS).sampling.seed == 2**64 - 1


REFUSED = [
    pytest.param(guide("choice", "a"), "guided_decoding_guide_type is 'choice': send one of json, ", id="guide type"),
    pytest.param({"guided_decoding_guide": b"a"}, "needs guided_decoding_guide_type", id="a guide without a type"),
    pytest.param(guide("regex", ""), "guided_decoding_guide is empty: regex needs one", id="no guide"),
    pytest.param(guide("regex", b"\xff"), "guided_decoding_guide is not UTF-8", id="a guide that is no text"),
    pytest.param(
        guide("json_schema", "{"), "guided_decoding_guide is no JSON: Expecting", id="a schema that is no JSON"
    ),
    pytest.param(
        {**guide("regex", "a"), "min_length": 3}, "min_length cannot be honoured beside", id="guide, min_length"
    ),
    pytest.param({"input_ids": None}, "input_ids is missing", id="no prompt"),
    pytest.param({"input_ids": np.zeros((1, 0))}, "input_ids is empty", id="empty prompt"),
    pytest.param({"input_ids": [[5], [6]]}, "batch size of 1", id="two prompts"),
    pytest.param({"input_ids": [[5, 100]]}, "input_ids holds 100", id="unknown id"),
    pytest.param({"input_ids": [[-1]]}, "input_ids holds -1", id="negative id"),
    pytest.param({"input_ids": [[1] * 20]}, r"Prompt length \(20\) exceeds maximum input length \(19\)", id="too long"),
    pytest.param({"request_output_len": None}, "request_output_len is missing", id="no length"),
    pytest.param({"request_output_len": 0}, "request_output_len is 0", id="length 0"),
    pytest.param({"request_output_len": [[1, 2]]}, "request_output_len has shape", id="two lengths"),
    pytest.param({"end_id": -2}, "end_id is -2", id="end_id below"),
    pytest.param({"end_id": 100}, "end_id is 100", id="end_id above"),
    pytest.param({"min_length": -1}, "min_length is -1", id="min_length"),
    pytest.param({"stop_words_list": [[1, 2, 3]]}, "stop_words_list has shape", id="stop words in one row"),
    pytest.param({"stop_words_list": [[[1, 2], [2, 1]]]}, "stop_words_list has offsets", id="falling offsets"),
    pytest.param({"stop_words_list": [[[1, 2], [3, -1]]]}, "stop_words_list has offsets", id="offset past the end"),
    pytest.param({"temperature": -0.1}, "temperature is -0.1", id="temperature"),
    pytest.param({"temperature": float("nan")}, "temperature is nan", id="temperature nan"),
    pytest.param({"temperature": float("inf")}, "temperature is inf", id="temperature inf"),
    pytest.param({"runtime_top_k": -1}, "runtime_top_k is -1", id="top_k"),
    pytest.param({"runtime_top_p": 1.01}, "runtime_top_p is 1.01", id="top_p"),
    pytest.param({"runtime_top_p": float("nan")}, "runtime_top_p is nan", id="top_p nan"),
    pytest.param({"repetition_penalty": 0.0}, "repetition_penalty is 0", id="repetition 0"),
    pytest.param({"repetition_penalty": -1.0}, "repetition_penalty is -1", id="repetition"),
    pytest.param({"presence_penalty": 2.5}, "presence_penalty is 2.5", id="presence"),
    pytest.param({"frequency_penalty": -2.5}, "frequency_penalty is -2.5", id="frequency"),
]


@pytest.mark.parametrize(("inputs", "text"), REFUSED)
def test_refused(inputs: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        read_request("", tensors(**inputs), SETTINGS)


CANNOT = {
    "beam_width": 2,
    "bad_words_list": word_list([[5]]),
    "embedding_bias": [[0.0, 1.0]],
    "len_penalty": 0.5,
    "early_stopping": True,
    "beam_search_diversity_rate": 0.1,
    "runtime_top_p_min": 0.1,
    "runtime_top_p_decay": 0.9,
    "runtime_top_p_reset_ids": 7,
    "draft_input_ids": [[1]],
    "draft_logits": [[[1.0]]],
    "draft_acceptance_threshold": 0.5,
    "prompt_embedding_table": [[[1.0]]],
    "prompt_vocab_size": 3,
    "lora_task_id": 1,
    "lora_weights": [[[1.0]]],
    "lora_config": [[[1, 2, 3]]],
    "return_context_logits": True,
    "return_generation_logits": True,
}
NO_EFFECT = {
    "beam_width": 1,
    "bad_words_list": np.zeros((1, 2, 0)),
    "embedding_bias": np.zeros((1, 100)),
    "len_penalty": 1.0,
    "early_stopping": False,
    "beam_search_diversity_rate": 0.0,
    "runtime_top_p_min": 1e-6,
    "runtime_top_p_decay": 1.0,
    "runtime_top_p_reset_ids": -1,
    "draft_input_ids": np.zeros((1, 0)),
    "draft_logits": np.zeros((1, 0, 100)),
    "draft_acceptance_threshold": 0.0,
    "prompt_embedding_table": np.zeros((1, 0, 8)),
    "prompt_vocab_size": 0,
    "lora_task_id": 0,
    "lora_weights": np.zeros((1, 0, 8)),
    "lora_config": np.zeros((1, 0, 3)),
    "return_context_logits": False,
    "return_generation_logits": False,
}


@pytest.mark.parametrize("name", sorted(CANNOT))
def test_what_cannot_be_honoured_is_refused_by_name(name: str) -> None:
    with pytest.raises(RequestError, match=f"^{name} cannot be honoured"):
        read_request("", tensors(**{name: CANNOT[name]}), SETTINGS)


@pytest.mark.parametrize("name", sorted(NO_EFFECT))
def test_what_changes_nothing_is_taken(name: str) -> None:
    assert read_request("", tensors(**{name: NO_EFFECT[name]}), SETTINGS) == read_request("", tensors(), SETTINGS)


def test_every_input_of_the_contract_is_read_or_refused() -> None:
    honoured = {"pad_id", "input_lengths"}  # TensorRT-LLM does not use the lengths either, and nothing is padded
    honoured |= {"input_ids", "request_output_len", "end_id", "stop_words_list", "min_length", "streaming", "stop"}
    honoured |= {"temperature", "runtime_top_k", "runtime_top_p", "random_seed", "return_log_probs"}
    honoured |= {"repetition_penalty", "presence_penalty", "frequency_penalty"}
    honoured |= {"guided_decoding_guide_type", "guided_decoding_guide"}
    assert set(CANNOT) == set(NO_EFFECT) == set(NEUTRAL)
    assert honoured | set(NEUTRAL) == set(INPUT_TYPES)


@pytest.mark.parametrize(("stop", "expected"), [(None, False), (False, False), (True, True), ([[True]], True)])
def test_is_stop(stop: Any, expected: bool) -> None:
    assert is_stop(tensors(stop=stop)) is expected


# Said of a request's place in the cache, of speculation, or of inputs that are refused by themselves.
OF_NO_CONSEQUENCE = (
    *("retention_", "lookahead_", "decoder_input_lengths"),
    *("encoder_output_lengths", "prompt_table_extra_ids"),
)


@pytest.mark.parametrize("release", releases())
def test_every_input_of_every_contract_is_read_or_refused(release: str) -> None:
    """Later releases add inputs and rename some: none may be dropped that changes an answer."""
    honoured = {"pad_id", "input_lengths", "input_ids", "request_output_len", "end_id", "stop_words_list", "min_length"}
    honoured |= {"streaming", "stop", "temperature", "runtime_top_k", "runtime_top_p", "random_seed"}
    honoured |= {"return_log_probs", "repetition_penalty", "presence_penalty", "frequency_penalty", *RENAMED}
    honoured |= {"exclude_input_in_output", "guided_decoding_guide_type", "guided_decoding_guide"}
    names = {tensor.name for tensor in extend(load(release), "openvino").model("tensorrt_llm").inputs}
    left = {
        name for name in names - honoured - set(NEUTRAL) - set(NEUTRAL_LATER) if not name.startswith(OF_NO_CONSEQUENCE)
    }
    assert left == set()


@pytest.mark.parametrize(("newer", "older"), sorted(RENAMED.items()))
def test_newer_names_mean_the_same(newer: str, older: str) -> None:
    sampled = tensors(temperature=0.5, runtime_top_k=3, **{older: 3})
    renamed = {newer if name == older else name: value for name, value in sampled.items()}
    assert read_request("", renamed, SETTINGS) == read_request("", sampled, SETTINGS)
    assert read_request("", renamed, SETTINGS) != read_request("", tensors(temperature=0.5, runtime_top_k=3), SETTINGS)


@pytest.mark.parametrize(
    ("name", "neutral", "other"),
    [
        ("num_return_sequences", 1, 2),
        ("exclude_input_in_output", True, False),
        ("return_perf_metrics", False, True),
        ("return_num_output_tokens", False, True),
    ],
)
def test_inputs_of_later_releases(name: str, neutral: int, other: int) -> None:
    given = {**tensors(), name: np.array([[neutral]])}
    assert read_request("", given, SETTINGS) == read_request("", tensors(), SETTINGS)
    with pytest.raises(RequestError, match=f"^{name} cannot be honoured"):
        read_request("", {**given, name: np.array([[other]])}, SETTINGS)
