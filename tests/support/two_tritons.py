"""Two real tritonservers with the scripted engine, for tests of who takes a request. They know nothing of gateways."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.processes import Triton
from tests.support.triton import require


@contextmanager
def two_tritons(folder: Path) -> Iterator[tuple[Triton, Triton]]:
    """Both ready; killed at the end."""
    require("pytriton", "openvino_genai")
    first, second = Triton(folder / "first"), Triton(folder / "second")
    try:
        first.launch()
        second.launch()
        first.wait()
        second.wait()
        yield first, second
    finally:
        first.kill()
        second.kill()
