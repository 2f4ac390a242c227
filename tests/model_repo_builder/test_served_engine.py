import json
from pathlib import Path

import pytest

from model_repo_builder.errors import RepositoryError
from model_repo_builder.release import Release
from model_repo_builder.served_engine import ServedEngine, served_engines


def write_engine(folder: Path, ranks: int = 2, files: int | None = None) -> Path:
    folder.mkdir(parents=True)
    facts = {"version": "0.16.0", "pretrained_config": {"mapping": {"world_size": ranks}}}
    (folder / "config.json").write_text(json.dumps(facts))
    for rank in range(ranks if files is None else files):
        (folder / f"rank{rank}.engine").touch()
    return folder


def write_model(folder: Path, backend: str = "tensorrtllm", **parameters: object) -> Path:
    folder.mkdir(parents=True)
    texts = (f'parameters {{ key: "{key}" value {{ string_value: "{text}" }} }}' for key, text in parameters.items())
    (folder / "config.pbtxt").write_text("\n".join([f'name: "{folder.name}" backend: "{backend}"', *texts]))
    return folder


def test_a_repository_without_engines(tmp_path: Path) -> None:
    write_model(tmp_path / "tensorrt_llm", "python")
    assert served_engines(tmp_path) == ()


def test_an_engine(tmp_path: Path) -> None:
    where = write_engine(tmp_path / "engine")
    write_model(
        tmp_path / "r" / "tensorrt_llm",
        gpt_model_path=where,
        participant_ids="1,2;3,4",
        max_tokens_in_paged_kv_cache="4096",
    )
    assert served_engines(tmp_path / "r") == (
        ServedEngine(
            model="tensorrt_llm",
            world_size=2,
            release=Release(0, 16, 0),
            participants=((1, 2), (3, 4)),
            kv_cache_bounded=True,
        ),
    )


def test_llmapi(tmp_path: Path) -> None:
    version = write_model(tmp_path / "tensorrt_llm", "python") / "1"
    version.mkdir()
    (version / "model.yaml").write_text("model: x\ntensor_parallel_size: 2\npipeline_parallel_size: 2  # of layers\n")
    assert served_engines(tmp_path) == (ServedEngine(model="tensorrt_llm", llmapi=True, world_size=4),)


def test_an_engine_elsewhere_has_the_world_size_that_is_given(tmp_path: Path) -> None:
    write_model(tmp_path / "tensorrt_llm", gpt_model_path="/nowhere/engine")
    (found,) = served_engines(tmp_path, world_size=4)
    assert (found.world_size, found.release) == (4, None)


@pytest.mark.parametrize(
    ("parameters", "ranks", "files", "given", "words"),
    [
        pytest.param({}, 1, 1, None, "names no engine: set its parameter gpt_model_path", id="not named"),
        pytest.param({"gpt_model_path": "${engine_dir}"}, 1, 1, None, "names no engine", id="not filled"),
        pytest.param({"gpt_model_path": "/nowhere"}, 1, 1, None, "build the engine there", id="not there"),
        pytest.param({"gpt_model_path": "ENGINE"}, 2, 1, None, r"has 1 rank\*.engine .* speaks of 2", id="a rank lost"),
        pytest.param({"gpt_model_path": "ENGINE"}, 2, 2, 4, "built for 2 ranks, not 4", id="another world size"),
        pytest.param(
            {"gpt_model_path": "ENGINE", "participant_ids": "1,x"}, 1, 1, None, "'1,x' .* are no ranks", id="ranks"
        ),
        pytest.param({"gpt_model_path": "ENGINE"}, "many", 1, None, "does not say .* world size", id="damaged"),
    ],
)
def test_what_is_wrong_with_it(
    tmp_path: Path, parameters: dict[str, str], ranks: object, files: int, given: int | None, words: str
) -> None:
    where = write_engine(tmp_path / "engine", ranks, files)  # type: ignore[arg-type]
    filled = {name: text.replace("ENGINE", str(where)) for name, text in parameters.items()}
    write_model(tmp_path / "r" / "tensorrt_llm", **filled)
    with pytest.raises(RepositoryError, match=words):
        served_engines(tmp_path / "r", given)
