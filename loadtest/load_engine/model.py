"""A Triton model with the contract of ``tensorrt_llm`` that makes many tokens at little cost.

It streams a fixed text over and over, one token in each response, as many as request_output_len says. A script in the
prompt (``script``) may say how far they are apart; nothing else of a script is looked at. It is for load alone: no end
ids, stop words or log-probabilities, and no journal.

Responses are made once and sent again and again, by one thread: a response that two threads send at the same time
crashes tritonserver. Each send waits until tritonserver has taken it, so more instances send more.

Model parameters: ``load_tokenizer`` (tokenizer.json), ``cancellation_check_period_ms``.
"""

import heapq
import itertools
import json
import threading
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

from .script import find_script

TEXT = "The engine makes one token after another, as fast as it is asked to, and each of them is one response. "
_FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class Running:
    """One request. ``due``: when its next token is sent, by the monotonic clock."""

    __slots__ = ("due", "gap", "left", "outputs", "sender", "tokens", "watched")

    def __init__(self, sender: Any, tokens: int, gap: float, outputs: "Outputs", now: float) -> None:
        self.sender, self.left, self.gap = sender, tokens, gap
        self.due = self.watched = now + gap
        self.outputs = outputs
        self.tokens = itertools.cycle(outputs.tokens)


class Outputs:
    """The responses of requests that want the same outputs."""

    def __init__(self, ids: list[int], names: frozenset[str]) -> None:
        self.tokens = [self._response([id], names) for id in ids]

    def _response(self, ids: list[int], names: frozenset[str]) -> Any:
        values = {
            "output_ids": np.array([[ids]], dtype=np.int32),
            "sequence_length": np.array([[len(ids)]], dtype=np.int32),
            "cum_log_probs": np.zeros((1, 1), dtype=np.float32),
            "output_log_probs": np.zeros((1, 1, 1), dtype=np.float32),
            "context_logits": np.zeros((1, 1, 1), dtype=np.float32),
            "generation_logits": np.zeros((1, 1, 1, 1), dtype=np.float32),
            "batch_index": np.zeros((1, 1), dtype=np.int32),
            "sequence_index": np.zeros((1, 1), dtype=np.int32),
        }
        tensors = [pb_utils.Tensor(name, value) for name, value in values.items() if name in names]
        return pb_utils.InferenceResponse(output_tensors=tensors)


class Sending(threading.Thread):
    """Sends what is due, to one request after another."""

    def __init__(self, period: float) -> None:
        super().__init__(daemon=True)
        self._period = period
        self._heap: list[tuple[float, int, Running]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closing = False

    def add(self, running: Running) -> None:
        with self._changed:
            heapq.heappush(self._heap, (running.due, next(self._numbers), running))
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self.join(timeout=5)

    def run(self) -> None:
        while (running := self._next()) is not None:
            if self._send(running):
                running.due += running.gap
                with self._changed:
                    heapq.heappush(self._heap, (running.due, next(self._numbers), running))

    def _next(self) -> "Running | None":
        with self._changed:
            while not self._closing:
                if not self._heap:
                    self._changed.wait()
                elif (early := self._heap[0][0] - time.monotonic()) > 0:
                    self._changed.wait(early)
                else:
                    return heapq.heappop(self._heap)[2]
        return None

    def _send(self, running: Running) -> bool:
        """Whether more is to come."""
        now = time.monotonic()
        if now >= running.watched:
            running.watched = now + self._period
            if running.sender.is_cancelled():
                running.sender.send(flags=_FINAL)
                return False
        running.left -= 1
        running.sender.send(next(running.tokens), flags=0 if running.left else _FINAL)
        return running.left > 0


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        self._tokenizer = Tokenizer.from_file(parameters["load_tokenizer"])
        self._ids = self._tokenizer.encode(TEXT, add_special_tokens=False).ids
        self._all = frozenset(entry["name"] for entry in config["output"])
        self._made: dict[frozenset[str], Outputs] = {}
        self._sending = Sending(int(parameters.get("cancellation_check_period_ms") or 100) / 1000)
        self._sending.start()

    def execute(self, requests: list[Any]) -> None:
        for request in requests:
            sender = request.get_response_sender()
            try:
                self._accept(request, sender)
            except Exception as error:  # whatever is wrong with a request belongs into its answer
                told = pb_utils.TritonError(f"{type(error).__name__}: {error}")
                sender.send(pb_utils.InferenceResponse(error=told), flags=_FINAL)

    def finalize(self) -> None:
        self._sending.close()

    def _accept(self, request: Any, sender: Any) -> None:
        stop = pb_utils.get_input_tensor_by_name(request, "stop")
        if stop is not None and stop.as_numpy().any():
            sender.send(flags=_FINAL)
            return
        ids = pb_utils.get_input_tensor_by_name(request, "input_ids").as_numpy().reshape(-1).tolist()
        wanted = int(pb_utils.get_input_tensor_by_name(request, "request_output_len").as_numpy().reshape(-1)[0])
        script = find_script(self._tokenizer.decode([id for id in ids if id >= 0], skip_special_tokens=False))
        gap = script.delay_ms / 1000 if script else 0.0
        names = frozenset(request.requested_output_names()) & self._all
        if names not in self._made:
            self._made[names] = Outputs(self._ids, names)
        self._sending.add(Running(sender, max(1, wanted), gap, self._made[names], time.monotonic()))
