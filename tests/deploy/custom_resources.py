"""Schemas of the custom resources in deploy/kubernetes, written by hand: the fields that are used here, and no others.

No package registry offers the definitions of all of them in a form that also refuses unknown fields. Names, types and
choices were read from their projects: LeaderWorkerSet v1 (kubernetes-sigs/lws), InferencePool v1
(kubernetes-sigs/gateway-api-inference-extension), HTTPRoute v1 (kubernetes-sigs/gateway-api), ServiceMonitor and
PrometheusRule v1 (prometheus-operator). What a pod is, Kubernetes' own schema says.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_DEFINITIONS = "https://kubernetes.io/api/_definitions.json#/$defs/"
TEXT: Schema = {"type": "string", "minLength": 1}
NAME: Schema = {"type": "string", "maxLength": 253, "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}}
GO_DURATION: Schema = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
PROMETHEUS_DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}


def _closed(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def _list(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def _choice(*values: str) -> Schema:
    return {"enum": list(values)}


def _kubernetes(name: str) -> Schema:
    return {"$ref": _DEFINITIONS + name}


_POD = _kubernetes("io.k8s.api.core.v1.PodTemplateSpec")
_SELECTOR = _kubernetes("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector")

_LEADER_WORKER_SET = _closed(
    ("leaderWorkerTemplate",),
    replicas={"type": "integer", "minimum": 0},
    startupPolicy=_choice("LeaderCreated", "LeaderReady"),
    networkConfig=_closed(("subdomainPolicy",), subdomainPolicy=_choice("Shared", "UniquePerReplica")),
    rolloutStrategy=_closed(
        ("type",),
        type=_choice("RollingUpdate"),
        rollingUpdateConfiguration=_closed(
            (), maxUnavailable={"type": ["integer", "string"]}, maxSurge={"type": ["integer", "string"]}
        ),
    ),
    leaderWorkerTemplate=_closed(
        ("workerTemplate",),
        leaderTemplate=_POD,
        workerTemplate=_POD,
        size={"type": "integer", "minimum": 1},
        restartPolicy=_choice("RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"),
    ),
)
_INFERENCE_POOL = _closed(
    ("selector", "targetPorts", "endpointPickerRef"),
    selector=_closed(("matchLabels",), matchLabels=LABELS),
    targetPorts=_list(_closed(("number",), number=PORT)),
    endpointPickerRef=_closed(
        ("name",),
        group=TEXT,
        kind=TEXT,
        name=NAME,
        port=_closed(("number",), number=PORT),
        failureMode=_choice("FailOpen", "FailClose"),
    ),
)
# Of the headers of requests alone, and what is taken out of them.
_HEADER_FILTER = _closed(
    ("type", "requestHeaderModifier"),
    type=_choice("RequestHeaderModifier"),
    requestHeaderModifier=_closed(("remove",), remove=_list({"type": "string", "pattern": r"^[A-Za-z0-9-]+$"})),
)
_HTTP_ROUTE = _closed(
    ("parentRefs", "rules"),
    parentRefs=_list(_closed(("name",), name=NAME, namespace=NAME, sectionName=NAME)),
    hostnames=_list({"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}),
    rules=_list(
        _closed(
            ("backendRefs",),
            matches=_list(
                _closed(
                    (),
                    path=_closed(
                        ("type", "value"),
                        type=_choice("Exact", "PathPrefix", "RegularExpression"),
                        value={"type": "string", "pattern": "^/"},
                    ),
                )
            ),
            filters=_list(_HEADER_FILTER),
            timeouts=_closed((), request=GO_DURATION, backendRequest=GO_DURATION),
            backendRefs=_list(
                {
                    **_closed(("name",), group=TEXT, kind=TEXT, name=NAME, port=PORT),
                    # A Service has ports; the pool brings its own.
                    "if": {"required": ["kind"]},
                    "else": {"required": ["port"]},
                }
            ),
        )
    ),
)
_SERVICE_MONITOR = _closed(
    ("selector", "endpoints"),
    selector=_SELECTOR,
    endpoints=_list(
        _closed(
            ("port",),
            port=TEXT,
            path={"type": "string", "pattern": "^/"},
            scheme=_choice("http", "https"),
            interval=PROMETHEUS_DURATION,
        )
    ),
)
_RULE = _closed(
    ("expr",),
    alert=TEXT,
    record=TEXT,
    expr={"type": ["string", "integer"]},
    labels=LABELS,
    annotations={"type": "object", "additionalProperties": {"type": "string"}},
    **{"for": PROMETHEUS_DURATION, "keep_firing_for": PROMETHEUS_DURATION},
)
_PROMETHEUS_RULE = _closed(
    ("groups",),
    groups=_list(_closed(("name", "rules"), name=TEXT, interval=PROMETHEUS_DURATION, rules=_list(_RULE))),
)


def _resource(version: str, kind: str, spec: Schema) -> Schema:
    closed = _closed(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion={"const": version},
        kind={"const": kind},
        metadata=_kubernetes("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
        spec=spec,
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **closed}


SCHEMAS: dict[str, Schema] = {
    f"{version} {kind}": _resource(version, kind, spec)
    for version, kind, spec in (
        ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", _LEADER_WORKER_SET),
        ("inference.networking.k8s.io/v1", "InferencePool", _INFERENCE_POOL),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", _HTTP_ROUTE),
        ("monitoring.coreos.com/v1", "ServiceMonitor", _SERVICE_MONITOR),
        ("monitoring.coreos.com/v1", "PrometheusRule", _PROMETHEUS_RULE),
    )
}
