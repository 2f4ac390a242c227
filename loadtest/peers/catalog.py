"""The front ends there are, each with its version and its command line. The first is the floor, the second is ours.

A version is pinned where a newer one was not tried. Add one by writing how it starts.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from functools import partial

import numpy as np

from loadtest.ask import CHAT
from loadtest.bench.fronts import MODEL, Emitter, config, emitter_path
from loadtest.engine_repository import SEEDLING
from loadtest.peers.environments import Wanted
from loadtest.peers.peer import START_SECONDS, Peer, Place, Running, served, write_json
from loadtest.processes import Gateway, status
from model_repo_builder.ports import free_port

_SGLANG = Wanted("sglang-router", (("sglang-router==0.3.2",),))
_SMG = Wanted("smg", (("smg==1.13.0",),))
_VLLM = Wanted("vllm-router", (("vllm-router==0.1.17",),))
# 1.108.14 and 1.110.2 name companion packages that PyPI did not have; 1.107.0 is said to have been compromised.
_LITELLM = Wanted("litellm", (("litellm[proxy]==1.106.4",),))
# Its dependency aisimulate is downloaded from NVIDIA's own index while it is installed, and serves no token: left out.
_DYNAMO = Wanted(
    "dynamo",
    (
        ("--no-deps", "ai-dynamo==1.6.1", "ai-dynamo-runtime==1.6.1"),
        (
            "aiohttp>=3.14.3,<4",
            "certifi",
            "kubernetes>=32.0.1,<33",
            "msgspec>=0.19",
            "prometheus-client>=0.23.1,<1",
            "pydantic>=2.10.6,<=2.13.5",
            "pyzmq>=26",
            "redis>=6.2,<9",
            "tqdm",
            "transformers>=4.56",
            "typing-extensions",
            "uvloop>=0.21",
            "zstandard>=0.23,<1",
        ),
    ),
)


def _emitter(place: Place, stack: contextlib.ExitStack, *, turn: bool = False) -> Running:
    emitter = Emitter(place.folder, place.frames)
    stack.callback(emitter.stop)
    emitter.start()
    return Running(emitter, emitter.url, emitter_path(place.load.tokens, place.load.pace, turn=turn))


def _gateway(place: Place, stack: contextlib.ExitStack) -> Running:
    gateway = Gateway(place.folder, config(place.triton_port, "h2"))
    stack.callback(gateway.stop)
    gateway.start()
    return Running(gateway, gateway.url)


def _router(place: Place, stack: contextlib.ExitStack, name: str, command: list[str], ready: str) -> Running:
    """One of the routers in Rust that came from SGLang's: they take the same options."""
    port = free_port()
    command += ["--host", "127.0.0.1", "--port", str(port), "--policy", "round_robin"]
    command += ["--worker-urls", f"http://127.0.0.1:{place.worker_port}", "--prometheus-port", str(free_port())]
    process = served(place.folder, stack, name, command, HF_HUB_OFFLINE="1")
    process.wait_until(lambda: status(port, ready) == 200, START_SECONDS)
    return Running(process, f"http://127.0.0.1:{port}")


def _sglang(place: Place, stack: contextlib.ExitStack) -> Running:
    command = [place.program("sglang-router"), "launch", "--log-level", "warn"]
    return _router(place, stack, "sglang-router", command, "/readiness")


def _smg(place: Place, stack: contextlib.ExitStack) -> Running:
    command = [place.program("smg"), "launch", "--log-level", "warn"]
    return _router(place, stack, "smg", command, "/readiness")


def _vllm(place: Place, stack: contextlib.ExitStack) -> Running:
    command = [place.program("vllm-router"), "--log-level", "warning"]
    return _router(place, stack, "vllm-router", command, "/readiness")


def _litellm(place: Place, stack: contextlib.ExitStack, name: str, params: dict[str, str]) -> Running:
    port = free_port()
    settings = write_json(  # JSON is YAML too
        place.folder / f"{name}.yaml",
        {"model_list": [{"model_name": MODEL, "litellm_params": params}], "litellm_settings": {"telemetry": False}},
    )
    command = [place.program("litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # its price list comes with it; without this it is fetched at the start
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # no keys, as with the others
        "LITELLM_LOG": "ERROR",
    }
    process = served(place.folder, stack, name, [*command, "--num_workers", "1"], **environment)
    process.wait_until(lambda: status(port, "/health/liveliness") == 200, START_SECONDS)
    return Running(process, f"http://127.0.0.1:{port}")


def _litellm_triton(place: Place, stack: contextlib.ExitStack) -> Running:
    api = f"http://127.0.0.1:{place.worker_port}/v2/models/ensemble/generate"
    return _litellm(place, stack, "litellm-triton", {"model": "triton/ensemble", "api_base": api})


def _litellm_openai(place: Place, stack: contextlib.ExitStack) -> Running:
    api = f"http://127.0.0.1:{place.worker_port}{CHAT.removesuffix('/chat/completions')}"
    return _litellm(
        place, stack, "litellm-openai", {"model": f"openai/{MODEL}", "api_base": api, "api_key": "none-is-asked"}
    )


def _dynamo(place: Place, stack: contextlib.ExitStack) -> Running:
    """The frontend finds the engine through a folder and speaks TCP with it: no etcd and no NATS. The engine steps
    through its batch, a gap a step, and makes as many tokens as may be, of any text."""
    port, gap_ms = free_port(), place.load.pace.gap * 1000
    times = place.folder / "dynamo-times.npz"
    flat = np.array([0.0, 1e9])
    np.savez(
        times,
        prefill_isl=np.array([1.0, 1e6]),
        prefill_ttft_ms=np.array([1.0, 1.0]),
        decode_active_kv_tokens=flat,
        decode_context_length=flat,
        decode_itl=np.full((2, 2), gap_ms),
    )
    environment = {
        "DYN_DISCOVERY_BACKEND": "file",
        "DYN_FILE_KV": str(place.folder / "dynamo-discovery"),
        "DYN_REQUEST_PLANE": "tcp",
        "DYN_EVENT_PLANE": "zmq",
        "DYN_LOG": "error",
        "HF_HUB_OFFLINE": "1",
    }
    python = place.program("python")
    command = [python, "-m", "dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", str(port)]
    frontend = served(place.folder, stack, "dynamo", [*command, "--router-mode", "round-robin"], **environment)
    engine = [python, "-m", "dynamo.mocker", "--model-path", str(SEEDLING), "--model-name", MODEL]
    engine += ["--kv-bytes-per-token", "1024"]
    engine += ["--planner-profile-data", str(times)] if gap_ms else ["--speedup-ratio", "0"]
    served(place.folder, stack, "dynamo-mocker", engine, **environment)
    frontend.wait_until(lambda: _lists_model(port), START_SECONDS)
    return Running(frontend, f"http://127.0.0.1:{port}")


def _lists_model(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as reply:
            return any(model["id"] == MODEL for model in json.load(reply)["data"])
    except OSError:
        return False


FLOOR, TURN, OURS = "emitter", "emitter-turn", "gateway"
PEERS: tuple[Peer, ...] = (
    Peer(FLOOR, _emitter, "sends a prepared chunk: an ASGI application that does nothing else, under uvicorn"),
    Peer(
        TURN,
        partial(_emitter, turn=True),
        "the emitter with no more than one write to a stream in a turn of its event loop",
        load="saturated",
    ),
    Peer(OURS, _gateway, "gRPC from the stand-in for Triton, token ids to text, stop, SSE: this gateway, direct route"),
    Peer("sglang-router", _sglang, "passes the worker's bytes on (Rust)", _SGLANG, "sglang-router"),
    Peer("smg", _smg, "passes the worker's bytes on (Rust; the router's successor)", _SMG, "smg"),
    Peer("vllm-router", _vllm, "passes the worker's bytes on (Rust)", _VLLM, "vllm-router"),
    Peer("dynamo", _dynamo, "TCP from its mock engine, token ids to text, SSE (Rust)", _DYNAMO, "ai-dynamo"),
    Peer("litellm-triton", _litellm_triton, "reads Triton's generate_stream, writes SSE (Python)", _LITELLM, "litellm"),
    Peer(
        "litellm-openai",
        _litellm_openai,
        "reads OpenAI's SSE, writes SSE (Python)",
        _LITELLM,
        "litellm",
        by_name=True,  # slower than the route above, for minutes more
    ),
)
