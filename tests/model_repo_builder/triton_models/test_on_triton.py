"""The three Python models on a real tritonserver, in front of an engine that does what the prompt says."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from loadtest.engine.script import Script, script_text
from tests.model_repo_builder.triton_models.calls import call
from tests.support.triton import SILENCE_SECONDS, ScriptedTriton

ROUTES = ["ensemble", "tensorrt_llm_bls"]
TEXT = "你好聪明 👨‍👩‍👧 é ok 😀x"


def said(tag: str, **script: Any) -> str:
    return script_text(Script(tag=tag, **script))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("route", ROUTES)
def test_text_is_whole_characters(scripted_triton: ScriptedTriton, route: str, stream: bool) -> None:
    tag = f"text-{route}-{stream}"
    with call(scripted_triton.grpc, route, said(tag, text=TEXT), stream=stream, request_id=tag) as running:
        answers = list(running)
    assert b"".join(answer["text_output"].reshape(-1)[0] for answer in answers).decode() == TEXT
    ids = [token for answer in answers for token in answer["output_ids"].reshape(-1).tolist()]
    assert ids == scripted_triton.tokenizer.load().encode(TEXT, add_special_tokens=False).ids
    assert sum(int(answer["sequence_length"].sum()) for answer in answers) == len(ids)
    assert len(answers) > 5 if stream else len(answers) == 1


def test_bls_needs_no_request_id(scripted_triton: ScriptedTriton) -> None:
    with call(scripted_triton.grpc, "tensorrt_llm_bls", said("no-id", text=TEXT)) as running:
        assert running.text() == TEXT


@pytest.mark.parametrize("route", ROUTES)
def test_an_answer_that_ends_within_a_character(scripted_triton: ScriptedTriton, route: str) -> None:
    ids = scripted_triton.tokenizer.load().encode("聪", add_special_tokens=False).ids
    assert len(ids) > 1
    tag = f"cut-{route}"
    with call(scripted_triton.grpc, route, said(tag, ids=ids[:-1]), request_id=tag) as running:
        assert running.text() == "\ufffd"


SAMPLING = {
    "temperature": (np.float32(0.25), "temperature"),
    "top_k": (np.int32(7), "runtime_top_k"),
    "top_p": (np.float32(0.5), "runtime_top_p"),
    "length_penalty": (np.float32(1.25), "len_penalty"),
    "repetition_penalty": (np.float32(1.5), "repetition_penalty"),
    "min_length": (np.int32(3), "min_length"),
    "presence_penalty": (np.float32(0.125), "presence_penalty"),
    "frequency_penalty": (np.float32(0.75), "frequency_penalty"),
    "random_seed": (np.uint64(2**63 + 1), "random_seed"),
    "beam_width": (np.int32(1), "beam_width"),
    "return_log_probs": (np.bool_(True), "return_log_probs"),
    "return_context_logits": (np.bool_(True), "return_context_logits"),
    "return_generation_logits": (np.bool_(True), "return_generation_logits"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_sampling_input_reaches_the_engine(scripted_triton: ScriptedTriton, route: str) -> None:
    tag = f"sampling-{route}"
    given = {name: value for name, (value, _) in SAMPLING.items()}
    with call(scripted_triton.grpc, route, said(tag, text="x"), request_id=tag, **given) as running:
        assert running.text() == "x"
    tensors = scripted_triton.journal.wait_for(tag, "start")["tensors"]
    for value, name in SAMPLING.values():
        assert np.array(tensors[name]["values"]).reshape(-1).tolist() == [value.item()], name
    assert np.array(tensors["streaming"]["values"]).reshape(-1).tolist() == [True]
    ends = scripted_triton.tokenizer.eos_token_ids
    assert np.array(tensors["end_id"]["values"]).reshape(-1).tolist() == ends[:1]
    assert np.array(tensors["stop_words_list"]["values"]).reshape(2, -1).tolist() == [ends[1:], [1]]


@pytest.mark.parametrize("route", ROUTES)
def test_stop_words_reach_the_engine(scripted_triton: ScriptedTriton, route: str) -> None:
    tag = f"stop-{route}"
    with call(
        scripted_triton.grpc, route, said(tag, text="hello world"), request_id=tag, stop_words=["hello"]
    ) as running:
        assert running.text() == "hello"


@pytest.mark.parametrize("route", ROUTES)
def test_a_cancel_while_streaming_reaches_the_engine(scripted_triton: ScriptedTriton, route: str) -> None:
    tag = f"cancel-{route}"
    prompt = said(tag, text=TEXT, repeat=True, delay_ms=20)
    with call(scripted_triton.grpc, route, prompt, request_id=tag, max_tokens=1500) as running:
        next(iter(running))
        running.cancel()
        end = scripted_triton.journal.wait_for(tag, "end")
    assert end["reason"] == "cancel"


@pytest.mark.parametrize(
    ("stream", "script"),
    [
        pytest.param(True, {"hang_after": 0}, id="before the first token"),
        pytest.param(True, {"hang_after": 1}, id="between tokens"),
        pytest.param(False, {"hang_after": 1}, id="not streamed"),
    ],
)
def test_bls_hands_a_cancel_on_at_once(scripted_triton: ScriptedTriton, stream: bool, script: dict[str, int]) -> None:
    tag = f"cancel-bls-{stream}-{script['hang_after']}"
    with call(scripted_triton.grpc, "tensorrt_llm_bls", said(tag, text="hello", **script), stream=stream) as running:
        hang = scripted_triton.journal.wait_for(tag, "hang")
        running.cancel()
        cancel = scripted_triton.journal.wait_for(tag, "cancel")
    assert cancel["how"] == "stop"
    assert cancel["time"] - hang["time"] < SILENCE_SECONDS, "BLS gave up the silent engine; the cancel did nothing"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_the_engine_knows_a_request_by_the_id_that_is_its_clients_alone(
    scripted_triton: ScriptedTriton, stream: bool
) -> None:
    """Clients may give every request the same id, which may not stop that of another."""
    ids = [f"chatcmpl-{uuid.uuid4().hex}", "1", ""]
    for number, given in enumerate(ids):
        prompt = said(f"id-{number}-{stream}", text="a")
        with call(scripted_triton.grpc, "tensorrt_llm_bls", prompt, request_id=given, stream=stream) as running:
            assert running.text() == "a"
    starts = [scripted_triton.journal.wait_for(f"id-{number}-{stream}", "start")["id"] for number in range(3)]
    assert starts[0] == ids[0]
    assert all(len(own) == 32 for own in starts[1:])


def test_rows_of_a_batch_have_ids_of_their_own(scripted_triton: ScriptedTriton) -> None:
    given = uuid.uuid4().hex
    prompts = [said(f"row-id-{row}", text="a") for row in range(2)]
    with call(scripted_triton.grpc, "tensorrt_llm_bls", *prompts, stream=False, request_id=given) as running:
        list(running)
    ids = {scripted_triton.journal.wait_for(f"row-id-{row}", "start")["id"] for row in range(2)}
    assert len({given, *ids}) == 3


def test_a_batch_of_prompts_through_bls(scripted_triton: ScriptedTriton) -> None:
    prompts = [said("row-0", text="聪"), said("row-1", text="a longer answer")]
    with call(scripted_triton.grpc, "tensorrt_llm_bls", *prompts, stream=False) as running:
        (answer,) = list(running)
    assert answer["text_output"].tolist() == [["聪".encode()], [b"a longer answer"]]
    assert answer["output_ids"].shape[:2] == (2, 1)


@pytest.mark.parametrize(
    ("prompts", "inputs", "words"),
    [
        pytest.param(["a", "b"], {}, "one prompt per request", id="a streamed batch"),
        pytest.param([""], {}, "text_input is empty", id="no prompt"),
        pytest.param(["a"], {"num_draft_tokens": np.int32(3)}, "no draft model", id="a draft model"),
        pytest.param([said("fails", error_at_start=True, error="out of luck")], {}, "out of luck", id="the engine"),
    ],
)
def test_bls_errors_are_a_sentence(
    scripted_triton: ScriptedTriton, prompts: list[str], inputs: dict[str, Any], words: str
) -> None:
    with call(scripted_triton.grpc, "tensorrt_llm_bls", *prompts, **inputs) as running:
        with pytest.raises(InferenceServerException) as caught:
            list(running)
        message = caught.value.message()
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("route", ROUTES)
def test_32_at_once_do_not_mix(scripted_triton: ScriptedTriton, route: str) -> None:
    def one(number: int) -> str:
        tag = f"many-{route}-{number}"
        prompt = said(tag, text=f"{TEXT}{number}", delay_ms=2)
        with call(scripted_triton.grpc, route, prompt, request_id=tag) as running:
            return running.text()

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(one, range(32))) == [f"{TEXT}{number}" for number in range(32)]
