"""Every overlay rendered by ``kubectl kustomize`` and held against Kubernetes' schemas; what is missing, named.

No cluster was there. What admission or a kubelet would say is in deploy/README.md, and was not seen.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.kustomize import OVERLAYS, Object, Site, against_schemas, of_kind

# Which overlay needs which line of settings.env.
NEEDED = {
    "one-gpu": ("GATEWAY_IMAGE", "TRITON_IMAGE", "MODEL_CLAIM", "REPOSITORY", "KEYS_SECRET"),
    "tensor-parallel": ("GPUS",),
    "multi-node-leader": ("TRITON_IMAGE", "MODEL_CLAIM", "REPOSITORY", "GPUS", "NODES", "MPI_SECRET"),
    "gateway-api": ("ROUTE_GATEWAY", "ROUTE_HOSTNAME"),
    "inference-pool": ("ROUTE_GATEWAY", "ROUTE_HOSTNAME"),
}


def test_every_overlay_is_valid_for_kubernetes(rendered: dict[str, list[Object]]) -> None:
    objects = [each for overlay in OVERLAYS for each in rendered[overlay]]
    assert len(objects) > 10 * len(OVERLAYS)
    assert against_schemas(objects) == []


@pytest.mark.parametrize(
    ("overlay", "kind", "path", "value", "says"),
    [
        ("one-gpu", "Deployment", "spec.strategy.maxSurge", 1, "'maxSurge' was unexpected"),
        ("one-gpu", "StatefulSet", "spec.replicas", "one", "$.spec.replicas"),
        (
            "multi-node-leader",
            "LeaderWorkerSet",
            "spec.leaderWorkerTemplate.workerTemplate.spec.container",
            [],
            "'container' was unexpected",
        ),
        ("multi-node-leader", "LeaderWorkerSet", "spec.startupPolicy", "Leader", "$.spec.startupPolicy"),
        ("inference-pool", "InferencePool", "spec.extensionRef", {}, "'extensionRef' was unexpected"),
        ("gateway-api", "HTTPRoute", "spec.rules.0.timeouts.request", "0", "$.spec.rules[0].timeouts.request"),
        ("monitoring", "ServiceMonitor", "spec.endpoints.0.interval", "15", "$.spec.endpoints[0].interval"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_the_schemas_would_say_it(
    rendered: dict[str, list[Object]], overlay: str, kind: str, path: str, value: Any, says: str
) -> None:
    wrong = copy.deepcopy(next(iter(of_kind(rendered[overlay], kind).values())))
    *way, last = path.split(".")
    place: Any = wrong
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    place[last] = value
    assert says in " ".join(against_schemas([wrong], ["1.37"]))


def test_a_kind_without_a_schema_is_an_error() -> None:
    unknown = {"apiVersion": "example.com/v1", "kind": "Strange", "metadata": {"name": "x"}}
    assert against_schemas([unknown], ["1.37"]) == ["1.37 Strange x: no schema for example.com/v1"]


@pytest.mark.parametrize(
    ("overlay", "name"), [(overlay, name) for overlay, names in NEEDED.items() for name in names], ids=str
)
def test_a_missing_setting_fails_the_rendering_and_is_named(tmp_path: Path, overlay: str, name: str) -> None:
    own = Site.at(tmp_path)
    own.write({key: value for key, value in own.settings().items() if key != name})
    objects, error = own.render(overlay)
    assert objects == []
    assert f"fieldPath `data.{name}` is missing" in error


@pytest.mark.parametrize("name", ["settings.env", "gateway.toml"])
def test_a_missing_file_fails_the_rendering_and_is_named(tmp_path: Path, name: str) -> None:
    own = Site.at(tmp_path)
    (own.folder / "site" / name).unlink()
    objects, error = own.render("one-gpu")
    assert objects == []
    assert f"site/{name}: no such file" in error


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_setting_found_its_place(rendered: dict[str, list[Object]], overlay: str) -> None:
    assert "set-by-replacement" not in str(rendered[overlay])
