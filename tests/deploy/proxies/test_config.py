"""The shipped files: good to the programs that read them, in accord with the gateway's settings, and clear about what
is missing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings.deadlines import Deadlines
from gateway.settings.edge import Edge
from gateway.settings.server import ServerSettings
from loadtest.proxies import DEPLOY, PROXIES, Certificate, Envoy, HAProxy, Leader, Nginx, Proxy
from model_repo_builder.nginx import nginx_conf
from tests.deploy.proxies.conftest import needs

EXAMPLES = ["10.0.0.11:9000", "10.0.0.12:9000"]
FILES = {
    "nginx": DEPLOY / "nginx" / "gateway.conf",
    "haproxy": DEPLOY / "haproxy" / "haproxy.cfg",
    "envoy": DEPLOY / "envoy" / "envoy.yaml",
}


def test_the_program_takes_it(kind: type[Proxy], tmp_path: Path, certificate: Certificate) -> None:
    for tls in (None, certificate):
        done = kind(tmp_path, EXAMPLES, certificate=tls).check()
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert not re.search(r"warn|deprecat", said, re.IGNORECASE), said


def test_nginx_takes_the_example_of_a_site(tmp_path: Path, certificate: Certificate) -> None:
    needs(Nginx)
    proxy = Nginx(tmp_path, EXAMPLES)
    site = proxy.folder / "site"
    shutil.copytree(DEPLOY / "nginx" / "site.example", site, dirs_exist_ok=True)
    shutil.copy(certificate.cert, site / "tls.pem")
    shutil.copy(certificate.key, site / "tls.key")
    listen = site / "listen.conf"
    listen.write_text(re.sub(r"\b443\b", str(proxy.port), listen.read_text("utf-8")), "utf-8")  # it may be taken here
    done = proxy.check()
    assert done.returncode == 0, done.stderr


def test_the_leader_configuration(tmp_path: Path) -> None:
    needs(Nginx)
    text = (DEPLOY / "nginx" / "site.example" / "triton.conf").read_text("utf-8")
    done = Leader(tmp_path, text, 8080).check()
    assert done.returncode == 0, done.stderr


def test_the_leader_example_is_what_the_builder_writes() -> None:
    text = (DEPLOY / "nginx" / "site.example" / "triton.conf").read_text("utf-8")
    hosts = ("10.0.0.21", "10.0.0.22")
    assert text == nginx_conf([f"{host}:8000" for host in hosts], [f"{host}:8001" for host in hosts], 8080, 8081)


def _without(name: str) -> Callable[[Proxy], None]:
    """``name``: a file of the proxy's folder."""
    return lambda proxy: (proxy.folder / name).unlink()


def _unset(name: str) -> Callable[[Proxy], None]:
    def unset(proxy: Proxy) -> None:
        del proxy.environment[name]

    return unset


MISSING = [
    (Nginx, _without("site/gateways.conf"), "site/gateways.conf"),
    (Nginx, _without("site/listen.conf"), "site/listen.conf"),
    (HAProxy, _unset("EDGE_BIND"), "EDGE_BIND is not set"),
    (HAProxy, _unset("EDGE_CERT"), "EDGE_CERT is not set"),
    (HAProxy, _without("gateways.cfg"), "gateways.cfg"),
    (Envoy, _without("site/gateways.yaml"), "site/gateways.yaml"),
    (Envoy, _without("site/certificate.yaml"), "site/certificate.yaml"),
]


@pytest.mark.parametrize(("kind", "take_away", "words"), MISSING, ids=[f"{row[0].name}-{row[2]}" for row in MISSING])
def test_what_is_missing_is_named(
    kind: type[Proxy], take_away: Callable[[Proxy], None], words: str, tmp_path: Path
) -> None:
    needs(kind)
    proxy = kind(tmp_path, EXAMPLES)
    take_away(proxy)
    done = proxy.check()
    assert done.returncode != 0
    assert words in done.stdout + done.stderr


def test_the_backend_is_named_where_its_file_was_not_given(tmp_path: Path) -> None:
    needs(HAProxy)
    proxy = HAProxy(tmp_path, EXAMPLES)
    (proxy.folder / "gateways.cfg").write_text("# nothing\n", "utf-8")
    done = proxy.check()
    assert done.returncode != 0
    assert "unable to find required default_backend: 'gateways'" in done.stderr


@pytest.mark.parametrize("kind", [Nginx, HAProxy], ids=["nginx", "haproxy"])
def test_a_certificate_that_is_missing_is_named(kind: type[Proxy], tmp_path: Path, certificate: Certificate) -> None:
    needs(kind)
    copy = Certificate(tmp_path / "edge.pem", tmp_path / "edge.key")
    shutil.copy(certificate.cert, copy.cert)
    shutil.copy(certificate.key, copy.key)
    proxy = kind(tmp_path, EXAMPLES, certificate=copy)
    for each in (copy.cert, proxy.folder / "edge.pem"):
        each.unlink(missing_ok=True)
    done = proxy.check()
    assert done.returncode != 0
    assert "edge.pem" in done.stderr


def test_examples_are_what_the_tests_run_with(tmp_path: Path) -> None:
    """The programs are not needed for that: only their folders are written."""
    folders = {kind: kind(tmp_path, EXAMPLES).folder for kind in PROXIES}
    pairs = [
        (folders[Nginx] / "site" / "gateways.conf", DEPLOY / "nginx" / "site.example" / "gateways.conf"),
        (folders[HAProxy] / "gateways.cfg", DEPLOY / "haproxy" / "gateways.example.cfg"),
    ]
    for ours, shipped in pairs:
        assert _bare(ours) == _bare(shipped)
    written, example = folders[Envoy] / "site" / "gateways.yaml", DEPLOY / "envoy" / "site.example" / "gateways.yaml"
    assert yaml.safe_load(written.read_text("utf-8")) == yaml.safe_load(example.read_text("utf-8"))


def _bare(path: Path) -> list[list[str]]:
    """Words of lines, without comments."""
    lines = [line.partition("#")[0].split() for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line]


# In accord with the gateway.


def _nginx(name: str) -> list[str]:
    return re.findall(rf"^\s*{name} ([^;]+);", FILES["nginx"].read_text("utf-8"), re.MULTILINE)


def _haproxy(name: str) -> list[str]:
    return re.findall(rf"^\s*{name} (\S+)$", FILES["haproxy"].read_text("utf-8"), re.MULTILINE)


def _envoy(name: str) -> list[Any]:
    """All values of that name, however deep."""

    def walk(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [found for each in node for found in walk(each)]
        if not isinstance(node, dict):
            return []
        return [found for key, each in node.items() for found in ([each] if key == name else []) + walk(each)]

    return walk(yaml.safe_load(FILES["envoy"].read_text("utf-8")))


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|h)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def test_bodies_are_as_large_as_the_gateway_takes() -> None:
    limit = ServerSettings().max_body_bytes
    assert _nginx("client_max_body_size") == [f"{limit // 2**20}m"]
    assert set(_envoy("max_request_bytes")) == set(_envoy("request_body_buffer_limit")) == {limit}
    for name in ("nginx", "envoy"):
        assert f"larger than the {limit} bytes" in FILES[name].read_text("utf-8")


def test_silence_may_last_as_long_as_a_request() -> None:
    """Longer than any deadline of the gateway: it is the gateway that ends a request, with an error that says why."""
    longest = max(Deadlines().total_seconds, Deadlines().first_token_seconds, Deadlines().idle_seconds)
    values = {
        "nginx": [*_nginx("proxy_read_timeout"), *_nginx("worker_shutdown_timeout")],
        "haproxy": [*_haproxy("timeout client"), *_haproxy("timeout server"), *_haproxy("hard-stop-after")],
        "envoy": [*_envoy("stream_idle_timeout"), *(text for text in _envoy("idle_timeout") if len(text) > 3)],
    }
    values["nginx"].remove("2s")  # of the question whether a gateway is ready
    for name, texts in values.items():
        assert len(texts) >= 2, name
        assert all(_seconds(text) > longest for text in texts), (name, texts)
    assert set(_envoy("timeout")) == {"0s", "2s"}  # of an answer, and of a check


def test_kept_connections_go_before_the_gateway_closes_them() -> None:
    closes = Edge().keep_alive_seconds
    clusters = yaml.safe_load(FILES["envoy"].read_text("utf-8"))["static_resources"]["clusters"]
    (options,) = clusters[0]["typed_extension_protocol_options"].values()
    kept = [*_nginx("keepalive_timeout"), *_haproxy("timeout http-keep-alive")]
    kept.append(options["common_http_protocol_options"]["idle_timeout"])
    assert len(kept) == 3
    assert all(_seconds(text) <= closes - 10 for text in kept)


def test_slow_clients_have_as_long_as_the_gateway_gives() -> None:
    head = Edge().head_seconds
    texts = [*_nginx("client_header_timeout"), *_haproxy("timeout http-request"), *_envoy("request_headers_timeout")]
    assert {_seconds(text) for text in texts} == {head}
    assert _seconds(_nginx("client_body_timeout")[0]) == Edge().body_seconds
    whole = Edge().body_seconds + ServerSettings().max_body_bytes / (64 * 1024)
    assert {_seconds(text) >= whole for text in _envoy("request_timeout")} == {True}


def test_headers_are_as_long_as_the_gateway_takes() -> None:
    most = Edge().max_header_bytes
    ((number, size),) = [text.split() for text in _nginx("large_client_header_buffers")]
    assert int(number) * int(size.removesuffix("k")) * 1024 == most
    assert _haproxy("tune.bufsize") == [str(most)]
    assert set(_envoy("max_request_headers_kb")) == {most // 1024}
    assert set(_envoy("max_headers_count")) == {Edge().max_headers}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("nginx", r"^\s*proxy_next_upstream .*(non_idempotent|http_50[024]|http_4)"),
        ("haproxy", r"^\s*retry-on (?!conn-failure$)"),
        ("envoy", r"retry_on: (?!connect-failure$)"),
    ],
    ids=["nginx", "haproxy", "envoy"],
)
def test_nothing_that_was_sent_is_sent_again(name: str, pattern: str) -> None:
    """A list of what must never be there; ``test_wire`` sees it happen, or not."""
    assert re.search(pattern, FILES[name].read_text("utf-8"), re.MULTILINE) is None
