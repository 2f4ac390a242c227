"""Real gateways for tests: ``gateway serve`` as users start it, in a process of its own, on a free port.

It knows the command and when it is ready. It must not know what tests do with it.
"""

import contextlib
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.children import die_with_parent

GATEWAY = Path(sys.executable).with_name("gateway")
START_TIMEOUT = 60
_ANY_CERTIFICATE = ssl.create_default_context()
_ANY_CERTIFICATE.check_hostname = False
_ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE
_LISTENING = re.compile(r"on (https?://\S+:\d+), models")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway. ``url`` has no path: the API is under ``/v1``."""

    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def api(self) -> str:
        return f"{self.url}/v1"

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric in the exposition, 0 where it was never touched."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        for line in text.splitlines():
            if line.startswith(name) and all(f'{key}="{value}"' in line for key, value in labels.items()):
                return float(line.rpartition(" ")[2])
        return 0.0


@contextlib.contextmanager
def gateway_serving(log: Path, *flags: str, program: Sequence[str] = (str(GATEWAY),)) -> Iterator[Gateway]:
    """A gateway from the moment it listens to its end."""
    command = [*program, "serve", "--port", "0", *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
    try:
        yield Gateway(_wait_until_serving(process, log), log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_serving(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        text = log.read_text("utf-8", errors="replace")
        listening = _LISTENING.search(text)
        if listening:
            url = listening[1]
            with (
                contextlib.suppress(urllib.error.URLError),
                urllib.request.urlopen(f"{url}/healthz", timeout=5, context=_ANY_CERTIFICATE),
            ):
                return url
        assert process.poll() is None, f"the gateway ended with {process.returncode}:\n{text}"
        assert time.monotonic() < deadline, f"the gateway does not serve after {START_TIMEOUT} s:\n{text}"
        threading.Event().wait(0.05)  # a log file has nothing to wait on


def gateway_toml(path: Path, triton: str, tokenizer: Path, *, max_model_len: int, routes: list[str]) -> Path:
    """A configuration in which every route to one Triton is a model of its own, named like the route."""
    tables = [
        f'[[models]]\nname = "{route}"\nroute = "{route}"\ntriton = "{triton}"\ntokenizer = "{tokenizer}"\n'
        f"max_model_len = {max_model_len}\n"
        for route in routes
    ]
    path.write_text("\n".join(tables), "utf-8")
    return path
