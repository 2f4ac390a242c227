"""What an engine's config.json says against what a repository asks for."""

from pathlib import Path
from typing import Any

import pytest

from model_repo_builder.contract import releases
from model_repo_builder.errors import BuilderError
from model_repo_builder.repository import Plan, plan
from model_repo_builder.settings import RepoSettings
from tests.model_repo_builder.shapes import openvino_settings, write_engine, write_tokenizer_files


def planned(folder: Path, engine: dict[str, Any], **changes: Any) -> Plan:
    """``engine``: the release that built it, and changes of its config's two halves."""
    path = write_engine(folder / "engine", **engine)
    return plan(
        RepoSettings(
            **{
                "engine": "trtllm",
                "tokenizer_dir": write_tokenizer_files(folder / "tokenizer"),
                "engine_dir": path,
                **changes,
            }
        )
    )


@pytest.mark.parametrize(
    ("built_by", "asked", "contract"),
    [
        ("0.10.0", None, "v0.10.0"),
        ("0.16.0", None, "v0.16.0"),
        ("0.16.0", "0.16.0", "v0.16.0"),
        ("0.17.0.post1", "0.17", "v0.17.0"),
        ("1.1.0rc6", None, "v1.1.0rc6"),
        ("1.2.1", "1.2", "v1.1.0rc6"),
    ],
)
def test_the_contract_is_that_of_the_engine(tmp_path: Path, built_by: str, asked: str | None, contract: str) -> None:
    assert planned(tmp_path, {"version": built_by}, contract=asked).contract.release == contract


@pytest.mark.parametrize(
    ("engine", "changes", "words"),
    [
        ({"version": "0.16.0"}, {"contract": "0.10.0"}, "was built by TensorRT-LLM 0.16.0, and only that release"),
        ({"version": "0.9.0"}, {}, "built by TensorRT-LLM 0.9.0: there is no contract '0.9.0'"),
        ({"version": None}, {}, "does not say which release built it"),
        ({"pretrained": {"mapping": {"world_size": 2}}}, {}, "has 1 of 2 rank files"),
        ({"ranks": 2, "pretrained": {"mapping": {"world_size": 2}}}, {"gpu_device_ids": "0;1"}, "give 2 numbers"),
        ({"kv_cache_type": "CONTINUOUS", "version": "0.16.0"}, {}, "needs an engine built with a paged KV cache"),
        ({"plugin_config": {"remove_input_padding": False}}, {}, "--remove_input_padding enable"),
        (
            {"version": "0.19.0", "plugin_config": {"lora_plugin": None}},
            {"lora_prefetch_dir": Path("l")},
            "needs an engine built with --lora_plugin",
        ),
        (
            {"version": "0.17.0", "pretrained": {"logits_dtype": "float16"}},
            {"logits_datatype": "TYPE_FP32"},
            "was built with TYPE_FP16",
        ),
        ({"version": "0.17.0", "pretrained": {"logits_dtype": "bfloat16"}}, {}, "--logits_dtype float32"),
        ({}, {"multi_block_mode": True}, "no multi_block_mode: it came with 0.12.0"),
        ({"version": "0.16.0"}, {"lora_prefetch_dir": Path("l")}, "no lora_prefetch_dir: it came with 0.19.0"),
        (
            {"version": "0.16.0"},
            {"guided_decoding_backend": "xgrammar", "xgrammar_tokenizer_info_path": Path("x.json")},
            "no guided_decoding_backend: it came with 0.19.0",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, engine: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BuilderError) as caught:
        planned(tmp_path, engine, **changes)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("logits", "kind"), [("float32", "TYPE_FP32"), ("float16", "TYPE_FP16")], ids=["float32", "float16"]
)
def test_logits_have_the_engine_s_type(tmp_path: Path, logits: str, kind: str) -> None:
    engine = {"version": "0.19.0", "pretrained": {"logits_dtype": logits, "dtype": "bfloat16"}}
    values = planned(tmp_path, engine).values
    assert values["logits_datatype"] == kind
    assert values["prompt_embedding_table_data_type"] == "TYPE_BF16"


@pytest.mark.parametrize(
    ("paged", "changes", "reuse", "chunked"),
    [
        pytest.param(True, {}, True, True, id="on where it works"),
        pytest.param(False, {}, False, False, id="off where it does not"),
        pytest.param(True, {"max_beam_width": 2}, False, True, id="no reuse with beams"),
        pytest.param(True, {"enable_kv_cache_reuse": False, "enable_chunked_context": False}, False, False, id="asked"),
    ],
)
def test_reuse_and_chunks(tmp_path: Path, paged: bool, changes: dict[str, Any], reuse: bool, chunked: bool) -> None:
    engine = {"max_beam_width": 2, "plugin_config": {"use_paged_context_fmha": paged}}
    values = planned(tmp_path, engine, **changes).values
    assert (values["enable_kv_cache_reuse"], values["enable_chunked_context"]) == (reuse, chunked)


def test_guides_are_offered_where_a_backend_is_set(tmp_path: Path) -> None:
    info = tmp_path / "info.json"
    without = planned(tmp_path / "a", {"version": "0.19.0"})
    given = {"guided_decoding_backend": "xgrammar", "xgrammar_tokenizer_info_path": info}
    with_backend = planned(tmp_path / "b", {"version": "0.19.0"}, **given)
    assert without.values["guided_decoding_guide_types"] == ""
    assert "json_schema" in str(with_backend.values["guided_decoding_guide_types"])
    assert with_backend.values["xgrammar_tokenizer_info_path"] == str(info)


@pytest.mark.parametrize("release", releases())
def test_every_contract_has_a_value_for_every_place(tmp_path: Path, release: str) -> None:
    """For both engines; nothing that looks like a placeholder is left in any file."""
    version = release.removeprefix("v") if release.startswith("v") else "0.20.0"
    for repository in (
        planned(tmp_path, {"version": version}),
        plan(openvino_settings(tmp_path / "cpu", contract=release)),
    ):
        assert repository.contract.release == release
        assert repository.contract.settings <= set(repository.values)
        for path, data in repository.files.items():
            assert path.suffix != ".pbtxt" or b"${" not in data, path
