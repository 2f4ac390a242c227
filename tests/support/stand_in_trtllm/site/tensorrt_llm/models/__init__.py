from pathlib import Path
from typing import Any

from tensorrt_llm.mapping import Mapping
from tensorrt_llm.models.modeling_utils import QuantConfig
from tests.support.stand_in_trtllm import checkpoints, control


class QWenForCausalLM:
    def __init__(self, config: dict[str, Any], rank: int) -> None:
        self._config, self._rank = config, rank

    @classmethod
    def from_hugging_face(
        cls,
        hf_model_or_dir: str,
        dtype: str = "float16",
        mapping: Mapping | None = None,
        quant_config: QuantConfig | None = None,
        **kwargs: Any,
    ) -> "QWenForCausalLM":
        mapping, quant = mapping or Mapping(), quant_config or QuantConfig()
        control.record("from_hugging_face", [hf_model_or_dir, dtype, str(mapping.rank), *sorted(kwargs)])
        return cls(_config(hf_model_or_dir, dtype, mapping, quant), mapping.rank)

    @classmethod
    def quantize(
        cls,
        hf_model_dir: str,
        output_dir: str,
        dtype: str = "auto",
        mapping: Mapping | None = None,
        quant_config: QuantConfig | None = None,
        calib_dataset: str = "cnn_dailymail",
        **kwargs: Any,
    ) -> None:
        mapping, quant = mapping or Mapping(), quant_config or QuantConfig()
        control.record("QWenForCausalLM.quantize", [hf_model_dir, dtype, str(mapping.rank), calib_dataset])
        values = _config(hf_model_dir, dtype, mapping, quant)
        checkpoints.write(Path(output_dir), values, "convert_checkpoint", (mapping.rank,))

    def save_checkpoint(self, output_dir: str, save_config: bool = True) -> None:
        assert save_config == (self._rank == 0)
        checkpoints.write(Path(output_dir), self._config, "convert_checkpoint", (self._rank,))


def _config(model: str, dtype: str, mapping: Mapping, quant: QuantConfig) -> dict[str, Any]:
    return checkpoints.config(
        Path(model),
        dtype=dtype,
        tp_size=mapping.tp_size,
        pp_size=mapping.pp_size,
        quant_algo=quant.quant_algo,
        kv_cache=quant.kv_cache_quant_algo,
    )
