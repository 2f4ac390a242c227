"""Fixtures that cost seconds: each is made once per test session.

A Triton is started when the first test asks for it, and ended after the last.
"""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from loadtest.engine.journal import Journal
from model_repo_builder.ports import Ports
from tests.support.engine_client import EngineClient
from tests.support.signals import SignalStack
from tests.support.tiny_qwen import write_tiny_qwen
from tests.support.tokenizer import TokenizerFolder, write_tokenizer
from tests.support.triton import ScriptedTriton, Triton, build_repository, require, running, script_engine
from tests.support.watch import Watch, watching

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background jobs begin, and what they start
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.version_info < (3, 11):  # its asyncio leaves ends of TLS connections to the collector, which says so
        config.addinivalue_line("filterwarnings", r"ignore:unclosed (transport <asyncio\.sslproto|<socket.*\[closed\])")


SEEDLING = Path(__file__).parents[1] / "model_repo_builder" / "seedling"


@pytest.fixture(scope="session")
def session_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="session")
def tokenizer(session_dir: Path) -> TokenizerFolder:
    """A small Qwen tokenizer: where it lies, its size and its end ids."""
    return write_tokenizer(session_dir / "tokenizer")


@pytest.fixture(scope="session")
def tokenizer_dir(tokenizer: TokenizerFolder) -> Path:
    return tokenizer.path


@pytest.fixture(scope="session")
def tiny_qwen_gguf(session_dir: Path, tokenizer: TokenizerFolder) -> Path:
    """A tiny Qwen2 with random weights that speaks that tokenizer's ids."""
    return write_tiny_qwen(session_dir / "tiny-qwen.gguf", tokenizer)


@pytest.fixture(scope="session")
def scripted_triton(session_dir: Path, tokenizer: TokenizerFolder, tiny_qwen_gguf: Path) -> Iterator[ScriptedTriton]:
    """All five models, the engine among them doing what the prompts say."""
    require("pytriton")
    ports = Ports.free()
    journal = session_dir / "journal.jsonl"
    repository = build_repository(session_dir / "scripted", tokenizer.path, tiny_qwen_gguf, ports)
    script_engine(repository, tokenizer.path, journal)
    log = session_dir / "scripted.log"
    with running(repository, ports, log) as process:
        yield ScriptedTriton(ports, repository, log, process, tokenizer, Journal(journal))


@pytest.fixture(scope="session")
def openvino_triton(session_dir: Path, tokenizer: TokenizerFolder, tiny_qwen_gguf: Path) -> Iterator[Triton]:
    """All five models, the engine among them the CPU engine with the tiny Qwen."""
    require("pytriton", "openvino_genai")
    ports = Ports.free()
    repository = build_repository(session_dir / "openvino", tokenizer.path, tiny_qwen_gguf, ports)
    log = session_dir / "openvino.log"
    with running(repository, ports, log) as process:
        yield Triton(ports, repository, log, process)


@pytest.fixture(scope="session")
def scripted_engine(scripted_triton: ScriptedTriton) -> Iterator[EngineClient]:
    """A client of the scripted engine itself, past the gateway."""
    client = EngineClient(scripted_triton.grpc)
    yield client
    client.close()


@pytest.fixture(scope="session")
def engine(openvino_triton: Triton) -> Iterator[EngineClient]:
    """A client of the CPU engine itself, past the gateway."""
    client = EngineClient(openvino_triton.grpc)
    yield client
    client.close()


@pytest.fixture(scope="session", autouse=True)
def api_watch() -> Iterator[Watch]:
    with watching() as each_reply:
        yield each_reply


@pytest.fixture(autouse=True)
def _every_reply_is_what_clients_rely_on(api_watch: Watch) -> Iterator[None]:
    """Fails a test during which the gateway sent a reply that breaks a rule of its API (tests/support/replies.py)."""
    yield
    violations = api_watch.take()
    assert not violations, "\n\n".join(violations)


@pytest.fixture(scope="session", autouse=True)
def signal_stack() -> SignalStack:
    return SignalStack.current()


@pytest.fixture(autouse=True)
def _signals_of_the_main_thread_have_their_stack(signal_stack: SignalStack) -> Iterator[None]:
    """Fails a test that leaves the main thread another one: see ``tests/support/signals.py``."""
    yield
    if SignalStack.current().address != signal_stack.address:
        signal_stack.restore()
        pytest.fail("the main thread's signal stack was replaced: load OpenVINO's models in a thread of their own")


@pytest.fixture(autouse=True)
def _tritons_of_the_session_run(request: pytest.FixtureRequest) -> None:
    for name in ("scripted_triton", "openvino_triton", "seedling_triton"):
        if name in request.fixturenames:
            request.getfixturevalue(name).check()


@pytest.fixture(scope="session")
def seedling_triton(session_dir: Path) -> Iterator[Triton]:
    """All five models, the engine among them the CPU engine with Seedling, the Qwen that comes with the project."""
    require("pytriton", "openvino_genai")
    ports = Ports.free()
    model = SEEDLING / "seedling-q8_0.gguf"
    repository = build_repository(session_dir / "seedling", SEEDLING, model, ports)
    log = session_dir / "seedling.log"
    with running(repository, ports, log) as process:
        yield Triton(ports, repository, log, process)
