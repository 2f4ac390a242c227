"""``[[models]]`` and ``[[embeddings]]`` of gateway.toml: what is served, and where its Tritons are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.core.embedding_choices import POOLINGS, sizes
from gateway.core.errors import SettingsError
from gateway.core.routes import ROUTES
from gateway.core.tls import ClientTls, client_tls
from gateway.core.types import Adapter
from gateway.settings.endpoints import check_endpoints

if TYPE_CHECKING:
    from gateway.core.embedding_route import EmbeddingRoute


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """One served model: ``[[models]]`` of gateway.toml, as ``model-repo-builder repo`` writes it."""

    name: str  # what clients send as "model"
    tokenizer: str  # folder of a Hugging Face tokenizer, or a model id
    triton: tuple[str, ...] = ("127.0.0.1:8001",)  # of gRPC: host:port, dns:NAME:PORT or file:PATH, one or several
    triton_metrics: str | None = None  # such as "http://{host}:8002/metrics": then load is read from it
    triton_tls: Mapping[str, object] = field(default_factory=dict)  # ca, cert, key, server_name: TLS to Triton
    route: str = "auto"  # which of Triton's models is asked; auto: direct, else llmapi, ensemble, bls
    max_model_len: int | None = None  # tokens of prompt and answer; None: from the tokenizer's folder
    eos_token_ids: tuple[int, ...] = ()  # the chat end first; empty: from the tokenizer's folder
    vocab_size: int | None = None  # length of the engine's logits; without it route direct refuses logit_bias
    direct: str = "tensorrt_llm"  # name of the engine's Triton model, for routes direct and llmapi
    ensemble: str = "ensemble"  # name of the Triton model of route ensemble
    bls: str = "tensorrt_llm_bls"  # name of the Triton model of route bls
    tokens_per_block: int | None = None  # of the engine's KV cache: then usage tells cached tokens
    adapters: Mapping[str, int] = field(default_factory=dict)  # LoRA: what clients send as "model" → its task id

    def __post_init__(self) -> None:
        where = f"model '{self.name}'"
        if not self.name:
            raise SettingsError("A model needs a 'name' that is not empty.")
        if self.route not in ("auto", *ROUTES):
            raise SettingsError(f"{where}: route is {self.route!r}, but must be one of auto, {', '.join(ROUTES)}.")
        check_endpoints(self.triton, where)
        if self.triton_metrics is not None and not self.triton_metrics.startswith(("http://", "https://")):
            raise SettingsError(f"{where}: triton_metrics must be a URL, such as http://{{host}}:8002/metrics.")
        client_tls(self.triton_tls, where)
        if self.max_model_len is not None and self.max_model_len < 2:
            raise SettingsError(f"{where}: max_model_len must be at least 2, not {self.max_model_len}.")
        if self.tokens_per_block is not None and self.tokens_per_block < 1:
            raise SettingsError(f"{where}: tokens_per_block must be at least 1, not {self.tokens_per_block}.")
        for adapter, task_id in self.adapters.items():
            if not adapter or type(task_id) is not int or not 0 < task_id < 2**64:
                raise SettingsError(f"{where}: adapters must be names with a LoRA task id above 0, as in pirate = 1.")
        if any(id < 0 for id in self.eos_token_ids):
            raise SettingsError(f"{where}: eos_token_ids must not be negative.")

    @property
    def loras(self) -> tuple[Adapter, ...]:
        return tuple(Adapter(name, task_id) for name, task_id in self.adapters.items())

    @property
    def tls(self) -> ClientTls | None:
        return client_tls(self.triton_tls, self.name)

    @property
    def triton_models(self) -> dict[str, str]:
        """The name of the Triton model for each route."""
        return {"direct": self.direct, "llmapi": self.direct, "ensemble": self.ensemble, "bls": self.bls}


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """One model for /v1/embeddings: ``[[embeddings]]`` of gateway.toml."""

    name: str  # what clients send as "model"
    triton_model: str  # its name in Triton
    triton: tuple[str, ...] = ("127.0.0.1:8001",)  # of gRPC: host:port
    triton_tls: Mapping[str, object] = field(default_factory=dict)  # ca, cert, key, server_name: TLS to Triton
    tokenizer: str | None = None  # folder with tokenizer.json: to count tokens, and for a model that takes token ids
    max_model_len: int | None = None  # tokens of one input; None: from the tokenizer's folder
    input: str | None = None  # tensor of the text or the token ids; None: the only one
    output: str | None = None  # tensor of the vectors; None: the only one of floats
    pooling: str = "none"  # none, last, mean or cls: what makes one vector of a vector for each token
    normalize: bool = True  # whether vectors are brought to length 1
    dimensions: str = "fixed"  # sizes clients may ask for: "fixed", "32-1024", or "256, 512"

    def __post_init__(self) -> None:
        where = f"embedding model '{self.name}'"
        if not self.name:
            raise SettingsError("An embedding model needs a 'name' that is not empty.")
        check_endpoints(self.triton, where)
        client_tls(self.triton_tls, where)
        if self.pooling not in POOLINGS:
            raise SettingsError(f"{where}: pooling is {self.pooling!r}, but must be one of {', '.join(POOLINGS)}.")
        if self.max_model_len is not None and self.max_model_len < 1:
            raise SettingsError(f"{where}: max_model_len must be at least 1, not {self.max_model_len}.")
        try:
            sizes(self.dimensions)
        except ValueError as exc:
            raise SettingsError(f"{where}: dimensions {exc}.") from exc

    @property
    def tls(self) -> ClientTls | None:
        return client_tls(self.triton_tls, self.name)

    def route(self, max_model_len: int | None) -> EmbeddingRoute:
        """How its Triton model is asked. ``max_model_len`` is what was found where none was set."""
        from gateway.core.embedding_route import EmbeddingRoute  # loads numpy

        pooling: Any = self.pooling
        return EmbeddingRoute(
            triton_model=self.triton_model,
            input=self.input,
            output=self.output,
            pooling=pooling,
            normalize=self.normalize,
            sizes=sizes(self.dimensions),
            max_model_len=max_model_len,
        )
