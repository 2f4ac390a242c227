"""Calibration texts in the form that TensorRT-LLM's tools can read: a folder with ``train.jsonl`` and a README.

    python3 -m model_repo_builder.calibration my-texts.parquet OUTPUT --column text --samples 512

The README declares the configuration ``3.0.0`` that the tools ask for where they take a folder for CNN/DailyMail. Knows
parquet, jsonl, json and plain text, chats included; parquet needs pyarrow, which TensorRT-LLM brings along.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from model_repo_builder.errors import BuilderError, SettingsError

_COLUMNS = ("text", "article", "content", "messages", "conversations", "prompt")
_CONTENTS = ("content", "value", "text")
_SUFFIXES = (".parquet", ".jsonl", ".json", ".txt")
_README = """\
---
configs:
- config_name: "3.0.0"
  default: true
  data_files:
  - split: train
    path: train.jsonl
---
Calibration texts, column `{column}`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m model_repo_builder.calibration", description=__doc__)
    parser.add_argument("source", type=Path, help="a folder, or a parquet, jsonl, json or txt file")
    parser.add_argument("output", type=Path, help="folder to write")
    parser.add_argument("--column", required=True, help="name of the text's column in what is written")
    parser.add_argument("--samples", type=int, required=True, metavar="N", help="texts to take")
    parser.add_argument("--source-column", metavar="NAME", help="column of the source (default: found by its name)")
    options = parser.parse_args(arguments)
    try:
        count = prepare(options.source, options.output, options.column, options.samples, options.source_column)
    except BuilderError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {count} texts")
    return 0


def prepare(source: Path, output: Path, column: str, samples: int, source_column: str | None = None) -> int:
    """Writes at most so many texts; returns how many there were."""
    texts = list(itertools.islice(_texts(source, source_column), samples))
    if not texts:
        raise SettingsError(f"{source} holds no texts: calibration needs at least one")
    output.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({column: text}, ensure_ascii=False) + "\n" for text in texts)
    (output / "train.jsonl").write_text("".join(lines), "utf-8")
    (output / "README.md").write_text(_README.format(column=column), "utf-8")
    return len(texts)


def _texts(source: Path, column: str | None) -> Iterator[str]:
    for path in _files(source):
        try:
            for row in _rows(path):
                text = _text(row, column, path).strip()
                if text:
                    yield text
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path} cannot be read: {error}") from error


def _files(source: Path) -> list[Path]:
    """The file itself; of a folder its data files, those of the training split where there are any."""
    if source.is_file():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix in _SUFFIXES) if source.is_dir() else []
    if not found:
        raise SettingsError(
            f"{source} has no calibration texts: give a {', '.join(_SUFFIXES)} file, or a folder of them"
        )
    return [path for path in found if "train" in path.name] or found


def _rows(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        try:
            parquet = importlib.import_module("pyarrow.parquet")
        except ModuleNotFoundError:
            raise SettingsError(f"{path} needs pyarrow: pip install pyarrow, or give a jsonl file") from None
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=64):
            yield from batch.to_pylist()
    elif path.suffix == ".txt":
        yield from path.read_text("utf-8").split("\n\n")
    elif path.suffix == ".json":
        data = json.loads(path.read_text("utf-8"))
        yield from data if isinstance(data, list) else [data]
    else:
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file if line.strip())


def _text(row: Any, column: str | None, path: Path) -> str:
    if isinstance(row, str):
        return row
    if not isinstance(row, dict):
        raise SettingsError(f"{path} holds something else than texts and objects: use one JSON object per line")
    name = column or next((name for name in _COLUMNS if name in row), None)
    if name is None or name not in row:
        raise SettingsError(
            f"{path} has no column {name or ' or '.join(_COLUMNS)}: set calibration_column to one of {', '.join(row)}"
        )
    value = row[name]
    if isinstance(value, list):  # a chat
        value = "\n".join(_content(turn) for turn in value)
    if not isinstance(value, str):
        raise SettingsError(f"column {name} of {path} holds no text: set calibration_column to the one that does")
    return value


def _content(turn: Any) -> str:
    if isinstance(turn, dict):
        turn = next((turn[name] for name in _CONTENTS if isinstance(turn.get(name), str)), "")
    return turn if isinstance(turn, str) else ""


if __name__ == "__main__":
    sys.exit(main())
