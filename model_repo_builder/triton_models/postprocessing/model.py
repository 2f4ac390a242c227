"""postprocessing: token ids → text.

Each piece of a stream is a call of its own, and a character may lie across two pieces.
What an unfinished character has so far is kept under the request's id (an ensemble hands its id to every
step) until the next piece. A request without an id cannot be told from others, so its pieces are decoded one
by one.
"""

import json
import time
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .engine_stop import stop_engine
from .leftovers import Leftovers
from .model_settings import ModelSettings
from .tokenizer_folder import load_tokenizer

_PASSED_ON = ("CUM_LOG_PROBS", "OUTPUT_LOG_PROBS", "CONTEXT_LOGITS", "GENERATION_LOGITS", "BATCH_INDEX")
_STOP_AGAIN_SECONDS = 5.0
_STOPS_REMEMBERED = 1024


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        settings = ModelSettings(json.loads(args["model_config"]))
        tokenizer = load_tokenizer(
            settings.required("tokenizer_dir"),
            skip_special_tokens=settings.flag("skip_special_tokens", True),
            trust_remote_code=settings.flag("trust_remote_code", False),
        )
        self._token_bytes = tokenizer.token_bytes
        self._engine = settings.text("tensorrt_llm_model_name")
        self._leftovers = Leftovers()
        # Request id -> when; a few more pieces come after the stop.
        self._stopped: OrderedDict[str, float] = OrderedDict()
        self._ended: deque[Any] = deque(maxlen=4)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        given = {tensor.name(): tensor for tensor in request.inputs()}
        ids, lengths = given["TOKENS_BATCH"].as_numpy(), given["SEQUENCE_LENGTH"].as_numpy()
        now = time.monotonic()
        texts = self._texts(request.request_id(), ids, lengths, now)
        if request.is_cancelled():
            self._end(request.request_id(), now)
        outputs = [pb_utils.Tensor("OUTPUT", texts)]
        for name in _PASSED_ON:
            if name in given:
                outputs.append(pb_utils.Tensor("OUT_" + name, given[name].as_numpy()))
        return pb_utils.InferenceResponse(outputs)

    def _texts(self, request_id: str, ids: Any, lengths: Any, now: float) -> Any:
        """[B, beams, N] and [B, beams] → texts [B, beams]."""
        texts = np.empty(ids.shape[:2], dtype=np.object_)
        for row in range(ids.shape[0]):
            for beam in range(ids.shape[1]):
                sequence = ids[row, beam, : max(0, int(lengths[row, beam]))].tolist()
                piece = self._token_bytes.join(sequence)
                if not request_id:
                    text = piece.decode("utf-8", "replace")
                elif not sequence:
                    text = self._leftovers.flush((request_id, row, beam))
                else:
                    text = self._leftovers.push((request_id, row, beam), piece, now)
                texts[row, beam] = text.encode("utf-8")
        return texts

    def _end(self, request_id: str, now: float) -> None:
        """The ensemble's request was cancelled, which the engine does not learn from Triton while it runs."""
        if not request_id:
            return
        self._leftovers.drop(request_id)
        if self._engine and self._stopped.get(request_id, 0.0) < now - _STOP_AGAIN_SECONDS:
            self._stopped[request_id] = now
            self._stopped.move_to_end(request_id)
            while len(self._stopped) > _STOPS_REMEMBERED:
                self._stopped.popitem(last=False)
            stop_engine(self._engine, request_id, self._ended.append)
