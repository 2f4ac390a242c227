"""What no schema asks of the overlays: who reaches whom, how pods are confined, and how long everything may take."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from gateway.metrics import Metrics
from gateway.server import LAST_SECONDS
from gateway.settings import Settings
from gateway.workers import PATIENCE_SECONDS
from model_repo_builder.launch import EXIT_TIMEOUT_SECONDS
from tests.deploy import dockerfiles
from tests.deploy.kustomize import OVERLAYS, Object, of_kind, pods, seconds_of
from tests.deploy.launching import launched

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TRITON_PORTS = {8000, 8001, 8002}
JITTER = 1.2  # of the gateway's looks at a name
MULTI_NODE = ("multi-node-leader", "llmapi-multi-node")


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def test_the_gateway_takes_its_settings(rendered: dict[str, list[Object]]) -> None:
    settings = read_settings(rendered["one-gpu"])
    assert settings.models[0].triton == ("dns:triton:8001",)
    assert settings.keys.file == "/etc/gateway-keys/keys.toml"
    assert set(settings.keys.open) == {"/readyz", "/metrics"}
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 9000)


def read_settings(objects: list[Object]) -> Settings:
    pod = pods(objects)["gateway"]
    environment = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
    name = next(each["configMap"]["name"] for each in pod["spec"]["volumes"] if each["name"] == "settings")
    document = tomllib.loads(of_kind(objects, "ConfigMap")[name]["data"]["gateway.toml"])
    return Settings.read(document, dockerfiles.environment("gateway") | environment, {}, folder=Path("/etc/gateway"))


def test_the_services_of_the_namespace_are_no_settings_of_the_gateway(rendered: dict[str, list[Object]]) -> None:
    """Kubernetes announces a Service named gateway to every pod as GATEWAY_PORT=tcp://..., unless it is told not to."""
    for overlay in OVERLAYS:
        for name, pod in pods(rendered[overlay]).items():
            assert pod["spec"]["enableServiceLinks"] is False, (overlay, name)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_what_the_restricted_profile_admits_and_no_more(
    rendered: dict[str, list[Object]], overlay: str
) -> None:
    for name, pod in pods(rendered[overlay]).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] >= 1000, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", name
            assert container["resources"]["requests"], name
            writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert writable <= {"/tmp", "/dev/shm"}, name
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}, name
            assert volume.get("persistentVolumeClaim", {"readOnly": True})["readOnly"], name
    namespace = of_kind(rendered[overlay], "Namespace")["qwen"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_triton_is_published_by_nothing(rendered: dict[str, list[Object]], overlay: str) -> None:
    objects = rendered[overlay]
    for name, service in of_kind(objects, "Service").items():
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP", name
        if {port["port"] for port in service["spec"]["ports"]} & TRITON_PORTS:
            assert name == "triton"
            assert service["spec"]["clusterIP"] == "None"
    for route in of_kind(objects, "HTTPRoute").values():
        for rule in route["spec"]["rules"]:
            assert {backend["name"] for backend in rule["backendRefs"]} == {"gateway"}
            paths = {match["path"]["value"] for match in rule["matches"]}
            assert not any(path.startswith(("/metrics", "/debug")) or path == "/" for path in paths)
    for pod in pods(objects).values():
        for container in containers(pod):
            assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_gateway_prometheus_and_other_ranks_reach_triton(
    rendered: dict[str, list[Object]], overlay: str
) -> None:
    """From whom, on which ports; an absent list of ports is all of them."""
    triton = {"app.kubernetes.io/name": "triton"}
    allowed = set()
    for policy in of_kind(rendered[overlay], "NetworkPolicy").values():
        if policy["spec"]["podSelector"]["matchLabels"] == triton:
            assert "Ingress" in policy["spec"]["policyTypes"]
            for rule in policy["spec"].get("ingress", []):
                for peer in rule["from"]:
                    who = peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
                    allowed |= {(who, port["port"]) for port in rule.get("ports", [{"port": "all"}])}
    expected: set[tuple[str, int | str]] = {("gateway", 8001), ("gateway", 8002)}
    expected |= {("triton", "all")} if overlay in MULTI_NODE else set()
    expected |= {("prometheus", "metrics")} if overlay == "monitoring" else set()
    assert allowed == expected


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_gateway_has_the_time_it_takes_to_end(rendered: dict[str, list[Object]], overlay: str) -> None:
    server = read_settings(rendered[overlay]).server
    spec = pods(rendered[overlay])["gateway"]["spec"]
    pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    ending = server.drain_seconds + server.grace_seconds + LAST_SECONDS + PATIENCE_SECONDS
    assert spec["terminationGracePeriodSeconds"] > pause + ending
    # Long enough for its own probe to see it.
    assert server.drain_seconds >= seconds_of(spec["containers"][0]["readinessProbe"])


def served(objects: list[Object]) -> Object:
    """The pod in which a tritonserver answers."""
    found = pods(objects)
    return found.get("triton") or found["triton-group leader"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_triton_leaves_the_name_before_it_leaves(rendered: dict[str, list[Object]], overlay: str) -> None:
    spec = served(rendered[overlay])["spec"]
    pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause > read_settings(rendered[overlay]).probes.dns_seconds * JITTER
    assert spec["terminationGracePeriodSeconds"] > pause + EXIT_TIMEOUT_SECONDS + 5


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_loading_ends_by_the_launchers_sentence_and_not_by_a_probe(
    rendered: dict[str, list[Object]], overlay: str
) -> None:
    container = served(rendered[overlay])["spec"]["containers"][0]
    environment = {each["name"]: each["value"] for each in container["env"]}
    arguments = [re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], word) for word in container["args"]]
    options = launched(arguments)
    assert options.repository == "/models/build/qwen1.5-14b-chat-bf16/repository"
    assert options.host == "0.0.0.0"
    assert options.trtllm_llmapi_launch == (overlay == "llmapi-multi-node")
    waiting = int(environment.get("MPI_WAIT_SECONDS", 0))
    assert seconds_of(container["startupProbe"]) > waiting + options.timeout
    assert container["startupProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_of_the_gateway_ask_what_they_are_for(rendered: dict[str, list[Object]], overlay: str) -> None:
    container = pods(rendered[overlay])["gateway"]["spec"]["containers"][0]
    asked = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_it_scales_by_metrics_that_the_gateway_has(rendered: dict[str, list[Object]], overlay: str) -> None:
    scaler = of_kind(rendered[overlay], "HorizontalPodAutoscaler")["gateway"]["spec"]
    names = [metric["pods"]["metric"]["name"] for metric in scaler["metrics"]]
    assert names == ["gateway_requests_in_flight", "gateway_queue_requests"]
    metrics = Metrics()
    metrics.in_flight.labels("qwen").inc()
    metrics.queue_requests.labels("qwen").inc()
    exposition = metrics.exposition().decode()
    for name in names:
        assert f"# TYPE {name} gauge" in exposition
    assert "replicas" not in of_kind(rendered[overlay], "Deployment")["gateway"]["spec"]
    assert (
        of_kind(rendered[overlay], "PodDisruptionBudget")["gateway"]["spec"]["maxUnavailable"] < scaler["minReplicas"]
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_find_their_pods_and_ports(rendered: dict[str, list[Object]], overlay: str) -> None:
    objects = rendered[overlay]
    templates = pods(objects)
    for name, service in of_kind(objects, "Service").items():
        wanted = service["spec"]["selector"].items()
        found = [pod for pod in templates.values() if wanted <= pod["metadata"]["labels"].items()]
        assert len(found) == 1, name
        ports = {port["name"]: port["containerPort"] for each in containers(found[0]) for port in each["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name
    services = of_kind(objects, "Service").values()
    for name, monitor in of_kind(objects, "ServiceMonitor").items():
        labels = monitor["spec"]["selector"]["matchLabels"].items()
        found = [each for each in services if labels <= each["metadata"].get("labels", {}).items()]
        assert [port["name"] for each in found for port in each["spec"]["ports"]].count(
            monitor["spec"]["endpoints"][0]["port"]
        ) == 1, name
    for binding in of_kind(objects, "RoleBinding").values():
        assert binding["subjects"][0]["namespace"] == "qwen"


def test_gpus_and_nodes_are_as_many_as_the_settings_say(rendered: dict[str, list[Object]]) -> None:
    assert served(rendered["tensor-parallel"])["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 4
    group = of_kind(rendered["multi-node-leader"], "LeaderWorkerSet")["triton-group"]["spec"]["leaderWorkerTemplate"]
    assert group["size"] == 3
    for template in (group["leaderTemplate"], group["workerTemplate"]):
        container = template["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 4
        assert {"name": "GPUS_PER_NODE", "value": "4"} in container["env"]
    assert "nvidia.com/gpu" not in str(rendered["cpu"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_shared_memory_is_more_than_docker_gives(rendered: dict[str, list[Object]], overlay: str) -> None:
    for name, pod in pods(rendered[overlay]).items():
        if name.startswith("triton"):
            shm = next(volume["emptyDir"] for volume in pod["spec"]["volumes"] if volume["name"] == "shm")
            assert shm["medium"] == "Memory"
            assert int(shm["sizeLimit"].removesuffix("Gi")) >= 2
