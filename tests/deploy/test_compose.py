"""The compose files read by ``docker compose config``: its schema, what is missing named, and what must never be."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.server import LAST_SECONDS
from gateway.settings import Settings
from gateway.workers import PATIENCE_SECONDS
from model_repo_builder.nginx import nginx_conf
from tests.deploy import dockerfiles
from tests.deploy.compose import ALONE, BESIDES, EVERYWHERE, FOLDER, OVER, needed, render, rendered, seconds
from tests.deploy.launching import launched

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TRITON_PORTS = {8000, 8001, 8002, 8010, 8011, 8012}
STACKS = [(name,) for name in ALONE] + [("one-gpu", "proxy", "monitoring"), ("several-tritons", "monitoring")]


def tritons(project: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in project["services"].items() if "launch" in (each["command"] or [])}


def settings(project: dict[str, Any]) -> Settings:
    """The gateway's, as it would read them in its container."""
    service = project["services"]["gateway"]
    environment = dockerfiles.environment("gateway") | service["environment"]
    document = tomllib.loads(project["configs"]["gateway"]["content"])
    return Settings.read(document, environment, {}, folder=Path("/etc/gateway"))


def test_every_file_is_looked_at() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*ALONE, *OVER, "common"}


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_it_is_valid_for_compose(names: tuple[str, ...]) -> None:
    assert rendered(*names)["services"]


def test_compose_would_refuse_what_its_schema_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("services: {triton: {image: x, shmsize: 1gb}}", "utf-8")
    result = render([str(tmp_path / "wrong")], {})
    assert "services.triton.shmsize" in result.error


@pytest.mark.parametrize(
    ("name", "variable"),
    [pytest.param(name, variable, id=f"{name}-{variable}") for name in ALONE for variable in needed(name)]
    + [pytest.param("monitoring", variable, id=f"monitoring-{variable}") for variable in BESIDES["monitoring"]],
)
def test_what_is_missing_is_named_before_anything_starts(name: str, variable: str) -> None:
    names = (name,) if name in ALONE else ("one-gpu", name)
    environment = {key: value for key, value in needed(*names).items() if key != variable}
    error = render(names, environment).error
    assert f"required variable {variable} is missing a value: set {variable} to " in error


@pytest.mark.parametrize("variable", EVERYWHERE)
def test_what_is_empty_is_missing(variable: str) -> None:
    error = render(["one-gpu"], {**EVERYWHERE, variable: ""}).error
    assert f"required variable {variable} is missing a value: set {variable} to " in error


def test_the_example_lists_all_that_has_no_default() -> None:
    text = (FOLDER / ".env.example").read_text("utf-8")
    listed = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    assert {*EVERYWHERE, *(key for own in BESIDES.values() for key in own)} <= listed


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_the_ports_of_triton_are_nowhere_published(names: tuple[str, ...]) -> None:
    project = rendered(*names)
    for name, service in project["services"].items():
        targets = {port["target"] for port in service.get("ports", [])}
        assert not targets & TRITON_PORTS, name
        assert service.get("network_mode") != "host", name
    for name, service in tritons(project).items():
        assert "ports" not in service, name
        assert list(service["networks"]) == ["engines"], name
    assert project["networks"]["engines"]["internal"]


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_models_are_read_only_where_they_are_served(names: tuple[str, ...]) -> None:
    for name, service in rendered(*names)["services"].items():
        for volume in service.get("volumes", []):
            if volume["target"] == "/models" and "build" not in service.get("profiles", []):
                assert volume["read_only"], name
            if volume["type"] == "bind":
                assert volume["bind"]["create_host_path"] is False, name  # a wrong path is an error, not a new folder


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_every_service_is_confined_and_does_not_restart_for_ever(names: tuple[str, ...]) -> None:
    for name, service in rendered(*names)["services"].items():
        if "build" in service.get("profiles", []):
            continue
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "on-failure:3", name
        if name != "grafana":  # which writes into its own folders
            assert service["read_only"], name


@pytest.mark.parametrize("name", ALONE)
def test_triton_has_what_its_models_and_gpus_need(name: str) -> None:
    for service in tritons(rendered(name)).values():
        assert int(service["shm_size"]) >= 2 << 30
        assert service["ulimits"] == {"memlock": -1, "stack": 67108864}
        devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
        assert [each["driver"] for each in devices] == ([] if name == "cpu" else ["nvidia"])


@pytest.mark.parametrize("name", ALONE)
def test_the_command_is_one_that_the_launcher_takes(name: str) -> None:
    for service in tritons(rendered(name)).values():
        options = launched(service["command"])
        assert options.repository == "/models/build/repository"
        assert options.host == "0.0.0.0"
        assert options.orchestrator == (name == "orchestrator")
        assert options.devices == ((("0", "1"), ("2", "3")) if name == "leader" else ())


@pytest.mark.parametrize("name", ALONE)
def test_no_probe_counts_before_the_launcher_gives_up_loading(name: str) -> None:
    for service in tritons(rendered(name)).values():
        timeout = launched(service["command"]).timeout
        assert seconds(service["healthcheck"]["start_period"]) >= timeout


@pytest.mark.parametrize("name", ALONE)
def test_the_gateway_waits_for_every_triton(name: str) -> None:
    project = rendered(name)
    waits = project["services"]["gateway"]["depends_on"]
    assert {triton: each["condition"] for triton, each in waits.items()} == dict.fromkeys(
        tritons(project), "service_healthy"
    )


@pytest.mark.parametrize("name", ALONE)
def test_the_gateway_takes_its_settings(name: str) -> None:
    project = rendered(name)
    read = settings(project)
    assert read.models[0].max_model_len == 8192
    assert read.models[0].tokenizer == "/models/Qwen1.5-14B-Chat"
    assert read.keys.file == "/run/secrets/keys.toml"
    assert set(read.keys.open) == {"/readyz", "/metrics"}  # the health check and Prometheus have no key
    assert (read.server.host, read.server.port) == ("0.0.0.0", 9000)
    targets = {each["target"] for each in project["services"]["gateway"]["configs"]}
    assert "/etc/gateway/gateway.toml" in targets


@pytest.mark.parametrize("name", ALONE)
def test_the_gateway_asks_the_tritons_that_are_there(name: str) -> None:
    project = rendered(name)
    hosts = [endpoint.rpartition(":")[0] for endpoint in settings(project).models[0].triton]
    if name == "leader":
        listed = tomllib.loads(project["configs"]["tritons"]["content"])["endpoints"]
        command = next(iter(tritons(project).values()))["command"]
        options = launched(command)
        ports = [options.grpc_port + number * options.port_step for number in range(options.instances)]
        assert [each["address"] for each in listed] == [f"triton:{port}" for port in ports]
        hosts = ["triton"]
    assert hosts == list(tritons(project))


@pytest.mark.parametrize("name", ALONE)
def test_docker_waits_longer_than_the_gateway_takes_to_end(name: str) -> None:
    project = rendered(name)
    server = settings(project).server
    longest = server.drain_seconds + server.grace_seconds + LAST_SECONDS + PATIENCE_SECONDS
    assert seconds(project["services"]["gateway"]["stop_grace_period"]) > longest


def test_behind_the_proxy_the_gateway_is_not_published() -> None:
    project = rendered("one-gpu", "proxy")
    assert "ports" not in project["services"]["gateway"]
    assert [port["published"] for port in project["services"]["proxy"]["ports"]] == ["8080"]


def test_the_proxy_of_leader_mode_knows_the_instances_that_the_launcher_starts() -> None:
    project = rendered("leader")
    options = launched(project["services"]["triton"]["command"])
    steps = [number * options.port_step for number in range(options.instances)]
    http, grpc = ([f"triton:{port + step}" for step in steps] for port in (options.http_port, options.grpc_port))
    written = project["configs"]["instances"]["content"].replace("$$", "$")
    assert written == nginx_conf(http, grpc, options.nginx_http_port, options.nginx_grpc_port)


def test_monitoring_publishes_grafana_to_this_machine_alone() -> None:
    project = rendered("one-gpu", "monitoring")
    published = {name: each["ports"] for name, each in project["services"].items() if "ports" in each}
    assert set(published) == {"gateway", "grafana"}
    assert published["grafana"][0]["host_ip"] == "127.0.0.1"
