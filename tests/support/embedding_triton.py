"""A repository of embedding models, each of another shape, for a real tritonserver.

It knows the models' configurations. It must not know what tests do with them.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from loadtest.engine import FOLDER as ENGINE
from loadtest.engine.journal import Journal
from tests.support.embedding_engine.numbers import SIZE

HERE = Path(__file__).parent
BATCH = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """One model. Inputs and outputs: name, datatype, dims."""

    inputs: tuple[tuple[str, str, list[int]], ...]
    output: tuple[str, str, list[int]]
    max_batch_size: int = BATCH


_IDS = ("input_ids", "TYPE_INT64", [-1])
_MASK = ("attention_mask", "TYPE_INT64", [-1])

SHAPES = {
    "texts": Shape((("text", "TYPE_STRING", [1]),), ("embedding", "TYPE_FP32", [SIZE])),
    "sequences": Shape((_IDS, _MASK), ("last_hidden_state", "TYPE_FP32", [-1, SIZE])),
    "halves": Shape((_IDS, _MASK), ("last_hidden_state", "TYPE_FP16", [-1, SIZE])),
    "alone": Shape((("input_ids", "TYPE_INT32", [-1]),), ("embedding", "TYPE_FP32", [SIZE]), 0),
}


def write_embedding_repository(folder: Path, journal: Path) -> tuple[Path, Journal]:
    """The repository, and the journal that all its models write."""
    for name, shape in SHAPES.items():
        config = model_config_pb2.ModelConfig(name=name, backend="python", max_batch_size=shape.max_batch_size)
        for each, field in [*((item, config.input) for item in shape.inputs), (shape.output, config.output)]:
            tensor = field.add(name=each[0], dims=each[2])
            tensor.data_type = model_config_pb2.DataType.Value(each[1])
        config.instance_group.add(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
        config.parameters["journal"].string_value = str(journal)
        version = folder / name / "1"
        version.mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(text_format.MessageToString(config), "utf-8")
        for source in (HERE / "embedding_engine/model.py", HERE / "embedding_engine/numbers.py", ENGINE / "journal.py"):
            shutil.copy(source, version)
    return folder, Journal(journal)
