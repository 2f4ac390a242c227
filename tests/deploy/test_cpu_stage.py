"""deploy/compose/cpu.yaml run without Docker: the builder, Triton and the gateway with the commands, the environment,
the mounts and the confinement of the file. One repository is built, one chat is asked, and all end well."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import dockerfiles
from tests.deploy.compose import EVERYWHERE, FOLDER, render, seconds
from tests.deploy.tools import ROOT, system_program
from tests.support.absent import absent
from tests.support.triton import require

pytestmark = pytest.mark.timeout(300)  # tritonserver and two gateway processes start in one test
STAGE = Path(__file__).with_name("stage.py")
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"]
BIN = Path(sys.executable).parent
IMAGES = {"triton": "triton-cpu", "gateway": "gateway", "builder": "triton-cpu"}
# How the header of cpu.yaml says to make the repository.
BUILDING = [
    *("repo", "/models/repository", "--engine", "openvino"),
    *("--model", "/models/seedling-q8_0.gguf", "--tokenizer", "/models"),
]
TRYING = "touch /models/x; touch /x; touch /tmp/x && grep CapEff /proc/self/status"
QUICK = ("--bls-instance-count", "1")  # Triton takes seconds to end each
KEY_HEADER = {"content-type": "application/json"}


def staged(project: dict[str, Any], name: str, folder: Path, command: list[str] | None = None) -> dict[str, Any]:
    """What stage.py has to know of a service, from the file and its image's Dockerfile."""
    service = project["services"][name]
    image = IMAGES[name]
    path = f"{BIN}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    files = {each["target"]: project["configs"][each["source"]]["content"] for each in service.get("configs", [])}
    files |= {
        each["target"]: Path(project["secrets"][each["source"]]["file"]).read_text("utf-8")
        for each in service.get("secrets", [])
    }
    copied = next(
        each.rest.split() for each in dockerfiles.instructions(image) if each.word == "COPY" and "/opt/" in each.rest
    )
    mounts = [{"source": str(ROOT / copied[0]), "target": copied[1], "writable": False}]
    mounts += [
        {"source": each["source"], "target": each["target"], "writable": not each.get("read_only", False)}
        for each in service["volumes"]
    ]
    check = service.get("healthcheck", {}).get("test", ["CMD"])
    return {
        "name": name,
        "names": list(project["services"]),
        "command": [
            *dockerfiles.last(image, "ENTRYPOINT").words,
            *(command or service["command"] or dockerfiles.last(image, "CMD").words),
        ],
        "environment": {"PATH": path, **dockerfiles.environment(image), **service.get("environment", {})},
        "files": files,
        "mounts": mounts,
        "needed": [str(ROOT), sys.prefix, sys.base_prefix],
        "read_only": service.get("read_only", False),
        "healthcheck": check[1:],
        "patience": 120,
        "root": str(folder / f"root-{name}"),
    }


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    require("pytriton", "openvino_genai")
    for program, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("setpriv", "util-linux")):
        system_program(program, package)
    if os.getuid() != 0 or subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode != 0:
        absent("namespaces may not be made here: run as root")
    folder = tmp_path_factory.mktemp("stage")
    models = folder / "models"
    shutil.copytree(ROOT / "model_repo_builder" / "seedling", models)
    keys = folder / "keys.toml"
    made = subprocess.run(
        [str(BIN / "gateway"), "keys", "new", "alice", "--file", str(keys)], capture_output=True, text=True, check=True
    )
    key = made.stdout.strip()
    environment = {
        **EVERYWHERE,
        "MODEL_PATH": str(models),
        "KEYS_FILE": str(keys),
        "REPOSITORY": "repository",
        "TOKENIZER": ".",
        "MAX_MODEL_LEN": "512",
        "GATEWAY_DRAIN_SECONDS": "0",
        "GATEWAY_WORKERS": "2",
    }
    result = render(["cpu"], environment)
    assert result.error == "", result.error
    chat = {
        "model": "qwen",
        "max_tokens": 32,
        "chat_template_kwargs": {"enable_thinking": False},
        "temperature": 0,
        "messages": [{"role": "user", "content": "Hello!"}],
    }
    api = "http://127.0.0.1:9000/v1/chat/completions"
    spec = {
        "folder": str(folder),
        "first": [
            staged(result.project, "builder", folder, [*BUILDING, *QUICK]),
            {**staged(result.project, "triton", folder), "name": "confined", "command": ["sh", "-c", TRYING]},
        ],
        "services": [staged(result.project, name, folder) for name in ("triton", "gateway")],
        "patience": seconds("1m0s"),
        "questions": [
            {"url": "http://127.0.0.1:9000/readyz"},
            {"url": api, "body": chat, "headers": KEY_HEADER},
            {"url": api, "body": chat, "headers": KEY_HEADER | {"authorization": f"Bearer {key}"}},
            {"url": "http://127.0.0.1:9000/metrics"},
        ],
    }
    (folder / "spec.json").write_text(json.dumps(spec), "utf-8")
    done = subprocess.run(
        [*NAMESPACES, sys.executable, str(STAGE), str(folder / "spec.json")],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_builder_writes_the_repository_into_the_folder_of_the_models(said: dict[str, Any]) -> None:
    assert said["builder"]["code"] == 0, said["builder"]["output"]


def test_a_service_may_write_to_tmp_alone_and_has_no_capability(said: dict[str, Any]) -> None:
    output = said["confined"]["output"]
    for path in ("/models/x", "/x"):
        assert f"'{path}': Read-only file system" in output
    assert "'/tmp/x'" not in output
    assert "CapEff:\t0000000000000000" in output


@pytest.mark.parametrize("name", ["triton", "gateway"])
def test_a_service_becomes_healthy_by_its_own_check_and_ends_well(said: dict[str, Any], name: str) -> None:
    assert said[name]["healthy"], said[name]["output"]
    assert said[name]["code"] == 0, said[name]["output"]


def test_a_chat_is_answered_to_whoever_has_a_key(said: dict[str, Any]) -> None:
    ready, without, answer, metrics = said["answers"]
    assert ready["status"] == 200
    assert without["status"] == 401
    assert answer["status"] == 200, answer["body"]
    assert json.loads(answer["body"])["choices"][0]["message"]["content"]
    assert metrics["status"] == 200
    assert 'gateway_requests_total{model="qwen"' in metrics["body"]


def test_the_header_says_how_the_repository_is_made() -> None:
    text = (FOLDER / "cpu.yaml").read_text("utf-8").replace("\\\n#", "")
    assert " ".join(BUILDING) in " ".join(text.split())
