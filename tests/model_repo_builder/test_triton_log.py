import pytest

from model_repo_builder.triton_log import Loading, crash, loading, reason

NOISE = 'E1122 15:32:47.0 9191 server.cc:241] "CudaDriverHelper has not been initialized."\n'
END = "error: creating server: Internal - failed to load all models\n"


def error(text: str, source: str = "model_lifecycle.cc:642") -> str:
    return f'{NOISE}E1122 15:32:47.029170 9191 {source}] "{text}"\n{END}'


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(
            error("failed to load 'm' version 1: Internal: ValueError: it is gone\\n\\nAt:\\n  /m/1/model.py(3): x\\n"),
            "model m did not load: ValueError: it is gone",
            id="a Python model raises",
        ),
        pytest.param(
            error("failed to load 'm' version 1: Internal: Stub process 'm_0' is not healthy."),
            "model m did not load: Stub process 'm_0' is not healthy.",
            id="a Python model dies",
        ),
        pytest.param(
            error("failed to load 'm' version 1: Invalid argument: unable to find backend library for backend 'x'"),
            "model m did not load: unable to find backend library for backend 'x'",
            id="no backend",
        ),
        pytest.param(
            error(
                "Invalid argument: ensemble m contains models that are not available: gone",
                "model_repository_manager.cc:703",
            ),
            "ensemble m contains models that are not available: gone",
            id="an ensemble",
        ),
        pytest.param(
            "[libprotobuf ERROR] Error parsing text-format inference.ModelConfig: 1:20: Expected string, got: $\n"
            + error("Poll failed for model directory 'm': failed to read", "model_repository_manager.cc:1460"),
            "Poll failed for model directory 'm': failed to read (1:20: Expected string, got: $)",
            id="a config that does not parse",
        ),
        pytest.param(
            "E1122 15:32:47.0 9191 main.cc:1] \"failed to start: Socket '127.0.0.1:8001' already in use \"\n",
            "the address 127.0.0.1:8001 is already in use",
            id="a port",
        ),
        pytest.param(
            "E1122 15:32:47.0 9191 main.cc:1] \"failed to start: Socket '127.0.0.1:8001' already in use \"\n"
            + error("failed to load 'm' version 1: Internal: out of memory"),
            "model m did not load: out of memory",
            id="a later rank that fails meets the ports of the first",
        ),
        pytest.param(error("Internal: something new", "new.cc:1"), "something new", id="an unknown error"),
        pytest.param(NOISE + END, "creating server: Internal - failed to load all models", id="the last words"),
        pytest.param(
            "tritonserver: error while loading shared libraries: libx.so: cannot open\n",
            "tritonserver: error while loading shared libraries: libx.so: cannot open",
            id="a library",
        ),
        pytest.param(NOISE, None, id="noise only"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_reason(log: str, expected: str | None) -> None:
    assert reason(log) == expected


def test_loading() -> None:
    log = (
        'I1122 15:09:44.0 1 model_lifecycle.cc:472] "loading: postprocessing:1"\n'
        'I1122 15:09:44.0 1 model_lifecycle.cc:472] "loading: tensorrt_llm:1"\n'
        "I1122 15:09:45.0 1 model_lifecycle.cc:839] \"successfully loaded 'postprocessing'\"\n"
    )
    assert loading(log) == Loading(("postprocessing",), ("tensorrt_llm",))
    assert loading("") == Loading((), ())


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(b"double free or corruption (out)\nSignal (6) received.\n", 6, id="aborted"),
        pytest.param(b"Signal (11) received.\n 0# 0x00005A in tritonserver\n", 11, id="a segmentation fault"),
        pytest.param(b"Signal (15) received.\n", None, id="asked to end"),
        pytest.param(b'I1122 15:32:47.0 1 m.cc:1] "id Signal (6) received."\n', None, id="inside of a line"),
        pytest.param(b"Signal (6) received. Twice.\n", None, id="more on the line"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_a_crash(log: bytes, expected: int | None) -> None:
    assert crash(log) == expected
