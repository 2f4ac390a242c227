"""The Dockerfiles read by hadolint, and what it does not ask; the table of NVIDIA's images; the health check.

No image was built here: there is no engine. What their RUN lines install was, see deploy/README.md.
"""

from __future__ import annotations

import ast
import fnmatch
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from model_repo_builder import release
from scripts import tables
from tests.deploy.dockerfiles import FOLDER, NAMES, environment, instructions, last
from tests.deploy.tools import ROOT, run, tool


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_has_nothing_to_say(name: str) -> None:
    done = run([tool("hadolint"), "--no-color", str(FOLDER / f"{name}.Dockerfile")])
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_would_say_it() -> None:
    command = [tool("hadolint"), "--no-color", "-"]
    done = subprocess.run(command, input="FROM debian\nRUN cd /tmp\n", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DL3006" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_process_is_nobody_and_is_told_itself(name: str) -> None:
    """A numeric user other than root, no shell between the signal and the program, and a check without curl."""
    user = last(name, "USER").rest
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), user
    assert last(name, "STOPSIGNAL").rest == "SIGTERM"
    for word in ("ENTRYPOINT", "CMD"):
        assert "sh" not in last(name, word).words
    check = last(name, "HEALTHCHECK").rest.partition("CMD ")[2]
    assert json.loads(check)[1] == "/opt/deploy/healthcheck.py"
    labels = " ".join(each.rest for each in instructions(name) if each.word == "LABEL")
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in labels


@pytest.mark.parametrize("name", NAMES)
def test_bases_are_named_by_tag_and_may_be_held_by_digest(name: str) -> None:
    stages = {each.rest.partition(" AS ")[2] for each in instructions(name) if each.word == "FROM"}
    for each in instructions(name):
        base = each.rest.partition(" AS ")[0]
        if each.word == "FROM" and base not in stages:
            assert re.fullmatch(r"[a-z./]+:\$\{(\w+)_TAG\}\$\{\1_DIGEST:\+@\$\{\1_DIGEST\}\}", base), base


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_is_in_a_clone_and_in_the_context(name: str) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    for each in instructions(name):
        if each.word == "COPY":
            for source in each.rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == path or source.startswith(f"{path}/") for path in allowed), source


def test_the_context_is_closed_but_for_what_is_copied() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    for secret in ("keys.toml", "gateway.toml", ".venv", "build", ".git"):
        assert not any(fnmatch.fnmatch(secret, line[1:]) for line in lines if line.startswith("!")), secret


def test_the_image_of_nvidia_gets_all_that_the_builder_imports() -> None:
    """Its wheel comes without dependencies there. The Python models run beside NVIDIA's own packages."""
    foreign = set()
    for path in (ROOT / "model_repo_builder").rglob("*.py"):
        if "triton_models" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            foreign |= {name.partition(".")[0] for name in names}
    foreign -= {*sys.stdlib_module_names, "model_repo_builder", "tomllib"}
    # tritonclient[grpc] brings grpc, google.protobuf and numpy.
    assert foreign == {"tritonclient", "grpc", "google", "tomli"}
    text = " ".join(each.rest for each in instructions("triton") if each.word == "RUN")
    assert "'tritonclient[grpc]'" in text
    assert "--dest /wheels tomli" in text
    assert "PIP_CONSTRAINT=/tmp/there.txt" in text


def test_the_table_in_the_readme_is_the_data() -> None:
    current = tables.TABLES["images"][0].read_text("utf-8")
    assert tables.renewed("images", current) == current, "run: python -m scripts.tables"


def test_every_image_holds_a_release_that_the_builder_knows() -> None:
    data = json.loads((tables.CONTRACTS / "images.json").read_text("utf-8"))
    lines = [release.Release.parse(image["tensorrt_llm"]).line for image in data["images"]]
    assert set(lines) == set(release.lines())
    tags = [image["triton"] for image in data["images"]]
    assert tags == sorted(set(tags), reverse=True)
    assert data["reference"] in tags


def test_the_dockerfile_takes_the_reference_image() -> None:
    data = json.loads((tables.CONTRACTS / "images.json").read_text("utf-8"))
    default = next(each.rest for each in instructions("triton") if each.rest.startswith("TRITON_TAG="))
    assert default == f"TRITON_TAG={data['reference']}{data['suffix']}"
    assert environment("triton")["MODEL_REPO_BUILDER_IMAGE"] == f"{data['repository']}:${{TRITON_TAG}}"


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()
        self.wfile.write(b"no Triton serves qwen")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [("/200", 0, ""), ("/503", 1, "answers 503: no Triton serves qwen"), ("/404", 1, "answers 404")],
)
def test_the_health_check_tells_what_it_was_answered(answering: str, path: str, code: int, says: str) -> None:
    done = run([sys.executable, str(FOLDER / "healthcheck.py"), answering + path])
    assert (done.returncode, done.stderr) == (code, "")
    assert says in done.stdout


@pytest.mark.parametrize("arguments", [[], ["http://127.0.0.1:1/healthz"], ["not a url"]], ids=["none", "dead", "bad"])
def test_the_health_check_fails_with_a_sentence(arguments: list[str]) -> None:
    done = run([sys.executable, str(FOLDER / "healthcheck.py"), *arguments])
    assert done.returncode in (1, 2)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
