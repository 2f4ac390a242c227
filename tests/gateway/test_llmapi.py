"""The newer ``llmapi`` model, which upstream left in the place of engines: found by itself, served like the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from loadtest.engine.journal import Journal
from loadtest.engine.script import Script
from model_repo_builder.ports import Ports
from tests.gateway.asking import RawClient, ask, messages
from tests.support.gateway import Gateway, gateway_serving
from tests.support.llmapi_triton import write_llmapi_repository
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import require, running

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "collected"])
models = pytest.mark.parametrize("model", ["auto", "named", "undecoupled"])


@dataclass(frozen=True, slots=True)
class Llmapi:
    gateway: Gateway
    journal: Journal


@pytest.fixture(scope="module")
def llmapi(tmp_path_factory: pytest.TempPathFactory, tokenizer: TokenizerFolder) -> Iterator[Llmapi]:
    """Models: ``auto`` and ``named`` (decoupled), ``undecoupled``."""
    require("pytriton")
    folder, ports = tmp_path_factory.mktemp("llmapi"), Ports.free()
    journal = write_llmapi_repository(folder / "repository", folder / "journal.jsonl", decoupled=True)
    write_llmapi_repository(folder / "repository", folder / "journal.jsonl", decoupled=False)
    rows = [
        ("auto", "auto", "tensorrt_llm"),
        ("named", "llmapi", "tensorrt_llm"),
        ("undecoupled", "llmapi", "collected"),
    ]
    config = folder / "gateway.toml"
    config.write_text(
        "\n".join(
            f'[[models]]\nname = "{name}"\nroute = "{route}"\ndirect = "{model}"\ntriton = "127.0.0.1:{ports.grpc}"\n'
            f'tokenizer = "{tokenizer.path}"\nmax_model_len = 2048\n'
            for name, route, model in rows
        ),
        "utf-8",
    )
    with (
        running(folder / "repository", ports, folder / "triton.log"),
        gateway_serving(folder / "gateway.log", "--config", str(config)) as gateway,
    ):
        yield Llmapi(gateway, journal)


@both
@models
@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("text", ["The quick fox.", "聪明的龘 👨‍👩‍👧"], ids=["english", "chinese"])
def test_text_arrives_as_it_was_meant(llmapi: Llmapi, model: str, stream: bool, chunk: int, text: str) -> None:
    answer = ask(llmapi.gateway, Script(text=text, chunk=chunk), model=model, stream=stream)
    assert (answer.text, answer.reason) == (text, "stop")


@both
@models
def test_the_engine_s_word_for_why_it_ended(llmapi: Llmapi, model: str, stream: bool) -> None:
    answer = ask(llmapi.gateway, Script(text="one two three"), model=model, stream=stream, max_tokens=7)
    assert (answer.text, answer.reason) == ("one two", "length")


@both
def test_stop_strings_are_matched_here(llmapi: Llmapi, stream: bool) -> None:
    answer = ask(llmapi.gateway, Script(text="one two three", chunk=2), model="auto", stream=stream, stop=["two"])
    assert (answer.text, answer.reason) == ("one ", "stop")


def test_sampling_reaches_it_under_its_names(llmapi: Llmapi) -> None:
    ask(llmapi.gateway, Script(tag="hot", text="x"), model="auto", temperature=0.5, top_p=0.25, seed=7)
    ask(llmapi.gateway, Script(tag="greedy", text="x"), model="auto", temperature=0)
    hot, greedy = (
        {name: t["values"] for name, t in llmapi.journal.records(tag, "start")[0]["tensors"].items()}
        for tag in ("hot", "greedy")
    )
    assert hot["sampling_param_temperature"] == ["0.5"]
    assert (hot["sampling_param_top_p"], hot["sampling_param_seed"]) == (["0.25"], ["7"])
    assert (hot["sampling_param_top_k"], hot["streaming"]) == (["0"], ["True"])
    assert greedy["sampling_param_top_k"] == ["1"]
    assert "sampling_param_temperature" not in greedy


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"extra_body": {"repetition_penalty": 1.5}}, "repetition_penalty"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"extra_body": {"min_tokens": 3}}, "min_tokens"),
        ({"extra_body": {"ignore_eos": True}}, "ignore_eos"),
    ],
    ids=["repetition", "logprobs", "bias", "format", "min-tokens", "ignore-eos"],
)
def test_what_it_lacks_is_refused_by_name(llmapi: Llmapi, fields: Any, param: str) -> None:
    with (
        OpenAI(base_url=llmapi.gateway.api, api_key="none", max_retries=0) as client,
        pytest.raises(BadRequestError) as caught,
    ):
        client.chat.completions.create(model="auto", messages=messages("x"), **fields)  # type: ignore[arg-type]
    assert caught.value.param == param


def test_a_client_that_leaves_ends_its_request(llmapi: Llmapi) -> None:
    body = {"model": "auto", "messages": messages(Script(tag="left", text="x" * 1500, delay_ms=20)), "stream": True}
    client = RawClient(llmapi.gateway, body)
    client.read_until(b'"content":"x"')
    client.leave()
    assert llmapi.journal.wait_for("left", "end")["reason"] == "cancel"


def test_it_tells_its_route(llmapi: Llmapi) -> None:
    with OpenAI(base_url=llmapi.gateway.api, api_key="none") as client:
        can: Any = client.models.retrieve("auto").model_dump()["capabilities"]
    assert (can["route"], can["token_ids"], can["guided_decoding"]) == ("llmapi", False, [])
