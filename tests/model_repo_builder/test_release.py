from __future__ import annotations

import json
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest

from model_repo_builder import release
from model_repo_builder.errors import ContractError
from model_repo_builder.release import Release

SHARED = Path(__file__).parents[3] / "shared" / "contracts"
EXACT = ("0.10", "0.11", "0.12", "0.13", "0.14", "0.15", "0.16")


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("0.10.0", "0.10", "0.10.0"),
        ("v0.10.0", "0.10", "0.10.0"),
        ("0.10", "0.10", "0.10.0"),
        ("1.1", "1.1", "1.1.0"),
        ("1.1.0rc6", "1.1", "1.1.0rc6"),
        ("0.18.2", "0.18", "0.18.2"),
        ("0.12.0.dev2024080600", "0.12", "0.12.0.dev2024080600"),
        ("0.16.0+cu126", "0.16", "0.16.0"),
    ],
)
def test_every_way_to_write_a_release(text: str, line: str, shown: str) -> None:
    parsed = Release.parse(text)
    assert (parsed.line, str(parsed)) == (line, shown)


@pytest.mark.parametrize("text", ["", "latest", "1", "0.10.x", "1.1.0 rc6", "main"])
def test_no_release(text: str) -> None:
    with pytest.raises(ContractError, match="write it like"):
        Release.parse(text)


def test_releases_have_an_order() -> None:
    assert Release.parse("0.9.0") < Release.parse("0.10.0") < Release.parse("0.18.2") < Release.parse("1.0")
    assert Release.parse("1.0").since("0.21")
    assert not Release.parse("0.9").since("0.10")


def test_what_is_inferred_is_marked() -> None:
    assert [line for line in release.lines() if not Release.parse(line).inferred] == list(EXACT)
    assert all(Release.parse(line).source for line in release.lines())


def test_the_installed_release_is_read_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("tensorrt_llm")
    assert release.detect() is None
    info = tmp_path / "tensorrt_llm-0.16.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorrt_llm\nVersion: 0.16.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert release.detect() == Release(0, 16)


def test_families() -> None:
    assert release.families_since("qwen2") == "0.10"
    assert release.families_since("qwen3_moe") == "1.0"
    assert release.families_since("llama") is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="the facts that the data was made from are not here")
@pytest.mark.parametrize("line", EXACT)
def test_the_data_equals_the_facts_it_was_made_from(line: str) -> None:
    tools = release.tools_of(Release.parse(line))["tools"]
    build = json.loads((SHARED / f"trtllm_build_v{line}.0.json").read_text())
    convert = json.loads((SHARED / f"qwen_convert_v{line}.0.json").read_text())
    facts: dict[str, list[dict[str, Any]]] = {
        "trtllm-build": build["cli"] + build["plugin_cli"],
        "convert_checkpoint": convert["convert_checkpoint"]["flags"],
        "quantize": convert["quantize_py"]["flags"],
    }
    for tool, flags in facts.items():
        ours = tools[tool]["flags"]
        assert list(ours) == [flag["flags"][0] for flag in flags]
        for flag in flags:
            mine = ours[flag["flags"][0]]
            assert mine["default"] == flag["default"]
            assert mine.get("aliases", []) == flag["flags"][1:]
            if flag["type"] != "KVCacheType":
                assert mine["type"] == flag["type"]
                assert mine.get("choices") == (
                    [c for c in flag["choices"] if c is not None] if flag["choices"] else None
                )


def test_the_data_names_no_place_of_a_machine() -> None:
    for entry in resources.files("model_repo_builder").joinpath("contracts/tools").iterdir():
        assert "/work" not in entry.read_text("utf-8")
