"""The floors of the gateway: imports go strictly down, core is pure, and the two packages do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Modules and folders by floor; a folder's modules may import each other.
FLOORS: dict[int, tuple[str, ...]] = {
    16: ("cli",),
    15: ("commands", "commands.chat", "commands.check", "commands.completion", "workers", "worker"),
    14: ("serve", "child"),
    13: ("lineup",),
    12: ("wiring",),
    11: ("server",),
    10: ("http",),
    9: ("service", "embedder"),
    8: ("attempts",),
    7: ("attempt", "gate", "reload", "triton.h2", "tracing"),
    6: (
        "commands.client",
        "recorder",
        "within",
        "admission",
        "keys",
        "limits",
        "triton",
        "settings",
        "fan_out",
        "offload",
    ),
    5: ("listening", "logs", "tls", "tokenizer", "embedding_tokenizer", "checkpoint", "metrics", "trace_context"),
    4: (
        "board",
        "chat_template",
        "tokenizer_files",
        "core.prompt",
        "core.pipeline",
        "core.capabilities",
        "core.responses",
        "core.messages",
        "core.embedding_route",
    ),
    3: ("sandbox", "core.reply", "core.guides", "core.sampling", "core.embedding"),
    2: ("core.schema", "core.parse", "core.routes"),
    1: (
        "core.backoff",
        "core.queue",
        "core.said",
        "core.spent",
        "core.window",
        "core.keys",
        "core.merge",
        "core.detokenize",
        "core.stop",
        "core.logprobs",
        "core.history",
        "core.quote",
        "core.pooling",
        "core.balance",
        "core.tls",
    ),
    0: (
        "core.embedding_choices",
        "core.places",
        "core.watchdog",
        "core.types",
        "core.caller",
        "core.errors",
        "core.tensors",
        "core",
        "",
    ),
}
FLOOR = {f"gateway.{name}".rstrip("."): floor for floor, names in FLOORS.items() for name in names}


def place(module: str) -> str:
    """The entry of FLOORS that a module belongs to: itself or the folder it is in."""
    return module if module in FLOOR else module.rpartition(".")[0]


IMPURE = {
    "asyncio",
    "grpc",
    "tritonclient",
    "fastapi",
    "starlette",
    "uvicorn",
    "os",
    "time",
    "socket",
    "logging",
    "random",
}


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name, ast.parse(path.read_text("utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floors"
            assert node.module is not None
            for alias in node.names:
                # ``from gateway import x`` imports a module, ``from gateway.x import Name`` a name.
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


MODULES = {name.removesuffix(".__init__") for name, _ in modules("gateway")}
GATEWAY = {name: tree for name, tree in modules("gateway") if not name.endswith("__init__") or tree.body}


@pytest.mark.parametrize("name", GATEWAY)
def test_every_module_has_a_floor_and_imports_only_lower_ones(name: str) -> None:
    here = place(name.removesuffix(".__init__"))
    for imported in imports(GATEWAY[name]):
        if imported.split(".")[0] == "gateway":
            there = place(imported)
            assert FLOOR[there] < FLOOR[here] or (here == there and here != name), f"{name} imports {imported}"


@pytest.mark.parametrize("name", [name for name in GATEWAY if name.startswith("gateway.core.")])
def test_core_is_pure(name: str) -> None:
    assert not {module.split(".")[0] for module in imports(GATEWAY[name])} & IMPURE
    assert not [node for node in ast.walk(GATEWAY[name]) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]


@pytest.mark.parametrize(("package", "other"), [("gateway", "model_repo_builder"), ("model_repo_builder", "gateway")])
def test_the_packages_never_import_each_other(package: str, other: str) -> None:
    for name, tree in modules(package):
        found = [
            node.module if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        assert not [module for module in found if module and module.split(".")[0] == other], name


@pytest.mark.parametrize("name", GATEWAY)
def test_http_and_triton_never_see_each_other(name: str) -> None:
    parts = name.split(".")
    if len(parts) > 2 and parts[1] in ("http", "triton"):
        other = {"http": "gateway.triton", "triton": "gateway.http"}[parts[1]]
        assert not [module for module in imports(GATEWAY[name]) if module.startswith(other)]


@pytest.mark.parametrize("package", ["gateway", "model_repo_builder"])
def test_the_project_does_not_need_tensorrt_llm_to_start(package: str) -> None:
    for name, tree in modules(package):
        late = [inner for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and node not in late:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                assert not [n for n in names if n.split(".")[0] == "tensorrt_llm"], name
