"""Embeddings through a real gateway and a real tritonserver, with models whose numbers a test can compute."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from tokenizers.processors import TemplateProcessing

from gateway.embedding_tokenizer import JsonTokenizer
from loadtest.engine.journal import Journal
from model_repo_builder.ports import Ports
from tests.gateway.asking import RawClient
from tests.sdk.processes import checked, openai_of
from tests.support.embedding_engine.numbers import SIZE, text_vector, token_vectors
from tests.support.embedding_triton import BATCH, write_embedding_repository
from tests.support.gateway import Gateway, gateway_serving
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import require, running
from tests.support.waiting import until

TEXTS = ["hi", "The quick brown fox jumps over the lazy dog.", "聪明的 😀", "a", " \n", "one two three four five"]
LONGEST = 64

# Model of the gateway → the lines of its table, without name and triton.
TABLES = {
    "texts": 'triton_model = "texts"\nnormalize = false',
    "counted": 'triton_model = "texts"\ntokenizer = "tokenizer"\ndimensions = "2-8"',
    "last": 'triton_model = "sequences"\ntokenizer = "tokenizer"\npooling = "last"\ndimensions = "4, 6"',
    "mean": 'triton_model = "sequences"\ntokenizer = "tokenizer"\npooling = "mean"\nnormalize = false',
    "halves": 'triton_model = "halves"\ntokenizer = "tokenizer"\npooling = "last"',
    "alone": 'triton_model = "alone"\ntokenizer = "tokenizer"',
    "unpooled": 'triton_model = "sequences"\ntokenizer = "tokenizer"',
    "nobody": 'triton_model = "nobody"',
}


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway with nothing but embedding models."""

    gateway: Gateway
    client: OpenAI
    journal: Journal
    tokenizer: JsonTokenizer
    end_id: int

    def post(self, **body: Any) -> httpx.Response:
        return httpx.post(f"{self.gateway.api}/embeddings", json=body, timeout=30)


def write_tokenizer_json(folder: Path, tokenizer: TokenizerFolder) -> None:
    """As Qwen3-Embedding's: an end token behind each text."""
    changed = tokenizer.load()
    changed.post_processor = TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", tokenizer.pad_id)]
    )
    folder.mkdir()
    changed.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": LONGEST}))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tokenizer: TokenizerFolder) -> Iterator[Served]:
    require("pytriton")
    folder = tmp_path_factory.mktemp("embeddings")
    write_tokenizer_json(folder / "tokenizer", tokenizer)
    repository, journal = write_embedding_repository(folder / "repository", folder / "journal.jsonl")
    ports = Ports.free()
    tables = [
        f'[[embeddings]]\nname = "{name}"\ntriton = "127.0.0.1:{ports.grpc}"\n{lines}\n'
        for name, lines in TABLES.items()
    ]
    config = folder / "gateway.toml"
    config.write_text("\n".join(tables), "utf-8")
    with (
        running(repository, ports, folder / "triton.log"),
        gateway_serving(folder / "gateway.log", "--config", str(config)) as gateway,
        OpenAI(base_url=gateway.api, api_key="none", max_retries=0) as client,
    ):
        yield Served(gateway, client, journal, JsonTokenizer.load(str(folder / "tokenizer")), tokenizer.pad_id)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def by_ids(served: Served, model: str, ids: Sequence[int]) -> np.ndarray:
    """The vector that the model of token ids has to give."""
    vectors = token_vectors(ids)
    if model == "mean":
        return vectors.mean(axis=0)
    return unit(vectors[-1].astype(np.float16).astype(np.float32) if model == "halves" else vectors[-1])


def expected(served: Served, model: str, text: str) -> np.ndarray:
    if model == "texts":
        return text_vector(text)
    if model == "counted":
        return unit(text_vector(text))
    return by_ids(served, model, served.tokenizer.encode(text))


MODELS = ["texts", "counted", "last", "mean", "halves", "alone"]
every_format = pytest.mark.parametrize("format", ["float", "base64", None], ids=["float", "base64", "sdk-default"])


@every_format
@pytest.mark.parametrize("model", MODELS)
def test_the_sdk_gets_what_the_model_computes(served: Served, model: str, format: Any) -> None:
    options = {} if format is None else {"encoding_format": format}
    reply = served.client.embeddings.create(model=model, input=TEXTS, user="u", **options)
    assert [item.index for item in reply.data] == list(range(len(TEXTS)))
    for item, text in zip(reply.data, TEXTS, strict=True):
        given: Any = item.embedding
        vector = np.frombuffer(base64.b64decode(given), "<f4") if isinstance(given, str) else np.array(given, "f4")
        assert vector == pytest.approx(expected(served, model, text), abs=1e-6)
    assert reply.model == model
    if model != "texts":
        count = sum(len(served.tokenizer.encode(text)) for text in TEXTS)
        assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (count, count)


def test_float_and_base64_are_the_same_to_the_bit(served: Served) -> None:
    plain, coded = (
        served.post(model="last", input=TEXTS, encoding_format=format).json()["data"] for format in ("float", "base64")
    )
    for numbers, text in zip(plain, coded, strict=True):
        assert np.array(numbers["embedding"], "<f4").tobytes() == base64.b64decode(text["embedding"])


def test_a_single_text(served: Served) -> None:
    reply = served.client.embeddings.create(model="last", input="hi")
    assert len(reply.data) == 1
    assert reply.data[0].embedding == pytest.approx(expected(served, "last", "hi"), abs=1e-6)


@pytest.mark.parametrize("model", ["last", "mean", "alone"])
def test_token_ids_are_used_as_they_are(served: Served, model: str) -> None:
    lists = [[5, 6, 7], [300], served.tokenizer.encode(TEXTS[1])]
    one = served.client.embeddings.create(model=model, input=lists[0])
    assert one.data[0].embedding == pytest.approx(by_ids(served, model, lists[0]), abs=1e-6)
    several = served.client.embeddings.create(model=model, input=lists)
    for item, ids in zip(several.data, lists, strict=True):
        assert item.embedding == pytest.approx(by_ids(served, model, ids), abs=1e-6)
    assert several.usage.prompt_tokens == sum(map(len, lists))


def test_token_ids_for_a_model_of_texts(served: Served) -> None:
    ids = served.tokenizer.encode(TEXTS[1])
    reply = served.client.embeddings.create(model="counted", input=ids)
    assert reply.data[0].embedding == pytest.approx(expected(served, "counted", TEXTS[1]), abs=1e-6)


@pytest.mark.parametrize(("model", "size"), [("counted", 2), ("counted", 8), ("last", 4), ("last", SIZE), ("mean", 8)])
def test_dimensions(served: Served, model: str, size: int) -> None:
    reply = served.client.embeddings.create(model=model, input=TEXTS, dimensions=size)
    for item, text in zip(reply.data, TEXTS, strict=True):
        whole = expected(served, model, text)
        assert item.embedding == pytest.approx(unit(whole[:size]) if size < SIZE else whole, abs=1e-6)


def test_inputs_go_in_batches(served: Served) -> None:
    def sizes(model: str) -> list[int]:
        return [record["size"] for record in served.journal.records(model, "batch")]

    inputs = [f"text {'and more ' * (number % 7)}" for number in range(2 * BATCH + 1)]
    for model, triton_model in (("texts", "texts"), ("last", "sequences"), ("alone", "alone")):
        before = len(sizes(triton_model))
        reply = served.client.embeddings.create(model=model, input=inputs)
        fresh = sizes(triton_model)[before:]
        assert sorted(fresh) == ([1] * len(inputs) if model == "alone" else [1, BATCH, BATCH])
        for item, text in zip(reply.data, inputs, strict=True):
            assert item.embedding == pytest.approx(expected(served, model, text), abs=1e-6)


def test_as_many_inputs_as_may_be(served: Served) -> None:
    inputs = [f"{number}" for number in range(2048)]
    reply = served.client.embeddings.create(model="last", input=inputs)
    for number in (0, 1, 999, 2047):
        assert reply.data[number].embedding == pytest.approx(expected(served, "last", inputs[number]), abs=1e-6)


REFUSED = [
    pytest.param({"input": ""}, "input", "empty", id="empty-text"),
    pytest.param({"input": []}, "input", "empty", id="empty-list"),
    pytest.param({"input": ["a"] * 2049}, "input", "2048", id="too-many"),
    pytest.param({"input": [[1], []]}, "input", "input 1 is empty", id="empty-ids"),
    pytest.param({"input": "a", "dimensions": 5}, "dimensions", "4, 6 and 8", id="dimensions"),
    pytest.param({"input": "a", "model": "mean", "dimensions": 4}, "dimensions", "are 8", id="fixed-dimensions"),
    pytest.param({"input": "a", "encoding_format": "hex"}, "encoding_format", "base64", id="format"),
    pytest.param({"input": [5_000_000]}, "input", "token id 5000000", id="not-in-the-vocabulary"),
    pytest.param({"input": [0, 5], "model": "texts"}, "input", "takes text", id="ids-for-texts"),
]


@pytest.mark.parametrize(("fields", "param", "message"), REFUSED)
def test_refusals(served: Served, fields: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message) as caught:
        served.client.embeddings.create(**{"model": "last", **fields})
    assert caught.value.param == param


@pytest.mark.parametrize("given", ["word " * LONGEST, ["a", "word " * LONGEST], [7] * (LONGEST + 1)])
def test_an_input_that_is_too_long(served: Served, given: Any) -> None:
    with pytest.raises(BadRequestError, match=f"at most {LONGEST}") as caught:
        served.client.embeddings.create(model="last", input=given)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


def test_other_models_and_other_endpoints(served: Served) -> None:
    with pytest.raises(NotFoundError, match="no embedding model 'x'"):
        served.client.embeddings.create(model="x", input="a")
    with pytest.raises(NotFoundError, match="'last' does not exist"):
        served.client.chat.completions.create(model="last", messages=[{"role": "user", "content": "hi"}])


@pytest.mark.parametrize(
    ("model", "message"),
    [("unpooled", "Set pooling to last"), ("nobody", "Set triton_model")],
    ids=["a-setting-is-missing", "no-such-model"],
)
def test_a_model_that_does_not_fit_says_what_to_set(served: Served, model: str, message: str) -> None:
    reply = served.post(model=model, input="a")
    assert reply.status_code == 502
    assert message in reply.json()["error"]["message"]
    assert message in served.gateway.log.read_text()


@pytest.mark.parametrize(
    ("text", "message"), [("fail", "the script says fail"), ("nan", "no finite number")], ids=["error", "nan"]
)
def test_failures_of_the_engine(served: Served, text: str, message: str) -> None:
    reply = served.post(model="texts", input=["a", text])
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_error")
    assert message in reply.json()["error"]["message"]
    assert served.post(model="texts", input="a").status_code == 200


def test_fields_that_nobody_knows_are_reported(served: Served) -> None:
    reply = served.post(model="last", input="a", input_type="query")
    assert (reply.status_code, reply.headers["x-ignored-fields"]) == (200, "input_type")


def test_a_client_that_leaves(served: Served) -> None:
    cancelled = served.gateway.metric("gateway_requests_total", model="texts", outcome="cancelled")
    body = {"model": "texts", "input": "hang leaves"}
    client = RawClient(served.gateway, body, path="/v1/embeddings")
    served.journal.wait_for("leaves", "hang")
    client.leave()
    served.journal.wait_for("leaves", "cancel")
    until(lambda: served.gateway.metric("gateway_requests_in_flight", model="texts") == 0, 5)
    assert served.gateway.metric("gateway_requests_total", model="texts", outcome="cancelled") == cancelled + 1


def test_models_are_listed_and_probed(served: Served) -> None:
    listed = {card["id"]: card for card in httpx.get(f"{served.gateway.api}/models", timeout=30).json()["data"]}
    assert list(listed) == list(TABLES)
    assert listed["last"]["max_model_len"] == LONGEST
    assert "max_model_len" not in listed["texts"]
    assert listed["last"]["capabilities"]["dimensions"] == SIZE
    assert httpx.get(f"{served.gateway.api}/models/last", timeout=30).json() == listed["last"]
    states = httpx.get(f"{served.gateway.url}/readyz", timeout=30).json()["models"]
    assert {name for name, state in states.items() if state != "ready"} == {"unpooled", "nobody"}
    assert "/v1/embeddings" in httpx.get(f"{served.gateway.url}/openapi.json", timeout=30).json()["paths"]


def test_many_clients_at_once(served: Served) -> None:
    found: dict[int, list[float]] = {}

    def ask(number: int) -> None:
        reply = served.client.embeddings.create(model="last", input=[f"client {number}", "x"])
        found[number] = reply.data[0].embedding

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for number in range(12):
        assert found[number] == pytest.approx(expected(served, "last", f"client {number}"), abs=1e-6)


def test_without_triton(tmp_path: Path) -> None:
    """A 503 that says when to try again; what is wrong whoever is there is still a 400."""
    config = tmp_path / "gateway.toml"
    triton = f"127.0.0.1:{Ports.free().grpc}"
    table = f'[[embeddings]]\nname = "e"\ntriton = "{triton}"\ntriton_model = "m"\n'
    config.write_text(f"[server]\nstrict = true\n{table}")
    with gateway_serving(tmp_path / "log", "--config", str(config)) as gateway:
        reply = httpx.post(f"{gateway.api}/embeddings", json={"model": "e", "input": "a"}, timeout=30)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert reply.json()["error"]["code"] == "service_unavailable"
        assert httpx.get(f"{gateway.url}/readyz", timeout=30).status_code == 503
        unknown = {"model": "e", "input": "a", "input_type": "query"}
        refused = httpx.post(f"{gateway.api}/embeddings", json=unknown, timeout=30)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input_type")


@pytest.mark.parametrize("version", ["1.x", "current"])
def test_the_openai_package_in_two_versions(served: Served, version: str) -> None:
    done = checked("tests.sdk.embedding_checks", served.gateway.url, served.gateway.url, openai_of(version))
    assert (done.pop("version") or "").startswith("1.") is (version == "1.x")
    wrong = {name: reason for name, reason in done.items() if reason is not None}
    assert not wrong, "\n".join(wrong.values())
    assert done
