"""What the model's parameters in ``config.pbtxt`` say, checked once when the model is loaded.

Parameters read here: ``model_path`` (a Qwen GGUF file or an OpenVINO IR folder), ``max_seq_len`` (prompt +
generated tokens), ``vocab_size``, ``eos_token_ids`` (comma separated), and of the contract
``exclude_input_in_output``, ``cancellation_check_period_ms``, ``enable_kv_cache_reuse`` and
``max_tokens_in_paged_kv_cache``. ``guided_decoding_compile_ms`` (2000) is the time of the processor that a guide
may take to compile. The contract's other parameters steer a GPU and have no meaning here.

It knows the parameters' names and forms. It must not know the pipeline or Triton.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TRUE, FALSE = ("true", "1"), ("false", "0", "")

IR_FILE = "openvino_model.xml"


class SettingsError(Exception):
    """A parameter is missing or wrong; the text is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    model_path: Path
    max_seq_len: int
    vocab_size: int
    eos_token_ids: tuple[int, ...]
    exclude_input_in_output: bool
    cancel_period: float
    """Seconds between two looks whether clients are still there."""
    reuse_kv_cache: bool
    kv_cache_tokens: int | None
    """Tokens that the KV cache holds for all requests together; None lets it grow with the load."""
    guide_milliseconds: int = 2000
    """Time of the processor that a guide may take to compile."""

    @property
    def capacity(self) -> int:
        """Tokens that one request can hold: never more than the whole KV cache, or it would wait for ever."""
        return min(self.max_seq_len, self.kv_cache_tokens or self.max_seq_len)


def read_settings(parameters: Mapping[str, str]) -> Settings:
    return Settings(
        model_path=_model_path(parameters.get("model_path", "")),
        max_seq_len=_count(parameters, "max_seq_len", least=2),
        vocab_size=_count(parameters, "vocab_size"),
        eos_token_ids=_ids(parameters.get("eos_token_ids", "")),
        exclude_input_in_output=_flag(parameters, "exclude_input_in_output"),
        cancel_period=_count(parameters, "cancellation_check_period_ms", default=100) / 1000,
        reuse_kv_cache=_flag(parameters, "enable_kv_cache_reuse"),
        kv_cache_tokens=_count(parameters, "max_tokens_in_paged_kv_cache", default=0, least=0) or None,
        guide_milliseconds=_count(parameters, "guided_decoding_compile_ms", default=2000),
    )


def _model_path(text: str) -> Path:
    if not text:
        raise SettingsError("parameter model_path is missing: give a Qwen GGUF file or an OpenVINO IR folder")
    path = Path(text)
    if not path.exists():
        raise SettingsError(f"model_path {path} does not exist: give a Qwen GGUF file or an OpenVINO IR folder")
    if path.is_dir():
        if not (path / IR_FILE).is_file():
            raise SettingsError(f"model_path {path} has no {IR_FILE}: it is not an OpenVINO IR folder")
    elif path.suffix != ".gguf":
        raise SettingsError(f"model_path {path} is neither a .gguf file nor an OpenVINO IR folder")
    return path


def _count(parameters: Mapping[str, str], name: str, *, default: int | None = None, least: int = 1) -> int:
    text = parameters.get(name, "").strip()
    if not text:
        if default is None:
            raise SettingsError(f"parameter {name} is missing: give a whole number")
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise SettingsError(f"parameter {name} is {text!r}: give a whole number of at least {least}")
    return value


def _flag(parameters: Mapping[str, str], name: str) -> bool:
    text = parameters.get(name, "").strip().lower()
    if text not in TRUE + FALSE:
        raise SettingsError(f"parameter {name} is {text!r}: give true or false")
    return text in TRUE


def _ids(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise SettingsError(f"parameter eos_token_ids is {text!r}: give ids separated by commas") from None
