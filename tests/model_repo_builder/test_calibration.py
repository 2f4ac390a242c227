from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_repo_builder.calibration import main, prepare
from model_repo_builder.errors import SettingsError


def written(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "你好"}\n\n{"text": "b"}\n', ["你好", "b"]),
        ("a.jsonl", '{"other": 1, "article": "x"}\n', ["x"]),
        (
            "a.jsonl",
            '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]}\n',
            ["q\nr"],
        ),
        ("a.jsonl", '{"conversations": [{"from": "human", "value": "q"}]}\n', ["q"]),
        ("a.jsonl", '"plain"\n', ["plain"]),
        ("a.json", '[{"content": "x"}, {"content": "  "}]', ["x"]),
        ("a.txt", "first\nline\n\nsecond\n", ["first\nline", "second"]),
    ],
    ids=["text", "article", "messages", "conversations", "strings", "json", "plain text"],
)
def test_texts_are_found(tmp_path: Path, name: str, content: str, expected: list[str]) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    assert prepare(tmp_path / name, tmp_path / "out", "text", 10) == len(expected)
    assert written(tmp_path / "out") == [{"text": text} for text in expected]


def test_no_more_than_asked_under_the_name_asked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join("abcdef"))
    assert prepare(tmp_path / "a.txt", tmp_path / "out", "article", 3) == 3
    assert written(tmp_path / "out") == [{"article": "a"}, {"article": "b"}, {"article": "c"}]
    readme = (tmp_path / "out" / "README.md").read_text()
    assert 'config_name: "3.0.0"' in readme
    assert "split: train" in readme


def test_a_folder_gives_its_training_split(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-0.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "data" / "test-0.jsonl").write_text('{"text": "b"}\n')
    assert prepare(tmp_path, tmp_path / "out", "text", 10) == 1


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="TensorRT-LLM brings pyarrow along; it is not installed here")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": ["a", "b"]}), tmp_path / "a.parquet")
    assert prepare(tmp_path / "a.parquet", tmp_path / "out", "text", 10) == 2


@pytest.mark.parametrize(
    ("name", "content", "column", "says"),
    [
        ("a.jsonl", '{"question": "x"}\n', None, "set calibration_column to one of question"),
        ("a.jsonl", '{"text": "x"}\n', "body", "no column body"),
        ("a.jsonl", '{"text": 5}\n', None, "holds no text"),
        ("a.jsonl", "{broken\n", None, "cannot be read"),
        ("a.jsonl", "5\n", None, "one JSON object per line"),
        ("a.jsonl", "", None, "at least one"),
        ("a.csv", "x", None, "has no calibration texts"),
    ],
    ids=str,
)
def test_what_is_no_calibration_data(tmp_path: Path, name: str, content: str, column: str | None, says: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / name).write_text(content)
    with pytest.raises(SettingsError, match=says):
        prepare(source, tmp_path / "out", "text", 10, column)
    assert not (tmp_path / "out").exists()


def test_as_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("x")
    flags = ["--column", "text", "--samples", "5"]
    assert main([str(tmp_path / "a.txt"), str(tmp_path / "out"), *flags]) == 0
    assert "1 texts" in capsys.readouterr().out
    assert main([str(tmp_path / "gone"), str(tmp_path / "out"), *flags]) == 1
    assert "error: " in capsys.readouterr().err
