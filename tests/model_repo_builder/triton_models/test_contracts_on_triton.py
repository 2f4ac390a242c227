"""The repository of every contract on a real tritonserver, behind a real gateway, on all of its routes.

The repository is the one for a TensorRT engine; only the engine is swapped for the scripted one. A server costs
seconds, so an ordinary run takes three contracts; ``TEST_CONTRACTS=all`` takes every one.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from loadtest.engine.journal import Journal
from loadtest.engine.script import Script, script_text
from model_repo_builder.contract import Contract, extend, load, releases
from model_repo_builder.ports import Ports
from tests.gateway.asking import ask
from tests.model_repo_builder.shapes import write_engine
from tests.model_repo_builder.triton_models.calls import call
from tests.support.gateway import Gateway, gateway_serving, gateway_toml
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton, build_engine_repository, require, running, script_engine

ORDINARY = ("v0.10.0", "v0.16.0", "v1.1.0rc6")
CONTRACTS = releases() if os.environ.get("TEST_CONTRACTS") == "all" else ORDINARY
ROUTES = ["direct", "ensemble", "bls"]
TEXT = "你好聪明 👨‍👩‍👧 ok"
BUILT_BY = {"main_2025-05-13": "0.20.0"}


@dataclass(frozen=True, slots=True)
class Served:
    contract: Contract
    triton: ScriptedTriton
    gateway: Gateway


@pytest.fixture(scope="module", params=CONTRACTS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tokenizer: TokenizerFolder
) -> Iterator[Served]:
    require("pytriton")
    release: str = request.param
    folder = tmp_path_factory.mktemp(release)
    engine = write_engine(
        folder / "engine",
        version=BUILT_BY.get(release, release.removeprefix("v")),
        pretrained={"vocab_size": tokenizer.vocab_size, "logits_dtype": "float32", "dtype": "bfloat16"},
    )
    ports = Ports.free()
    repository = build_engine_repository(folder / "repository", tokenizer.path, engine, ports)
    script_engine(repository, tokenizer.path, folder / "journal.jsonl")
    config = folder / "gateway.toml"
    gateway_toml(config, f"127.0.0.1:{ports.grpc}", tokenizer.path, max_model_len=1536, routes=ROUTES)
    log = folder / "triton.log"
    with (
        running(repository, ports, log) as process,
        gateway_serving(folder / "gateway.log", "--config", str(config)) as gateway,
    ):
        triton = ScriptedTriton(ports, repository, log, process, tokenizer, Journal(folder / "journal.jsonl"))
        yield Served(extend(load(release), "trtllm"), triton, gateway)


def test_triton_s_own_view_is_the_contract(served: Served) -> None:
    """What the server says that it serves, model by model."""
    with grpc.insecure_channel(served.triton.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for model in served.contract.models:
            config = stub.ModelConfig(service_pb2.ModelConfigRequest(name=model.name)).config
            path = served.triton.repository / model.name / "config.pbtxt"
            written = text_format.Parse(path.read_text("utf-8"), model_config_pb2.ModelConfig())
            assert [tensor.name for tensor in config.input] == [tensor.name for tensor in model.inputs]
            assert [tensor.name for tensor in config.output] == [tensor.name for tensor in model.outputs]
            assert list(config.input) == list(written.input)
            assert list(config.output) == list(written.output)
            assert list(config.ensemble_scheduling.step) == list(written.ensemble_scheduling.step)
            assert dict(config.parameters) == dict(written.parameters)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_answers(served: Served, route: str, stream: bool) -> None:
    tag = f"answers-{route}-{stream}"
    answer = ask(served.gateway, Script(tag=tag, text=TEXT), model=route, stream=stream, max_tokens=64)
    assert answer.text == TEXT
    assert answer.reason == "stop"
    ids = served.triton.tokenizer.load().encode(TEXT, add_special_tokens=False).ids
    assert answer.usage["completion_tokens"] in (len(ids), len(ids) + 1)  # the end token counts where it is seen


@pytest.mark.parametrize("route", ROUTES)
def test_sampling_reaches_the_engine_under_its_names(served: Served, route: str) -> None:
    tag = f"sampling-{route}"
    fields = {"seed": 7, "temperature": 0.5, "top_p": 0.25, "min_tokens": 2, "presence_penalty": 0.75}
    ask(served.gateway, Script(tag=tag, text="a"), model=route, max_tokens=5, **fields)
    declared = {tensor.name for tensor in served.contract.model("tensorrt_llm").inputs}
    given = served.triton.journal.tensors(tag)
    newer = "seed" in declared
    for name, value in {
        "seed" if newer else "random_seed": 7,
        "min_tokens" if newer else "min_length": 2,
        "temperature": 0.5,
        "runtime_top_p": 0.25,
        "presence_penalty": 0.75,
        "request_output_len": 5,
        "streaming": True,
    }.items():
        assert np.array(given[name]).reshape(-1).tolist() == [value], name


@pytest.mark.parametrize("model", ["ensemble", "tensorrt_llm_bls"])
def test_log_probs_and_numbers_come_through(served: Served, model: str) -> None:
    """Outputs of the engine that take different ways from release to release."""
    tag = f"outputs-{model}"
    declared = [tensor.name for tensor in served.contract.model(model).outputs]
    wanted = [n for n in ("cum_log_probs", "output_log_probs", "batch_index", "sequence_index") if n in declared]
    given: dict[str, Any] = {"return_log_probs": np.bool_(True)}
    prompt = script_text(Script(tag=tag, text="hello"))
    names = ("text_output", *wanted)
    with call(served.triton.grpc, model, prompt, stream=False, request_id=tag, outputs=names, **given) as running_call:
        (answer,) = list(running_call)
    assert answer["text_output"].reshape(-1)[0] == b"hello"
    assert set(answer) == {"text_output", *wanted}


@pytest.mark.parametrize("model", ["ensemble", "tensorrt_llm_bls"])
def test_what_only_other_models_use_is_refused(served: Served, model: str) -> None:
    if "decoder_text_input" not in [tensor.name for tensor in served.contract.model(model).inputs]:
        pytest.skip("this contract has no such input")
    tag = f"decoder-{model}"
    with (
        call(
            served.triton.grpc, model, script_text(Script(tag=tag, text="a")), stream=True, decoder_text_input=["x"]
        ) as running_call,
        pytest.raises(Exception, match="takes text only"),
    ):
        list(running_call)


def test_the_log_has_no_errors(served: Served, tmp_path: Path) -> None:
    text = served.triton.log.read_text("utf-8", errors="replace")
    assert "Traceback" not in text
