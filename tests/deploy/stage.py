"""Services of a compose file run on this machine without containers, in what containers are made of.

    unshare --mount --net --pid --fork --kill-child --propagation private python stage.py SPEC.json

Each service gets a root of its own that is read-only but for /tmp, the mounts, configs and secrets that the file gives
it, its command after its image's entry point, the environment of both, and no capabilities. All share one network
namespace, in which every name of a service is this machine. What is missing: images (programs are this machine's), and
the user (these run as whoever runs the test, because that is whose the programs are). It knows mounts and processes; it
must not know what the services do. Standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_NOT_FROM_HERE = {"dev", "etc", "mnt", "media", "opt", "proc", "run", "srv", "sys", "tmp"}
_POLL_SECONDS = 0.2
_NO_CAPABILITIES = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs")


def main(path: str) -> None:
    spec = json.loads(Path(path).read_text("utf-8"))
    _run("ip", "link", "set", "lo", "up")
    said: dict[str, Any] = {}
    for service in spec["first"]:
        done = subprocess.run(_entered(service, service["command"]), capture_output=True, text=True, check=False)
        said[service["name"]] = {"code": done.returncode, "output": done.stdout + done.stderr}
        if done.returncode:
            break
    else:
        said |= _serve(spec)
    json.dump(said, sys.stdout)


def _serve(spec: dict[str, Any]) -> dict[str, Any]:
    """The services in their order, each when the one before is healthy; then the questions; then all end."""
    said: dict[str, Any] = {}
    running: dict[str, subprocess.Popen[bytes]] = {}
    logs = {service["name"]: Path(spec["folder"]) / f"{service['name']}.log" for service in spec["services"]}
    for service in spec["services"]:
        name = service["name"]
        with logs[name].open("wb") as log:
            running[name] = subprocess.Popen(_entered(service, service["command"]), stdout=log, stderr=log)
        said[name] = {"healthy": _healthy(service, running[name])}
        if not said[name]["healthy"]:
            break
    else:
        said["answers"] = [_ask(question) for question in spec["questions"]]
    for name, process in reversed(running.items()):
        process.send_signal(signal.SIGTERM)
        said[name]["code"] = process.wait(spec["patience"])
        said[name]["output"] = logs[name].read_text("utf-8", "replace")
    return said


def _healthy(service: dict[str, Any], process: subprocess.Popen[bytes]) -> bool:
    """By its own health check, in its own root."""
    deadline = time.monotonic() + service["patience"]
    while process.poll() is None and time.monotonic() < deadline:
        if subprocess.run(_entered(service, service["healthcheck"]), capture_output=True, check=False).returncode == 0:
            return True
        threading.Event().wait(_POLL_SECONDS)
    return False


def _ask(question: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(question["body"]).encode() if question.get("body") else None
    request = urllib.request.Request(question["url"], body, question.get("headers", {}))
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return {"status": reply.status, "body": reply.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode()}


def _entered(service: dict[str, Any], command: list[str]) -> list[str]:
    inside = json.dumps({**service, "command": command})
    return ["unshare", "--mount", "--propagation", "private", sys.executable, __file__, "--inside", inside]


def inside(text: str) -> None:
    """Becomes the command, in the root of its service."""
    service = json.loads(text)
    root = Path(service["root"])
    root.mkdir(parents=True, exist_ok=True)
    _mount("tmpfs", root)
    for entry in Path("/").iterdir():
        if entry.is_symlink():
            (root / entry.name).symlink_to(entry.readlink())
        elif entry.is_dir() and entry.name not in _NOT_FROM_HERE:
            _bind(entry, root / entry.name)
    for name in ("dev", "proc", "sys"):
        _bind(Path("/") / name, root / name, writable=True)
    shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True, ignore=_sockets)
    for name in ("tmp", "dev/shm"):
        (root / name).mkdir(exist_ok=True)
        _mount("tmpfs", root / name)
    for path in service["needed"]:  # where a clone or its Python lies in a folder left out above
        if not (root / path.lstrip("/")).exists():
            _bind(Path(path), root / path.lstrip("/"))
    for target, content in service["files"].items():
        path = root / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    for each in service["mounts"]:
        _bind(Path(each["source"]), root / each["target"].lstrip("/"), writable=each["writable"])
    (root / "etc/hosts").write_text("127.0.0.1 localhost " + " ".join(service["names"]) + "\n", "utf-8")
    if service["read_only"]:
        _run("mount", "-o", "remount,ro", str(root))
    os.chroot(root)
    os.chdir("/tmp")
    command = [*_NO_CAPABILITIES, *service["command"]]
    os.execvpe(command[0], command, service["environment"])


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not os.path.islink(f"{folder}/{name}") and not _copied(f"{folder}/{name}")]


def _copied(path: str) -> bool:
    return os.path.isdir(path) or (os.path.isfile(path) and os.access(path, os.R_OK))


def _bind(source: Path, target: Path, *, writable: bool = False) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _run("mount", "--rbind", str(source), str(target))
    if not writable:
        _run("mount", "-o", "remount,ro,bind", str(target))


def _mount(kind: str, target: Path) -> None:
    _run("mount", "-t", kind, "none", str(target))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    inside(sys.argv[2]) if sys.argv[1] == "--inside" else main(sys.argv[1])
