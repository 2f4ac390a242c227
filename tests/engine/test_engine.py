"""The stepping thread over the real pipeline, without Triton: who leaves is gone, failures stay where they belong."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.triton_models.openvino.request import Request, Sampling
from model_repo_builder.triton_models.openvino.settings import Settings, read_settings
from tests.engine.speaker import Inbox
from tests.support.triton import require

GREEDY = Sampling(True, 1.0, 0, 1.0, None, 1.0, 0.0, 0.0)
PROMPT = (5, 6, 7, 8)


def request(max_tokens: int = 8, *, request_id: str = "", streaming: bool = True) -> Request:
    return Request(request_id, PROMPT, max_tokens, 0, frozenset(), (), GREEDY, streaming, log_probs=False)


@pytest.fixture(scope="module")
def settings(tiny_qwen_gguf: Path) -> Settings:
    require("openvino_genai")
    return read_settings({"model_path": str(tiny_qwen_gguf), "max_seq_len": "2048", "vocab_size": "700"})


@contextlib.contextmanager
def running(make_pipeline: Callable[[], Any], log: Callable[[str], None] = lambda text: None) -> Iterator[Any]:
    from model_repo_builder.triton_models.openvino.engine import Engine

    engine = Engine(make_pipeline, cancel_period=0.01, exclude_input=False, log=log)
    try:
        yield engine
    finally:
        engine.close(10)


@pytest.fixture
def pipelines() -> list[Any]:
    """The pipelines that the engine made, the running one last."""
    return []


@pytest.fixture
def make_pipeline(settings: Settings, pipelines: list[Any]) -> Callable[[], Any]:
    from model_repo_builder.triton_models.openvino.pipeline import Pipeline

    class Watched(Pipeline):
        """Says when it has nothing left to do, and fails a step when told to."""

        def __init__(self) -> None:
            super().__init__(settings)
            self.idle = threading.Event()
            self.broken = False

        def step(self) -> None:
            if self.broken:
                from model_repo_builder.triton_models.openvino.pipeline import PipelineError

                raise PipelineError("the engine failed: out of order")
            super().step()

        def is_busy(self) -> bool:
            busy = super().is_busy()
            if busy:
                self.idle.clear()
            else:
                self.idle.set()
            return busy

    def make() -> Watched:
        pipelines.append(Watched())
        return pipelines[-1]

    return make


@pytest.fixture
def answer(make_pipeline: Callable[[], Any]) -> list[int]:
    """What the model says after PROMPT."""
    with running(make_pipeline) as engine:
        inbox = Inbox()
        engine.submit(request(), inbox)
        assert inbox.ended.wait(10)
    return inbox.ids


def test_the_prompt_is_repeated_without_streaming(make_pipeline: Callable[[], Any], answer: list[int]) -> None:
    with running(make_pipeline) as engine:
        inbox = Inbox()
        engine.submit(request(streaming=False), inbox)
        assert inbox.ended.wait(10)
    assert inbox.ids == [*PROMPT, *answer]


@pytest.mark.parametrize("how", ["client", "stop"])
def test_who_leaves_frees_the_pipeline(make_pipeline: Callable[[], Any], pipelines: list[Any], how: str) -> None:
    with running(make_pipeline) as engine:
        inbox = Inbox()
        engine.submit(request(2000, request_id="r"), inbox)
        assert inbox.began.wait(10)
        if how == "client":
            inbox.gone = True
        else:
            engine.stop("r")
        assert inbox.ended.wait(1)
        assert pipelines[-1].idle.wait(1)
        assert 0 < len(inbox.ids) < 2000


def test_ids_in_flight_are_unique(make_pipeline: Callable[[], Any]) -> None:
    with running(make_pipeline) as engine:
        first, second, third = Inbox(), Inbox(), Inbox()
        engine.submit(request(2000, request_id="r"), first)
        assert first.began.wait(10)
        engine.submit(request(request_id="r"), second)
        assert second.ended.wait(10)
        assert second.failure == "request ID 'r' is already in flight: send another one"
        engine.stop("r")
        assert first.ended.wait(10)
        engine.submit(request(request_id="r"), third)
        assert third.ended.wait(10)
        assert (len(third.ids), third.failure) == (8, "")


def test_a_failed_pipeline_is_replaced(
    make_pipeline: Callable[[], Any], pipelines: list[Any], answer: list[int]
) -> None:
    logged: list[str] = []
    with running(make_pipeline, logged.append) as engine:
        lost = [Inbox(), Inbox()]
        for inbox in lost:
            engine.submit(request(2000), inbox)
            assert inbox.began.wait(10)
        pipelines[-1].broken = True
        assert all(inbox.ended.wait(10) for inbox in lost)
        assert {inbox.failure for inbox in lost} == {"the engine failed: out of order"}
        after = Inbox()
        engine.submit(request(), after)
        assert after.ended.wait(10)
        assert after.ids == answer
    assert logged == ["the engine failed: out of order; 2 requests in flight failed, starting a new pipeline"]


def test_closing_tells_those_in_flight(make_pipeline: Callable[[], Any]) -> None:
    late, inbox = Inbox(), Inbox()
    with running(make_pipeline) as engine:
        engine.submit(request(2000), inbox)
        assert inbox.began.wait(10)
    assert inbox.ended.is_set()
    engine.submit(request(), late)
    assert inbox.failure == late.failure == "the model is being unloaded"


def test_a_small_cache_is_shared_by_taking_turns(settings: Settings, answer: list[int]) -> None:
    """More requests than the KV cache holds: they wait for each other and say the same."""
    from dataclasses import replace

    from model_repo_builder.triton_models.openvino.pipeline import Pipeline

    small = replace(settings, kv_cache_tokens=256)
    with running(lambda: Pipeline(small)) as engine:
        inboxes = [Inbox() for _ in range(12)]
        for inbox in inboxes:
            engine.submit(request(100), inbox)
        assert all(inbox.ended.wait(30) for inbox in inboxes)
    assert {inbox.failure for inbox in inboxes} == {""}
    assert {len(inbox.ids) for inbox in inboxes} == {100}
    assert all(inbox.ids[:8] == answer for inbox in inboxes)


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path, settings: Settings) -> None:
    from dataclasses import replace

    import gguf

    from model_repo_builder.triton_models.openvino.pipeline import Pipeline, PipelineError

    path = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(str(path), "gemma")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(PipelineError, match=f"^{path} cannot be loaded as a Qwen model: [^\n]+$"):
        Pipeline(replace(settings, model_path=path))
