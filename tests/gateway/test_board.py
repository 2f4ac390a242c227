"""What processes say of their Tritons, on one page."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.board import OLD_SECONDS, Board
from gateway.core.balance import EndpointState, Load, State


@dataclass
class Pool:
    """The Tritons of a model, as a table says."""

    name: str
    endpoints: tuple[EndpointState, ...]

    def ready(self) -> bool:
        return any(each.state is State.UP for each in self.endpoints)

    def states(self) -> tuple[EndpointState, ...]:
        return self.endpoints


def at(address: str, state: State = State.UP, load: Load | None = None) -> EndpointState:
    return EndpointState(address, 1.0, state, 2, 100, load or Load(), 0.0, "", 1.5)


def board(shared: Path | None, worker: int, *pools: Pool) -> Board:
    made = Board(None if shared is None else str(shared), worker)
    made.watch(lambda: pools)
    made.look()
    return made


def value(board: Board, name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(board)
    return registry.get_sample_value(name, labels)


A = {"model": "qwen", "endpoint": "a:8001"}


def test_one_process() -> None:
    found = board(None, 0, Pool("qwen", (at("a:8001"), at("b:8001", State.EJECTED))))
    assert value(found, "gateway_model_ready", model="qwen") == 1
    assert value(found, "gateway_endpoint_state", **A, state="up") == 1
    assert value(found, "gateway_endpoint_state", **A, state="ejected") == 0
    assert value(found, "gateway_endpoint_state", model="qwen", endpoint="b:8001", state="ejected") == 1
    assert value(found, "gateway_endpoint_requests_in_flight", **A) == 2
    assert value(found, "gateway_endpoint_slowness", **A) == 1.5
    assert value(found, "gateway_endpoint_engine_requests", **A, state="running") is None, "nobody said"
    assert (value(found, "gateway_worker_memory_bytes", worker="0") or 0) > 1e6


def test_what_is_gone_is_shown_no_longer() -> None:
    pool = Pool("qwen", (at("a:8001"),))
    found = board(None, 0, pool)
    assert value(found, "gateway_endpoint_state", **A, state="up") == 1
    pool.endpoints = ()
    found.look()
    assert value(found, "gateway_endpoint_state", **A, state="up") is None


def test_several_processes_add_up_and_the_newest_word_of_an_engine_counts(tmp_path: Path) -> None:
    board(tmp_path, 0, Pool("qwen", (at("a:8001", load=Load(1, 9, 0.1)),)))
    newest = board(tmp_path, 1, Pool("qwen", (at("a:8001", State.DOWN, Load(3, 4, 0.5)),)))
    asked = board(tmp_path, 2)
    for each in (newest, asked):
        assert value(each, "gateway_endpoint_requests_in_flight", **A) == 4
        assert value(each, "gateway_endpoint_state", **A, state="up") == 1
        assert value(each, "gateway_endpoint_state", **A, state="down") == 1
        assert value(each, "gateway_model_ready", model="qwen") == 1
        assert value(each, "gateway_endpoint_engine_requests", **A, state="waiting") == 4
        assert {value(each, "gateway_worker_cpu_seconds_total", worker=str(number)) is None for number in range(3)} == {
            False
        }


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"rows": [{}]}'], ids=["empty", "torn", "other", "list", "row"])
def test_pages_that_cannot_be_read_are_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "board_7.json").write_text(text)
    assert value(board(tmp_path, 0), "gateway_worker_memory_bytes", worker="7") is None


def test_a_process_that_says_nothing_any_more_is_left_out(tmp_path: Path) -> None:
    board(tmp_path, 1, Pool("qwen", (at("a:8001"),)))
    path = tmp_path / "board_1.json"
    page = json.loads(path.read_text())
    path.write_text(json.dumps({**page, "at": time.monotonic() - OLD_SECONDS - 1}))
    assert value(board(tmp_path, 0), "gateway_endpoint_state", **A, state="up") is None


def test_tritons_own_names_are_of_all_tritons_of_a_model_together() -> None:
    loads = (Load(1, 2, 0.25), Load(3, 4, 0.75), Load())
    found = board(None, 0, Pool("qwen", tuple(at(f"{n}:1", load=load) for n, load in enumerate(loads))))
    assert value(found, "nv_trt_llm_request_metrics", model="qwen", request_type="waiting") == 6
    assert value(found, "nv_trt_llm_request_metrics", model="qwen", request_type="scheduled") == 4
    blocks = value(found, "nv_trt_llm_kv_cache_block_metrics", model="qwen", kv_cache_block_type="fraction")
    assert blocks == 0.5
