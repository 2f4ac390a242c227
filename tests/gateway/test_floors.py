"""The floors of the gateway: imports go strictly down, core is pure, and the two packages do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS: dict[int, tuple[str, ...]] = {
    8: ("serve",),
    7: ("http.app",),
    6: ("http.endpoints", "http.ops", "http.middleware"),
    5: ("service", "http.sse", "http.disconnect"),
    4: ("triton.backend", "settings"),
    3: ("triton.grpc_transport", "tokenizer", "metrics", "checkpoint"),
    2: ("core.pipeline", "core.prompt", "triton.transport", "triton.errors"),
    1: ("core.schema", "core.routes", "core.detokenize", "core.stop", "core.reply"),
    0: ("core.types", "core.errors", "core.tensors", ""),
}
FLOOR = {f"gateway.{name}".rstrip("."): floor for floor, names in FLOORS.items() for name in names}
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
                yield whole if whole in FLOOR else node.module


GATEWAY = {name: tree for name, tree in modules("gateway") if not name.endswith("__init__") or tree.body}


@pytest.mark.parametrize("name", GATEWAY)
def test_every_module_has_a_floor_and_imports_only_lower_ones(name: str) -> None:
    floor = FLOOR[name.removesuffix(".__init__")]
    for imported in imports(GATEWAY[name]):
        if imported.split(".")[0] == "gateway":
            assert FLOOR[imported] < floor, f"{name} (floor {floor}) imports {imported} (floor {FLOOR[imported]})"


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
