import socket

import pytest

from model_repo_builder.doctor.examine import examine
from model_repo_builder.doctor.running import read_running
from model_repo_builder.errors import RepositoryError
from tests.support.triton import ScriptedTriton


def test_a_running_triton(scripted_triton: ScriptedTriton) -> None:
    subject, broken = read_running(scripted_triton.grpc)
    assert broken == ()
    assert set(subject.models) == {
        "ensemble",
        "postprocessing",
        "preprocessing",
        "tensorrt_llm",
        "tensorrt_llm_bls",
    }
    assert subject.models["tensorrt_llm"].decoupled is True
    assert examine(subject) == ()


def test_triton_has_another_port(scripted_triton: ScriptedTriton) -> None:
    with pytest.raises(RepositoryError, match="gRPC"):
        read_running(f"127.0.0.1:{scripted_triton.ports.http}", seconds=5)


def test_nobody_is_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(RepositoryError, match="no Triton answers"):
            read_running(f"127.0.0.1:{taken.getsockname()[1]}", seconds=5)
