"""preprocessing: text → token ids, and the lists the engine takes with them. One answer per request, whole batches.

Later releases declare more: what belongs to images and encoders is never given out, and is refused where it comes in.
"""

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .model_settings import ModelSettings
from .prompt_tensors import PromptTensors, refuse
from .tokenizer_folder import load_tokenizer

_PROMPT_TABLE = "PROMPT_EMBEDDING_TABLE"
_TAKEN = (
    *("QUERY", "REQUEST_OUTPUT_LEN", "BAD_WORDS_DICT", "STOP_WORDS_DICT", "EMBEDDING_BIAS_WORDS"),
    *("EMBEDDING_BIAS_WEIGHTS", "END_ID", "PAD_ID", _PROMPT_TABLE),
)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        settings = ModelSettings(json.loads(args["model_config"]))
        tokenizer = load_tokenizer(
            settings.required("tokenizer_dir"),
            add_special_tokens=settings.flag("add_special_tokens", False),
            trust_remote_code=settings.flag("trust_remote_code", False),
        )
        vocab_size = settings.number("vocab_size", len(tokenizer.token_bytes))
        self._prompts = PromptTensors(tokenizer, vocab_size, settings.numbers("eos_token_ids"))

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            outputs = self._outputs({tensor.name(): tensor.as_numpy() for tensor in request.inputs()})
        except ValueError as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])

    def _outputs(self, given: dict[str, Any]) -> dict[str, Any]:
        refuse(given, _TAKEN)
        ids, lengths = self._prompts.prompts(given["QUERY"])
        batch = len(ids)
        end, pad = self._prompts.end_and_pad(given.get("END_ID"), given.get("PAD_ID"), batch)
        passed_on = {f"OUT_{_PROMPT_TABLE}": given[_PROMPT_TABLE]} if _PROMPT_TABLE in given else {}
        return {
            **passed_on,
            "INPUT_ID": ids,
            "REQUEST_INPUT_LEN": lengths,
            "REQUEST_OUTPUT_LEN": given["REQUEST_OUTPUT_LEN"].astype(np.int32),
            "BAD_WORDS_IDS": self._prompts.bad_words(given.get("BAD_WORDS_DICT"), batch),
            "STOP_WORDS_IDS": self._prompts.stop_words(given.get("STOP_WORDS_DICT"), given.get("END_ID"), batch),
            "EMBEDDING_BIAS": self._prompts.embedding_bias(
                given.get("EMBEDDING_BIAS_WORDS"), given.get("EMBEDDING_BIAS_WEIGHTS"), batch
            ),
            "OUT_END_ID": end,
            "OUT_PAD_ID": pad,
        }
