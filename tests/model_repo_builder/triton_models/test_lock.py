"""What the models send and keep is never let go by Triton without the interpreter's lock, which harms their process.

Triton 2.51 does so with outputs that nobody asked for (until python_backend#390), and with the last answer to a call of
another model. The watch sees it in the moment it happens; without it, it is a crash hours later.
"""

import itertools
import queue
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from loadtest.engine.journal import Journal
from loadtest.engine.script import Script, script_text
from model_repo_builder.ports import Ports
from tests.model_repo_builder.triton_models.calls import PATIENCE, call
from tests.support.lock_watch import WORDS, lock_watch
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton, build_repository, require, running, script_engine

CARELESS = Path(__file__).parents[2] / "support" / "careless" / "model.py"
MODELS = ["ensemble", "tensorrt_llm_bls"]
TIMES = 12  # more than there are instances, which keep some answers for a while
numbers = itertools.count()


def add_careless(repository: Path) -> None:
    config = model_config_pb2.ModelConfig(name="careless", backend="python")
    config.model_transaction_policy.decoupled = True
    config.input.add(name="in", dims=[-1], data_type=model_config_pb2.TYPE_STRING)
    for name in ("out", "more"):
        config.output.add(name=name, dims=[-1], data_type=model_config_pb2.TYPE_STRING)
    config.instance_group.add(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
    version = repository / "careless" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(CARELESS.read_text("utf-8"), "utf-8")
    (version.parent / "config.pbtxt").write_text(text_format.MessageToString(config), "utf-8")


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: TokenizerFolder, tiny_qwen_gguf: Path
) -> Iterator[ScriptedTriton]:
    require("pytriton")
    folder = tmp_path_factory.mktemp("watched")
    ports, log, journal = Ports.free(), folder / "triton.log", folder / "journal.jsonl"
    repository = build_repository(folder / "repository", tokenizer.path, tiny_qwen_gguf, ports)
    script_engine(repository, tokenizer.path, journal)
    add_careless(repository)
    with running(repository, ports, log, lock_watch(folder)) as process:
        yield ScriptedTriton(ports, repository, log, process, tokenizer, Journal(journal))


def said(triton: ScriptedTriton) -> str:
    return triton.log.read_text("utf-8", errors="replace")


def asked(triton: ScriptedTriton, model: str, outputs: tuple[str, ...], *, stream: bool) -> list[set[str]]:
    """The outputs of each answer, of one request after the other."""
    prompt, answers = script_text(Script(tag="lock", text="你好 hello")), []
    for _ in range(TIMES):
        id = f"lock-{next(numbers)}"
        with call(triton.grpc, model, prompt, stream=stream, request_id=id, outputs=outputs) as running_call:
            answers += [set(answer) for answer in running_call]
    return answers


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("outputs", [("text_output",), ("output_ids", "sequence_length"), ("cum_log_probs",)])
@pytest.mark.parametrize("model", MODELS)
def test_outputs_that_nobody_asked_for(
    watched: ScriptedTriton, model: str, outputs: tuple[str, ...], stream: bool
) -> None:
    assert all(answer <= set(outputs) for answer in asked(watched, model, outputs, stream=stream))
    assert WORDS not in said(watched)


@pytest.mark.parametrize("model", MODELS)
def test_answers_that_are_ended(watched: ScriptedTriton, model: str) -> None:
    prompt = script_text(Script(tag="lock-left", text="on and ", repeat=True, delay_ms=5))
    for _ in range(TIMES):
        id = f"lock-{next(numbers)}"
        with call(watched.grpc, model, prompt, request_id=id, outputs=("text_output",)) as running_call:
            next(iter(running_call))
    asked(watched, model, ("text_output",), stream=True)
    assert WORDS not in said(watched)


def test_the_watch_sees_it(watched: ScriptedTriton) -> None:
    """The last one, because the process ends by it."""
    given = grpcclient.InferInput("in", [1], "BYTES")
    given.set_data_from_numpy(np.array([b"x"], dtype=np.object_))
    ended: queue.Queue[object] = queue.Queue()
    with grpcclient.InferenceServerClient(watched.grpc) as client:
        client.start_stream(lambda result, error: ended.put(error))
        client.async_stream_infer("careless", [given], outputs=[grpcclient.InferRequestedOutput("out")])
        assert "not healthy" in str(ended.get(timeout=PATIENCE))
    assert WORDS in said(watched)
