"""Several machines of one engine: two network namespaces, real sshd and real mpirun. What is missing is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.images import mpi_node
from tests.deploy.tools import DEPLOY, system_program
from tests.support.absent import absent

NODE = DEPLOY / "images" / "mpi_node.py"
SCRIPT = Path(__file__).with_name("two_machines.sh")
GROUP = {"LWS_LEADER_ADDRESS": "triton-0.triton.qwen", "LWS_GROUP_SIZE": "2", "GPUS_PER_NODE": "2"}
NAMESPACES = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--propagation", "private"]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    command = [system_program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f"]
    subprocess.run([*command, str(folder / "id_ed25519")], check=True)
    return folder


def test_ranks_are_laid_over_the_machines_leader_first(keys: Path) -> None:
    """As the user of the image, without capabilities. The command is of the form that the builder's launcher runs: one
    part for each rank."""
    for program, package in (
        ("mpirun", "openmpi-bin"),
        ("sshd", "openssh-server"),
        ("ip", "iproute2"),
        ("unshare", "util-linux"),
        ("/usr/bin/python3", "python3"),
    ):
        system_program(program, package)
    if os.getuid() != 0 or subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode != 0:
        absent("network namespaces may not be made here: run as root")
    rank = ["-n", "1", "sh", "-c", 'echo "rank $OMPI_COMM_WORLD_RANK on $(hostname) as $(id -u): $SPECIAL"']
    command = ["mpirun", "--allow-run-as-root", *rank, ":", *rank, ":", *rank, ":", *rank]
    done = subprocess.run(
        [*NAMESPACES, "sh", str(SCRIPT), str(keys), str(NODE), *command],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", **GROUP},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "rank 0 on triton-0 as 1000: the leader's own",
        "rank 1 on triton-0 as 1000: the leader's own",
        "rank 2 on triton-0-1 as 1000: the worker's own",
        "rank 3 on triton-0-1 as 1000: the worker's own",
    ]
    assert "Accepted publickey" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "changed", "says"),
    [
        pytest.param([], {}, "say `worker`, or `leader -- COMMAND ...`", id="no-role"),
        pytest.param(["leader"], {}, "say `worker`, or", id="no-command"),
        pytest.param(["worker"], {"LWS_LEADER_ADDRESS": ""}, "LWS_LEADER_ADDRESS is not set", id="no-leader"),
        pytest.param(["worker"], {"LWS_GROUP_SIZE": ""}, "LWS_GROUP_SIZE is ''", id="no-size"),
        pytest.param(["worker"], {"GPUS_PER_NODE": "two"}, "GPUS_PER_NODE is 'two'", id="no-number"),
        pytest.param(["worker"], {"MPI_KEYS": "/nowhere"}, "/nowhere/id_ed25519 is missing", id="no-keys"),
        pytest.param(
            ["leader", "--", "mpirun"],
            {"LWS_LEADER_ADDRESS": "127.0.0.1", "MPI_WAIT_SECONDS": "1"},
            "127-1.0.0.1 did not answer on port 2222 within 1 s",
            id="no-worker",
        ),
    ],
)
def test_what_is_missing_is_said(
    keys: Path, tmp_path: Path, arguments: list[str], changed: dict[str, str], says: str
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "MPI_KEYS": str(keys),
        "MPI_FOLDER": str(tmp_path / "mpi"),
        **GROUP,
        **changed,
    }
    done = subprocess.run(
        [sys.executable, str(NODE), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert says in done.stderr


def node(keys: Path, **changed: str) -> mpi_node.Node:
    return mpi_node.Node.read({"MPI_KEYS": str(keys), **GROUP, **changed})


def test_the_names_are_those_of_a_leaderworkerset(keys: Path) -> None:
    assert mpi_node.hostfile(node(keys, LWS_GROUP_SIZE="3", GPUS_PER_NODE="8")) == (
        "triton-0.triton.qwen slots=8\ntriton-0-1.triton.qwen slots=8\ntriton-0-2.triton.qwen slots=8\n"
    )


def test_a_session_gets_the_containers_environment_and_nothing_of_this_set(keys: Path) -> None:
    environment = {
        "LD_LIBRARY_PATH": "/opt/tritonserver/lib",
        "WITH SPACE": "x",
        "QUOTED": 'a "b"',
        "LINES": "a\nForceCommand true",
        "NCCL_DEBUG": "WARN",
        "LWS_WORKER_INDEX": "1",
        "HOSTNAME": "triton-0-1",
        "MPI_KEYS": "/keys",
    }
    last = mpi_node.sshd_config(node(keys), environment).splitlines()[-1]
    assert last == 'SetEnv LD_LIBRARY_PATH="/opt/tritonserver/lib" NCCL_DEBUG="WARN"'
    assert "SetEnv" not in mpi_node.sshd_config(node(keys), {})


def test_what_is_private_is_readable_for_its_owner_alone(keys: Path, tmp_path: Path) -> None:
    prepared = node(keys, MPI_FOLDER=str(tmp_path / "mpi"))
    mpi_node.prepare(prepared, {})
    mpi_node.prepare(prepared, {})  # a container that starts again
    assert prepared.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in prepared.folder.iterdir()} == {0o600}
