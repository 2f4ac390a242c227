import enum
from argparse import Namespace
from importlib import metadata
from typing import Any

from model_repo_builder.release import Release
from tests.support.stand_in_trtllm import control, tools


class QuantAlgo(str, enum.Enum):
    W8A16 = "W8A16"
    W4A16 = "W4A16"
    W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN = "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN"
    INT8 = "INT8"


def quantize_and_export(
    *,
    model_dir: str,
    device: str,
    calib_dataset: str,
    dtype: str,
    qformat: str,
    kv_cache_dtype: str | None,
    calib_size: int,
    batch_size: int,
    calib_max_seq_length: int,
    awq_block_size: int,
    output_dir: str,
    tp_size: int,
    pp_size: int,
    seed: int,
    tokenizer_max_seq_length: int,
    **others: Any,
) -> None:
    """The keywords of release 0.12; later releases have more."""
    given = {key: value for key, value in locals().items() if key != "others"}
    control.record("quantize_and_export", [f"{key}={value}" for key, value in given.items()])
    tools.quantize(Namespace(**given), Release.parse(metadata.version("tensorrt_llm")))
