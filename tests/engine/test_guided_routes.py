"""Guides and log-probabilities on a real tritonserver: through the engine itself, the ensemble and BLS."""

import json
import re
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from loadtest.engine.script import Script, script_text
from tests.model_repo_builder.triton_models.calls import OUTPUTS, call
from tests.support.engine_client import EngineClient, EngineError
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton, Triton

SAMPLED = {"temperature": np.float32(1.5), "top_p": np.float32(1.0), "random_seed": np.uint64(3)}
GUIDES = [
    pytest.param("regex", "(red|green|blue), [0-9]{2}", re.compile("(red|green|blue), [0-9]{2}"), id="regex"),
    pytest.param(
        "json_schema", '{"enum": [{"a": 1}, [2]]}', re.compile(r'\{\s*"a":\s*1\s*\}|\[\s*2\s*\]'), id="json_schema"
    ),
    pytest.param("ebnf_grammar", 'root ::= "a" | "(" root ")"', re.compile(r"\(*a\)*"), id="ebnf_grammar"),
    pytest.param(
        "structural_tag",
        json.dumps({"format": {"type": "const_string", "value": "<b>"}, "type": "structural_tag"}),
        re.compile("<b>"),
        id="structural_tag",
    ),
]
ROUTES = ["ensemble", "tensorrt_llm_bls"]


def guided(type: str, text: str) -> dict[str, Any]:
    return {"guided_decoding_guide_type": [type], "guided_decoding_guide": [text]}


@pytest.mark.parametrize(("type", "text", "form"), GUIDES)
def test_the_engine_itself(
    engine: EngineClient, tokenizer: TokenizerFolder, type: str, text: str, form: re.Pattern[str]
) -> None:
    inputs = {"guided_decoding_guide_type": type.encode(), "guided_decoding_guide": text.encode()}
    answer = engine.generate([5, 6], 60, temperature=1.5, runtime_top_p=1.0, return_log_probs=True, **inputs)
    assert form.fullmatch(tokenizer.load().decode(answer.ids, skip_special_tokens=False))
    assert len(answer.log_probs) == len(answer.ids)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("type", "text", "form"), GUIDES)
def test_text_routes(openvino_triton: Triton, route: str, type: str, text: str, form: re.Pattern[str]) -> None:
    inputs = {**SAMPLED, **guided(type, text)}
    with call(openvino_triton.grpc, route, "hello", max_tokens=60, request_id="g", **inputs) as running:
        assert form.fullmatch(running.text())


def test_a_bad_guide_at_the_engine(engine: EngineClient) -> None:
    inputs = {"guided_decoding_guide_type": b"regex", "guided_decoding_guide": b"(a"}
    with pytest.raises(EngineError, match=r"^guided_decoding_guide Regex parsing error .* not closed$"):
        engine.generate([5, 6], 8, **inputs)
    assert engine.generate([5, 6], 8, end_id=-1).ids


@pytest.mark.parametrize("route", ROUTES)
def test_a_bad_guide(openvino_triton: Triton, route: str) -> None:
    with call(openvino_triton.grpc, route, "hello", request_id="b", **guided("regex", "(a")) as running:
        with pytest.raises(InferenceServerException) as caught:
            list(running)
        assert "guided_decoding_guide Regex parsing error" in caught.value.message()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("route", ROUTES)
def test_log_probs(openvino_triton: Triton, engine: EngineClient, route: str, stream: bool) -> None:
    outputs = (*OUTPUTS, "output_log_probs", "cum_log_probs")
    asked = {"return_log_probs": np.bool_(True), "stream": stream, "request_id": "l"}
    with call(openvino_triton.grpc, route, "hello", max_tokens=6, outputs=outputs, **asked) as running:
        answers = list(running)
    last = [answer for answer in answers if answer["output_log_probs"].size][-1]
    log_probs = last["output_log_probs"].reshape(-1).tolist()
    count = sum(int(answer["sequence_length"].sum()) for answer in answers)
    assert len(log_probs) == count > 0
    assert all(value < 0 for value in log_probs)
    assert float(last["cum_log_probs"].reshape(-1)[0]) == pytest.approx(sum(log_probs), abs=1e-3)


@pytest.mark.parametrize("route", ROUTES)
def test_the_scripted_engine_gets_them(scripted_triton: ScriptedTriton, route: str) -> None:
    tag = f"guided-{route}"
    prompt = script_text(Script(tag=tag, text="x"))
    with call(scripted_triton.grpc, route, prompt, request_id=tag, **guided("regex", "é|x")) as running:
        assert running.text() == "x"
    values = scripted_triton.journal.tensors(tag)
    assert np.array(values["guided_decoding_guide_type"]).reshape(-1).tolist() == ["regex"]
    assert np.array(values["guided_decoding_guide"]).reshape(-1).tolist() == ["é|x"]
