"""One of several machines that serve an engine together, in a LeaderWorkerSet.

    mpi_node.py worker
    mpi_node.py leader -- model-repo-builder launch /models/repository --host 0.0.0.0

A worker is a machine that mpirun may log in to: it runs sshd, as whoever this process is, on a port above 1024. The
leader waits until every worker answers, and then becomes its command, with an environment in which Open MPI finds the
machines and the way to them. The ranks of a worker get the environment of its container.

It knows the variables of LeaderWorkerSet, ssh and Open MPI. It must not know engines. Standard library only.

    LWS_LEADER_ADDRESS, LWS_GROUP_SIZE    as LeaderWorkerSet sets them
    GPUS_PER_NODE                         ranks on each machine
    MPI_KEYS                              folder with id_ed25519 and id_ed25519.pub, the same on every machine
    MPI_SSH_PORT (2222), MPI_FOLDER (/tmp/mpi), MPI_WAIT_SECONDS (600)
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_KEY = "id_ed25519"
_POLL_SECONDS = 1.0
_PASSED_NOT = re.compile(r"^(HOSTNAME|HOME|PWD|OLDPWD|SHLVL|_|TERM|USER|LOGNAME|MAIL|SHELL|LWS_.*|SSH_.*|MPI_.*)$")


class NodeError(Exception):
    """What is wrong, in a sentence that names what to set."""


@dataclass(frozen=True)
class Node:
    leader: str
    size: int
    slots: int
    keys: Path
    port: int
    folder: Path
    wait_seconds: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Node:
        def number(name: str, default: str = "") -> int:
            text = environ.get(name, default)
            if not text.isdecimal() or int(text) < 1:
                raise NodeError(f"{name} is {text!r}: set it to a whole number above 0")
            return int(text)

        def text(name: str, default: str = "") -> str:
            value = environ.get(name, default)
            if not value:
                raise NodeError(f"{name} is not set: a LeaderWorkerSet and deploy/kubernetes say it")
            return value

        keys = Path(text("MPI_KEYS"))
        for name in (_KEY, f"{_KEY}.pub"):
            if not (keys / name).is_file():
                raise NodeError(
                    f"{keys / name} is missing: make the Secret with `ssh-keygen -t ed25519 -N '' -f {_KEY}`"
                )
        return cls(
            leader=text("LWS_LEADER_ADDRESS"),
            size=number("LWS_GROUP_SIZE"),
            slots=number("GPUS_PER_NODE"),
            keys=keys,
            port=number("MPI_SSH_PORT", "2222"),
            folder=Path(text("MPI_FOLDER", "/tmp/mpi")),
            wait_seconds=number("MPI_WAIT_SECONDS", "600"),
        )

    @property
    def workers(self) -> list[str]:
        """Pods of a group are NAME-GROUP for the leader, then NAME-GROUP-1 and so on, in one domain."""
        name, dot, domain = self.leader.partition(".")
        return [f"{name}-{number}{dot}{domain}" for number in range(1, self.size)]


def hostfile(node: Node) -> str:
    """The leader first: rank 0 is the one that serves."""
    return "".join(f"{host} slots={node.slots}\n" for host in (node.leader, *node.workers))


def ssh_config(node: Node) -> str:
    lines = {
        "Port": node.port,
        "IdentityFile": node.folder / _KEY,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": node.folder / "known_hosts",
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 10,
        "ServerAliveInterval": 15,
        "LogLevel": "ERROR",
    }
    return "Host *\n" + "".join(f"    {key} {value}\n" for key, value in lines.items())


def sshd_config(node: Node, environ: Mapping[str, str]) -> str:
    """Only the key of this set may log in, to run a command; sessions get this container's environment."""
    passed = [
        f'{name}="{value}"'
        for name, value in sorted(environ.items())
        if not _PASSED_NOT.match(name) and not set(value) & set('"\\\n') and re.fullmatch(r"\w+", name)
    ]
    lines = {
        "Port": node.port,
        "HostKey": node.folder / _KEY,
        "AuthorizedKeysFile": node.folder / "authorized_keys",
        "PidFile": "none",
        "AuthenticationMethods": "publickey",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "PermitTTY": "no",
        "AllowTcpForwarding": "no",
        "AllowAgentForwarding": "no",
        "X11Forwarding": "no",
        "PermitTunnel": "no",
        "StrictModes": "no",  # a Secret's files are links into a folder that the group may read
        "LogLevel": "INFO",
    }
    text = "".join(f"{key} {value}\n" for key, value in lines.items())
    return text + (f"SetEnv {' '.join(passed)}\n" if passed else "")


def openmpi(node: Node) -> dict[str, str]:
    """What Open MPI 4 reads, and what PRRTE of Open MPI 5 reads; the latter was not tried."""
    agent, hosts = f"ssh -F {node.folder / 'ssh_config'}", str(node.folder / "hostfile")
    return {
        "OMPI_MCA_plm_rsh_agent": agent,
        "OMPI_MCA_orte_default_hostfile": hosts,
        "PRTE_MCA_plm_ssh_agent": agent,
        "PRTE_MCA_prte_default_hostfile": hosts,
    }


def prepare(node: Node, environ: Mapping[str, str]) -> None:
    """Writes what ssh and sshd read into a folder that is this process's own."""
    node.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = (node.keys / f"{_KEY}.pub").read_text("utf-8").strip()
    kind, key = public.split()[:2]
    texts = {
        _KEY: (node.keys / _KEY).read_text("utf-8"),
        "authorized_keys": f"restrict {kind} {key}\n",
        "known_hosts": f"[*]:{node.port} {kind} {key}\n",
        "ssh_config": ssh_config(node),
        "sshd_config": sshd_config(node, environ),
        "hostfile": hostfile(node),
    }
    for name, text in texts.items():
        path = node.folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")


def wait_for_workers(node: Node) -> None:
    """Until each of them lets itself be connected to."""
    deadline = time.monotonic() + node.wait_seconds
    waiting = node.workers
    while waiting:
        waiting = [host for host in waiting if not _answers(host, node.port)]
        if waiting and time.monotonic() > deadline:
            raise NodeError(
                f"{', '.join(waiting)} did not answer on port {node.port} within {node.wait_seconds} s: "
                "see why those pods do not run, or whether a NetworkPolicy keeps them apart"
            )
        if waiting:
            print(f"waiting for {', '.join(waiting)}", file=sys.stderr, flush=True)
            time.sleep(_POLL_SECONDS)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except OSError:
        return False


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise NodeError(f"{name} is not in this image: build deploy/images/triton.Dockerfile with --target multi-node")
    return found


def run(arguments: Sequence[str]) -> NoReturn:
    role, command = (arguments[0] if arguments else ""), list(arguments[2:])
    if role not in ("leader", "worker") or (role == "leader") != (len(arguments) > 2 and arguments[1] == "--"):
        raise NodeError("say `worker`, or `leader -- COMMAND ...`")
    node = Node.read(os.environ)
    prepare(node, os.environ)
    if role == "worker":
        sshd = _program("sshd")
        os.execv(sshd, [sshd, "-D", "-e", "-f", str(node.folder / "sshd_config")])
    _program("ssh")
    wait_for_workers(node)
    os.execvpe(command[0], command, {**os.environ, **openmpi(node)})


def main() -> int:
    try:
        run(sys.argv[1:])
    except NodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
