"""The scripted engine keeps the contract; tests that rest on it may trust it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from loadtest.engine.script import Script, script_text
from tests.support.engine_client import EngineClient, EngineError, word_list
from tests.support.tokenizer import TokenizerFolder
from tests.support.triton import ScriptedTriton


def prompt(tokenizer: TokenizerFolder, script: Script) -> list[int]:
    text = f"<|im_start|>user\n{script_text(script)}<|im_end|>\n<|im_start|>assistant\n"
    return list(tokenizer.load().encode(text, add_special_tokens=False).ids)


def test_the_end_id_is_neither_sent_nor_counted(scripted_engine: EngineClient, tokenizer: TokenizerFolder) -> None:
    script = Script(tag="end", ids=[5, 6, tokenizer.end_id, 7])
    answer = scripted_engine.generate(prompt(tokenizer, script), end_id=tokenizer.end_id)
    assert [(each.ids, each.final) for each in answer.responses] == [([5], False), ([6], False), ([], True)]


CASES = [
    pytest.param(Script(ids=[5, 6, 7], chunk=2), {}, [([5, 6], False), ([7], True)], id="chunks"),
    pytest.param(Script(ids=[5, 6, 7], chunks=[1, 2]), {}, [([5], False), ([6, 7], False), ([], True)], id="sizes"),
    pytest.param(Script(ids=[5, 6], glue_end=True), {}, [([5], False), ([6], True)], id="glued end"),
    pytest.param(Script(ids=[5], final="empty"), {}, [([5], False), ([], True)], id="empty final"),
    pytest.param(Script(ids=[5, -1, 9999]), {"streaming": False}, [([5, -1, 9999], True)], id="strange ids, at once"),
    pytest.param(
        Script(ids=[5, 6], repeat=True),
        {"max_tokens": 3},
        [([5], False), ([6], False), ([5], True)],
        id="repeat until the length",
    ),
    pytest.param(
        Script(ids=[5, 6, 7, 8]),
        {"stop_words_list": word_list([[1], [6, 7]])},
        [([5], False), ([6], False), ([7], True)],
        id="stop words are contained",
    ),
]


@pytest.mark.parametrize(("script", "inputs", "expected"), CASES)
def test_scripts(
    scripted_engine: EngineClient,
    tokenizer: TokenizerFolder,
    script: Script,
    inputs: dict[str, object],
    expected: list[tuple[list[int], bool]],
) -> None:
    answer = scripted_engine.generate(prompt(tokenizer, script), **inputs)
    assert [(each.ids, each.final) for each in answer.responses] == expected


@pytest.mark.parametrize("after", [None, 0, 2], ids=["at the start", "before the first token", "after two"])
def test_failures(scripted_engine: EngineClient, tokenizer: TokenizerFolder, after: int | None) -> None:
    script = Script(ids=[5, 6, 7], error="no luck", error_at_start=after is None, error_after=after)
    seen: list[int] = []

    def read() -> None:
        for response in scripted_engine.start(prompt(tokenizer, script)):
            seen.extend(response.ids)

    with pytest.raises(EngineError, match="no luck"):
        read()
    assert seen == [5, 6, 7][: after or 0]


@pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("hang_after", [0, 1], ids=["before", "while"])
def test_cancel_is_journalled(
    scripted_triton: ScriptedTriton,
    scripted_engine: EngineClient,
    tokenizer: TokenizerFolder,
    streaming: bool,
    hang_after: int,
) -> None:
    tag = f"cancel {streaming} {hang_after}"
    call = scripted_engine.start(
        prompt(tokenizer, Script(tag=tag, ids=[5, 6], hang_after=hang_after)), streaming=streaming
    )
    scripted_triton.journal.wait_for(tag, "hang")
    call.cancel()
    seen = scripted_triton.journal.wait_for(tag, "cancel")
    assert seen["how"] == "grpc"
    assert scripted_triton.journal.wait_for(tag, "end")["reason"] == "cancel"


def test_stop_by_request_id(
    scripted_triton: ScriptedTriton, scripted_engine: EngineClient, tokenizer: TokenizerFolder
) -> None:
    script = Script(tag="stop", ids=[5, 6], hang_after=1)
    call = scripted_engine.start(prompt(tokenizer, script), request_id="to-be-stopped")
    scripted_triton.journal.wait_for("stop", "hang")
    assert [(each.ids, each.final) for each in scripted_engine.stop("to-be-stopped").responses] == [([], True)]
    assert [(each.ids, each.final) for each in call.read_all().responses] == [([5], False), ([], True)]


def test_the_journal_has_every_tensor(
    scripted_triton: ScriptedTriton, scripted_engine: EngineClient, tokenizer: TokenizerFolder
) -> None:
    given = prompt(tokenizer, Script(tag="tensors", ids=[5]))
    scripted_engine.generate(given, 7, temperature=0.5, random_seed=2**63, request_id="r")
    record = scripted_triton.journal.wait_for("tensors", "start")
    assert record["id"] == "r"
    assert record["tensors"]["random_seed"] == {"dtype": "uint64", "shape": [1], "values": [2**63]}
    values = scripted_triton.journal.tensors("tensors")
    assert (values["input_ids"], values["request_output_len"], values["temperature"]) == ([given], [[7]], [0.5])


def test_many_at_once(scripted_engine: EngineClient, tokenizer: TokenizerFolder) -> None:
    def ask(number: int) -> bool:
        ids = [number, number + 1, number + 2]
        return scripted_engine.generate(prompt(tokenizer, Script(ids=ids, repeat=True)), 30).ids == ids * 10

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(ask, range(64)))
