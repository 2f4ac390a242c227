import sys
from pathlib import Path

import pytest

from model_repo_builder.errors import LaunchError
from model_repo_builder.tritonserver import Installation, find_tritonserver, libpython_folder, surroundings
from tests.support.triton import require


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_one_that_was_named(tmp_path: Path) -> None:
    binary = program(tmp_path / "bin" / "tritonserver")
    assert find_tritonserver(binary, {}) == Installation(binary)


@pytest.mark.parametrize("name", ["none", "."])
def test_a_name_that_is_no_program(tmp_path: Path, name: str) -> None:
    with pytest.raises(LaunchError, match="no program"):
        find_tritonserver(tmp_path / name, {})


def test_path_comes_before_the_wheel(tmp_path: Path) -> None:
    binary = program(tmp_path / "bin" / "tritonserver")
    assert find_tritonserver(None, {"PATH": str(binary.parent)}).binary == binary


def test_a_complete_installation_needs_nothing(tmp_path: Path) -> None:
    around = surroundings(Installation(tmp_path / "tritonserver"), tmp_path / "private", {})
    assert (around.arguments, dict(around.environment)) == ((), {})
    assert not (tmp_path / "private").exists()


def test_the_wheel_and_what_it_needs(tmp_path: Path) -> None:
    require("pytriton")
    installation = find_tritonserver(None, {"PATH": ""})
    around = surroundings(installation, tmp_path / "private", {"LD_LIBRARY_PATH": "/before", "PATH": "/bin"})
    backend = tmp_path / "private" / "backends" / "python"
    stub = (backend / "triton_python_backend_stub").resolve()
    assert stub.parent.name == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert sorted(path.name for path in backend.iterdir() if path.resolve().is_file()) == [
        "libtriton_python.so",
        "triton_python_backend_stub",
        "triton_python_backend_utils.py",
    ]
    assert around.arguments == ("--backend-directory", str(backend.parent))
    assert around.environment["LD_LIBRARY_PATH"].endswith(":/before")
    assert "nvidia_pytriton.libs" in around.environment["LD_LIBRARY_PATH"]
    assert around.environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)


def test_a_wheel_without_this_python(tmp_path: Path) -> None:
    (tmp_path / "wheel" / "python_backend_stubs" / "3.8").mkdir(parents=True)
    (tmp_path / "wheel" / "python_backend_stubs" / "3.8" / "triton_python_backend_stub").touch()
    with pytest.raises(LaunchError, match=r"use one of 3\.8"):
        surroundings(Installation(tmp_path / "tritonserver", tmp_path / "wheel"), tmp_path / "private", {})


def test_libpython_is_where_it_is_said_to_be() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for folder in libpython_folder():
        assert (Path(folder) / f"libpython{version}.so.1.0").is_file()
