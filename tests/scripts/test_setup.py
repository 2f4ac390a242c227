"""Which Python ``scripts/setup`` takes, and what it says where there is none: the script, on a PATH of our own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READ = ("scripts/setup", "pyproject.toml", "constraints.txt", "tests/sdk/openai-1.txt")
TOOLS = ("sh", "cat", "cksum", "dirname")
# It asks an interpreter for its minor version, then whether it can make a .venv. This one cannot, so there it ends.
PYTHON = """\
#!/bin/sh
case "$2" in
*version_info*) echo {minor} ;;
*base_executable*) echo "$0" ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A clone with an empty machine around it: ``bin`` is all that is on PATH."""
    for name in READ:
        target = tmp_path / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def python(path: Path, minor: int) -> Path:
    return program(path, PYTHON.format(minor=minor))


def said(machine: Path, **environment: str) -> str:
    """What it says before it ends with 1. No interpreter here lets it come further."""
    done = subprocess.run(
        [machine / "clone" / "scripts" / "setup"],
        env={"PATH": str(machine / "bin"), "HOME": str(machine), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        pytest.param({"python3": 11}, "3.11", id="python3"),
        pytest.param({"python3": 14, "python3.12": 12, "python3.10": 10}, "3.12", id="an-older-one-beside-a-newer"),
        pytest.param({"python3": 9, "python3.10": 10}, "3.10", id="a-newer-one-beside-an-older"),
    ],
)
def test_the_python_it_takes(machine: Path, there: dict[str, int], taken: str) -> None:
    for name, minor in there.items():
        python(machine / "bin" / name, minor)
    assert f"apt-get install python{taken}-venv" in said(machine)


def test_that_of_a_venv_that_is_there(machine: Path) -> None:
    python(machine / "bin" / "python3", 11)
    python(machine / "clone" / ".venv" / "bin" / "python", 12)
    assert "apt-get install python3.12-venv" in said(machine)


def test_another_than_that_of_a_venv_where_it_is_named(machine: Path) -> None:
    python(machine / "clone" / ".venv" / "bin" / "python", 12)
    assert "apt-get install python3.10-venv" in said(machine, PYTHON=str(python(machine / "python", 10)))


def test_nothing_is_done_where_nothing_changed(machine: Path) -> None:
    clone = machine / "clone"
    python(clone / ".venv" / "bin" / "python", 12)
    files = ["pyproject.toml", "constraints.txt", "tests/sdk/openai-1.txt", "scripts/setup"]
    sum = subprocess.run("cat " + " ".join(files) + " | cksum", shell=True, cwd=clone, capture_output=True, check=True)
    (clone / ".venv" / ".installed").write_bytes(sum.stdout)
    same = {"PATH": str(machine / "bin"), "PYTHON": str(python(machine / "same", 12))}
    done = subprocess.run([clone / "scripts" / "setup"], env=same, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "apt-get install python3.11-venv" in said(machine, PYTHON=str(python(machine / "other", 11)))


def test_one_that_uv_keeps(machine: Path) -> None:
    python(machine / "bin" / "python3", 14)
    kept = python(machine / "uv" / "python3.12", 12)
    program(machine / "bin" / "uv", f'#!/bin/sh\n[ "$*" = "python find --no-project >=3.10,<3.13" ] && echo {kept}\n')
    assert "apt-get install python3.12-venv" in said(machine)


def test_uv_that_keeps_none(machine: Path) -> None:
    python(machine / "bin" / "python3", 14)
    program(machine / "bin" / "uv", "#!/bin/sh\necho 'error: No interpreter found' >&2; exit 2\n")
    assert "uv python install 3.12" in said(machine)


def test_none(machine: Path) -> None:
    text = said(machine)
    assert "Python 3.10, 3.11 or 3.12 is needed" in text
    assert "make demo PYTHON=/path/to/python3.12" in text


def test_3_13_without_a_compiler(machine: Path) -> None:
    python(machine / "bin" / "python3", 13)
    assert "apt-get install gcc g++ python3-dev" in said(machine)


@pytest.mark.parametrize("minor", [pytest.param(14, id="too-new"), pytest.param(9, id="too-old")])
def test_one_that_was_named_and_will_not_do(machine: Path, minor: int) -> None:
    named = python(machine / "python", minor)
    assert f"{named} is not a Python of 3.10 to 3.13" in said(machine, PYTHON=str(named))


def test_one_that_was_named_and_is_not_there(machine: Path) -> None:
    assert "/nowhere is not a Python" in said(machine, PYTHON="/nowhere")
