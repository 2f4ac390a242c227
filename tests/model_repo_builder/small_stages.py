"""Stages made by hand: a small program stands for each tool."""

from pathlib import Path
from types import MappingProxyType

from model_repo_builder.build import Build
from model_repo_builder.stages import PYTHON, Command, Stage

# Appends to the log of calls; "wait" holds it, with a helper process, until it is ended.
TOOL = """
import os, pathlib, subprocess, sys
name, out, read, text = sys.argv[1:5]
root = pathlib.Path(out).parent
with open(root / "calls", "a") as calls:
    calls.write(name + "\\n")
print("working on", name, "with", os.environ.get("EXTRA", "nothing"), flush=True)
given = pathlib.Path(read).read_text() if read else ""
target = pathlib.Path(out)
(target / "half").write_text("half")
if (root / f"wait-{name}").exists():
    helper = subprocess.Popen(["sleep", "600"])
    (root / "held").write_text(f"{os.getpid()} {helper.pid}")
    helper.wait()
if (root / f"fail-{name}").exists():
    print("\\x1b[31mno such\\rRuntimeError: no kernel\\x1b[0m", flush=True)
    sys.exit(3)
(target / "result").write_text(given + text)
(target / "config.json").write_text('{"rotary": 1, "deep": {"kept": true}}')
"""


def write_tool(folder: Path) -> Path:
    """The tool, and what the first stage reads; where a build writes."""
    output = folder / "out"
    output.mkdir()
    (folder / "tool.py").write_text(TOOL)
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    return output


def stages(output: Path, **texts: str) -> tuple[Stage, ...]:
    """convert → quantize → engine."""
    made: list[Stage] = []
    source = output.parent / "model" / "config.json"
    read = ""
    for name in ("convert", "quantize", "engine"):
        folder = output / name
        argv = (PYTHON, str(output.parent / "tool.py"), name, str(folder), read, texts.get(name, name[0]))
        made.append(
            Stage(
                name=name,
                commands=(Command(argv, env=MappingProxyType({"EXTRA": f"{name}-env"})),),
                reads=(source,),
                writes=(folder / "result", folder / "config.json"),
                output=folder,
                reason="needed",
            )
        )
        source, read = folder / "result", str(folder / "result")
    return tuple(made)


def build(output: Path, plan: tuple[Stage, ...] | None = None, **changes: object) -> Build:
    return Build(plan or stages(output), output, release="0.10.0", **changes)  # type: ignore[arg-type]


def calls(output: Path) -> str:
    """The initials of the tools that ran since the last look."""
    path = output / "calls"
    text = "".join(line[0] for line in path.read_text().split()) if path.exists() else ""
    path.unlink(missing_ok=True)
    return text
