"""tensorrt_llm_bls: text in, text out, around calls of the engine model that this model makes itself.

Tokenizing and detokenizing happen in this process, with the same modules that preprocessing and
postprocessing use: two more models per token would cost more than the engine, and only a decoder that stays
with its stream never splits a character.

An instance serves one request at a time, and concurrency is the number of instances: Triton 2.51 loses answers of a
process that makes several of these calls at once (64 clients waited in vain for 7 to 9 of 1,500 answers).
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from .answers import SEQUENCE, Answers, joined
from .cancel_watch import CancelWatch
from .client_sender import ClientSender
from .engine_call import EngineCall, EngineError, Silence
from .model_settings import ModelSettings
from .prompt_tensors import PromptTensors, refuse
from .tokenizer_folder import load_tokenizer

_ALWAYS = ("output_ids", "sequence_length")
# Inputs that are not the engine's own under another name, but made from the text.
_TEXT_INPUTS = (
    *("text_input", "max_tokens", "bad_words", "stop_words", "end_id", "pad_id"),
    *("embedding_bias_words", "embedding_bias_weights"),
)
_DRAFT = ("num_draft_tokens", "use_draft_logits")
_SILENT = "the engine stopped answering in the middle of this request; the server's log may have the reason"


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        settings = ModelSettings(config)
        self._decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        self._engine = settings.text("tensorrt_llm_model_name", "tensorrt_llm")
        self._accumulate = settings.flag("accumulate_tokens", False)
        tokenizer = load_tokenizer(
            settings.required("tokenizer_dir"),
            add_special_tokens=settings.flag("add_special_tokens", False),
            skip_special_tokens=settings.flag("skip_special_tokens", True),
            trust_remote_code=settings.flag("trust_remote_code", False),
        )
        self._token_bytes = tokenizer.token_bytes
        vocab_size = settings.number("vocab_size", len(tokenizer.token_bytes))
        self._prompts = PromptTensors(tokenizer, vocab_size, settings.numbers("eos_token_ids"))
        wiring = json.loads(Path(__file__).with_name("wiring.json").read_text("utf-8"))
        self._engine_input_of: dict[str, str] = wiring["inputs"]
        self._engine_outputs: list[str] = wiring["outputs"]
        self._watch = CancelWatch(settings.number("cancellation_check_period_ms", 50) / 1000)
        self._ended: deque[Any] = deque(maxlen=4)  # of two requests, each of which may also have been stopped
        self._silence_seconds = settings.number("engine_silence_seconds", 60)
        self._passes_request_id = settings.flag("passes_request_id", False)  # clients may read that it does

    def execute(self, requests: list[Any]) -> list[Any] | None:
        if not self._decoupled:
            return [self._answer(request) for request in requests]
        for request in requests:
            client = ClientSender(request.get_response_sender())
            # A thread, because one that waits for an answer which Triton lost never comes back, and is left behind.
            threading.Thread(target=self._stream, args=(request, client), name="request", daemon=True).start()
            client.finished.wait()
        return None

    def finalize(self) -> None:
        self._watch.close()

    def _stream(self, request: Any, client: ClientSender) -> None:
        """All answers of one request, then an empty one that says that these were all."""
        silence = Silence(self._silence_seconds, lambda: client.finish(_SILENT))
        asked = request.requested_output_names()
        error = None
        try:
            with closing(self._outputs(request, client.has_left, silence)) as answers:
                for outputs in answers:
                    client.send(_response(outputs, asked))
        except (ValueError, EngineError) as failure:
            error = str(failure)
        except Exception as failure:  # the top of a thread: unanswered, the request would never end
            pb_utils.Logger.log_error(f"tensorrt_llm_bls failed: {failure!r}")
            error = "tensorrt_llm_bls failed on this request; the server's log has the reason"
        client.finish(error)

    def _answer(self, request: Any) -> Any:
        try:
            (outputs,) = self._outputs(request, request.is_cancelled, None)
            return _response(outputs, request.requested_output_names())
        except (ValueError, EngineError) as error:
            return _error(str(error))

    def _outputs(
        self, request: Any, has_left: Callable[[], bool], silence: Silence | None
    ) -> Generator[dict[str, Any], None, None]:
        """Dicts of output arrays: one, or one per answer of the engine where the request is streamed."""
        given = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        stream = _flag(given.get("stream"))
        batch = len(given["text_input"])
        if any(name in given for name in _DRAFT):
            raise ValueError(f"there is no draft model here: leave {' and '.join(_DRAFT)} away")
        if stream and not self._decoupled:
            raise ValueError("stream needs a repository that was built with decoupled_mode true")
        if stream and batch > 1:
            raise ValueError(f"stream takes one prompt per request, not {batch}: send one request each")
        refuse(given, (*_TEXT_INPUTS, *self._engine_input_of))
        sequences = _whole(given.get("num_return_sequences"), 1)
        if sequences > 1 and (batch > 1 or not self._decoupled):
            raise ValueError(
                "num_return_sequences takes one prompt per request, and a repository built with decoupled_mode true"
            )
        asked = request.requested_output_names()
        wanted = [*_ALWAYS, *(name for name in self._engine_outputs if name in asked)]
        if sequences > 1 and SEQUENCE in self._engine_outputs and SEQUENCE not in wanted:
            wanted.append(SEQUENCE)
        rows = list(self._engine_tensors(given, batch, stream))
        client_id = request.request_id() if self._passes_request_id and len(rows) == 1 else ""

        def call(tensors: dict[str, Any], silence: Silence | None = None) -> "closing[EngineCall]":
            keep = self._ended.append
            return closing(
                EngineCall(self._engine, tensors, wanted, self._watch, has_left, keep, silence, client_id=client_id)
            )

        if stream:
            with call(rows[0], silence) as answers:
                yield from Answers(self._token_bytes, self._accumulate).of(answers)
        elif sequences > 1:  # one answer for each
            with call(rows[0], silence) as answers:
                yield from (Answers.whole(answer, self._token_bytes) for answer in answers)
        else:
            whole = []
            for row in rows:
                with call(row) as answers:
                    whole.append(Answers.whole(answers.last(), self._token_bytes))
            yield joined(whole)

    def _engine_tensors(self, given: dict[str, Any], batch: int, stream: bool) -> Iterator[dict[str, Any]]:
        """The engine takes one sequence per request: a dict of [1, ...] arrays for each row of the batch."""
        ids, lengths = self._prompts.prompts(given["text_input"])
        end, pad = self._prompts.end_and_pad(given.get("end_id"), given.get("pad_id"), batch)
        bias = self._prompts.embedding_bias(
            given.get("embedding_bias_words"), given.get("embedding_bias_weights"), batch
        )
        whole = {
            "input_lengths": lengths,
            "request_output_len": given["max_tokens"].reshape(batch, -1)[:, :1],
            "end_id": end,
            "pad_id": pad,
            "stop_words_list": self._prompts.stop_words(given.get("stop_words"), given.get("end_id"), batch),
            "bad_words_list": self._prompts.bad_words(given.get("bad_words"), batch),
        }
        if bias.size:
            whole["embedding_bias"] = bias
        for name, inner in self._engine_input_of.items():
            if name in given:
                array = given[name]
                whole[inner] = array.reshape(batch, 1) if array.ndim == 1 else array
        whole["streaming"] = np.full((batch, 1), stream)
        for row in range(batch):
            tensors = {name: array[row : row + 1] for name, array in whole.items()}
            tensors["input_ids"] = ids[row : row + 1, : int(lengths[row, 0])]
            yield tensors


def _whole(array: Any, default: int) -> int:
    return default if array is None else int(array.reshape(-1)[0])


def _flag(array: Any) -> bool:
    return array is not None and bool(array.reshape(-1)[:1].any())


def _response(outputs: dict[str, Any], asked: Container[str]) -> Any:
    """With what was asked for alone: Triton's Python backend takes the rest away itself, from 2.47 until its pull
    request 390 without the interpreter's lock, which crashes the process on Python 3.12 and harms its memory before."""
    tensors = [pb_utils.Tensor(name, array) for name, array in outputs.items() if name in asked]
    return pb_utils.InferenceResponse(tensors)


def _error(message: str) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message))
