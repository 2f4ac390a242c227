"""A stand-in for an installed TensorRT-LLM: its package, ``trtllm-build``, its example scripts, and an nvidia-smi.

Only for tests. Every tool records how it was called, refuses flags that the release does not have, and writes the
files that the real one writes, by their names and keys; no weight or engine in them is real. ``fail-TOOL`` in the
folder makes a tool fail half-way, ``hold-TOOL`` makes it wait there with a worker of its own.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.written import whole_lines
from model_repo_builder.release import Release, tools_of

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[2]


@dataclass(frozen=True, slots=True)
class StandIn:
    folder: Path
    release: str

    @property
    def environment(self) -> dict[str, str]:
        """For the builder and all that it starts. The builder itself is found in the checkout."""
        return {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, (self.folder / "site", _HERE / "site", _ROOT))),
            "STAND_IN": str(self.folder),
        }

    @property
    def examples(self) -> Path:
        return self.folder / "examples"

    def calls(self) -> list[tuple[str, list[str]]]:
        """The tools that ran since the last look, with their arguments."""
        path = self.folder / "calls"
        lines = whole_lines(path)
        path.unlink(missing_ok=True)
        return [(call["tool"], call["argv"]) for call in map(json.loads, lines)]

    def fail(self, tool: str, text: str) -> None:
        (self.folder / f"fail-{tool}").write_text(text)

    def hold(self, tool: str) -> None:
        (self.folder / f"hold-{tool}").touch()

    def let_go(self, tool: str) -> None:
        for kind in ("fail", "hold"):
            (self.folder / f"{kind}-{tool}").unlink(missing_ok=True)

    def held(self) -> tuple[int, ...]:
        """Process ids of the tool that waits and of its worker, once both are there."""
        try:
            return tuple(int(word) for word in (self.folder / "held").read_text().split())
        except OSError:
            return ()


def install(folder: Path, release: str, gpu: str = "NVIDIA H100 80GB HBM3, 9.0, 81559", gpus: int = 1) -> StandIn:
    """``release`` is what package metadata will say."""
    metadata = folder / "site" / f"tensorrt_llm-{release}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tensorrt_llm\nVersion: {release}\n")
    tools: dict[str, Any] = tools_of(Release.parse(release))["tools"]
    _script(folder / "bin" / "trtllm-build", "trtllm-build")
    for tool in ("convert_checkpoint", "quantize"):
        _script(folder / "examples" / tools[tool]["script"], tool)
    smi = folder / "bin" / "nvidia-smi"
    smi.write_text("#!/bin/sh\n" + f"echo '{gpu}'\n" * gpus)
    smi.chmod(0o755)
    return StandIn(folder, release)


def _script(path: Path, tool: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\nimport sys\n\nfrom tests.support.stand_in_trtllm.tools import main\n\n"
        f"sys.exit(main({tool!r}, sys.argv[1:]))\n"
    )
    path.chmod(0o755)
