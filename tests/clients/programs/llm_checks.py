"""``llm`` by its command line, with our models in ``extra-openai-models.yaml``, as a person would set it up."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.clients.programs.checking import QUESTION, Endless, Slow, calls, run, says
from tests.clients.programs.stage import Stage

LLM = str(Path(sys.executable).with_name("llm"))
MODELS = """\
- model_id: scripted
  model_name: {scripted}
  api_base: {api}
  api_key_name: gateway
  supports_tools: true
  supports_schema: true
- model_id: real
  model_name: {real}
  api_base: {api}
  api_key_name: gateway
  supports_tools: true
  supports_schema: true
- model_id: nobody
  model_name: nobody
  api_base: {api}
  api_key_name: gateway
"""
# The tool's result is a script, which makes the engine say the word: see checking.Weather.
TOOL = """
def get_weather(city: str) -> str:
    "Say what the weather is like in a city."
    open({called!r}, "a").write(city + "\\n")
    return {script!r}
"""
SKY = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome"]}, "kind": {"enum": ["sunny", "rainy"]}},
    "required": ["city", "kind"],
    "additionalProperties": False,
}


@contextmanager
def home(stage: Stage, key: str | None = None) -> Iterator[Path]:
    """A home of its own for ``llm``, with our models and a key set by its own command."""
    with tempfile.TemporaryDirectory(prefix="llm-") as name:
        folder = Path(name)
        models = MODELS.format(scripted=stage.scripted, real=stage.real, api=stage.api)
        (folder / "extra-openai-models.yaml").write_text(models, "utf-8")
        llm(folder, "keys", "set", "gateway", "--value", key or stage.key)
        yield folder


def llm(folder: Path, *words: str, fails: bool = False) -> str:
    """What it printed; on standard error where it must fail."""
    done = subprocess.run([LLM, *words], env=environment(folder), capture_output=True, text=True, check=False)
    assert bool(done.returncode) is fails, f"llm ended with {done.returncode}: {done.stdout}{done.stderr}"
    return (done.stderr if fails else done.stdout).strip()


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "LLM_USER_PATH": str(folder), "PYTHONUNBUFFERED": "1"}


def prompt(stage: Stage) -> None:
    with home(stage) as folder:
        assert llm(folder, "-m", "scripted", "--no-stream", says("你好, world")) == "你好, world"


def a_conversation(stage: Stage) -> None:
    with home(stage) as folder:
        llm(folder, "-m", "scripted", says("one"))
        assert llm(folder, "-c", says("two")) == "two"


def stream(stage: Stage) -> None:
    slow = Slow(stage)
    with home(stage) as folder:
        process = subprocess.Popen(
            [LLM, "-m", "scripted", slow.prompt], env=environment(folder), stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        whole = b""
        while piece := os.read(process.stdout.fileno(), 1000):
            slow.see(piece.decode("utf-8", "ignore"))
            whole += piece
        assert process.wait() == 0
    slow.pieces[:] = [whole.decode(), *[""] * (len(slow.pieces) - 1)]
    slow.check()


def tool(stage: Stage) -> None:
    word = secrets.token_hex(4)
    with home(stage) as folder:
        called = folder / "called"
        code = TOOL.format(called=str(called), script=says(f"The word is {word}."))
        for flags in ([], ["--no-stream"]):
            called.write_text("")
            answer = llm(folder, "-m", "scripted", *flags, "--functions", code, calls("get_weather", city="巴黎"))
            assert called.read_text() == "巴黎\n"
            assert answer.endswith(f"The word is {word}."), answer


def schema(stage: Stage) -> None:
    with home(stage) as folder:
        answer = json.loads(llm(folder, "-m", "real", "--schema", json.dumps(SKY), QUESTION))
    assert set(answer) == {"city", "kind"}
    assert answer["city"] in ("Paris", "Rome")


def errors(stage: Stage) -> None:
    with home(stage, key="wrong-key") as folder:
        assert "401" in llm(folder, "-m", "scripted", "x", fails=True)
    with home(stage) as folder:
        assert "nobody" in llm(folder, "-m", "nobody", "x", fails=True)


def ctrl_c(stage: Stage) -> None:
    endless = Endless(stage)
    with home(stage) as folder:
        process = subprocess.Popen(
            [LLM, "-m", "scripted", endless.prompt],
            env=environment(folder),
            stdout=subprocess.PIPE,
            # A shell starts background jobs with it ignored, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            assert process.stdout is not None
            assert os.read(process.stdout.fileno(), 1000)
            process.send_signal(signal.SIGINT)
            endless.check()
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    run(
        version("llm"),
        {
            "plain": [prompt, a_conversation],
            "streaming": stream,
            "tools": tool,
            "structured": schema,
            "errors": errors,
            "cancel": ctrl_c,
        },
    )
