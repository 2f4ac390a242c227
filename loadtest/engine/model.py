"""A Triton model with the contract of ``tensorrt_llm`` that does what the prompt says.

It stands in for the engine where a test must decide which tokens come, when, and how they fail. It streams
deltas without the prompt, answers at once without streaming, honours request_output_len, end_id,
stop_words_list, the ``stop`` input and cancellation as TensorRT-LLM does, and journals what it received and
saw. Every request has a thread of its own.

Model parameters: ``scripted_tokenizer`` (tokenizer.json), ``scripted_journal`` (file to append to),
``max_seq_len``, ``exclude_input_in_output``, ``cancellation_check_period_ms``, ``scripted_slots`` (how many requests
run at once, the rest wait; 0: all), ``scripted_control`` (file with the moods of this server, see ``control``),
``scripted_lean`` (true: the journal leaves tensors out, for load).
"""

import json
import threading
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

from .control import Control
from .journal import JournalWriter
from .run import Request, Run, Sender
from .script import Script, find_script

REQUIRED = ("input_ids", "input_lengths", "request_output_len")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        self._decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        self._input_names = [entry["name"] for entry in config["input"]]
        self._outputs = frozenset(entry["name"] for entry in config["output"])
        self._tokenizer = Tokenizer.from_file(parameters["scripted_tokenizer"])
        self._journal = JournalWriter(parameters["scripted_journal"])
        self._max_seq_len = int(parameters.get("max_seq_len") or 2048)
        self._exclude_input = parameters.get("exclude_input_in_output", "").lower() in ("true", "1")
        self._control = Control(parameters.get("scripted_control", ""))
        slots = int(parameters.get("scripted_slots") or 0)
        self._slots = threading.BoundedSemaphore(slots) if slots else None
        self._lean = parameters.get("scripted_lean", "") == "true"
        self._period = int(parameters.get("cancellation_check_period_ms") or 100) / 1000
        self._running: dict[int, Run] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._watch_cancels, daemon=True)
        self._watch.start()

    def execute(self, requests: list[Any]) -> None:
        for request in requests:
            sender = Sender(request.get_response_sender())
            try:
                self._accept(request, sender)
            except Exception as error:  # whatever is wrong with a test's request belongs into its answer
                sender.send(None, final=True, error=f"{type(error).__name__}: {error}")

    def finalize(self) -> None:
        self._closing.set()
        with self._lock:
            runs = list(self._running.values())
        for run in runs:
            run.cancel("unload")
        self._watch.join(timeout=5)
        self._journal.close()

    def _accept(self, request: Any, sender: Sender) -> None:
        tensors = {
            name: tensor.as_numpy()
            for name in self._input_names
            if (tensor := pb_utils.get_input_tensor_by_name(request, name)) is not None
        }
        missing = [name for name in REQUIRED if name not in tensors]
        if missing:
            return sender.send(None, final=True, error=f"missing required input {missing[0]}")
        if tensors.get("stop", np.array(False)).any():
            return self._stop(request.request_id(), sender)
        if tensors.get("streaming", np.array(False)).any() and not self._decoupled:
            return sender.send(
                None,
                final=True,
                error="Streaming is only supported if model is deployed using decoupled mode.",
            )
        prompt = tensors["input_ids"].reshape(-1).tolist()
        script = self._script(prompt)
        self._journal.write(
            "start",
            script.tag,
            emitted=0,
            id=request.request_id(),
            outputs=list(request.requested_output_names()),
            tensors={}
            if self._lean
            else {
                name: {"dtype": str(value.dtype), "shape": list(value.shape), "values": _plain(value)}
                for name, value in tensors.items()
            },
        )
        if script.error_at_start or self._control.mood().fail:
            self._journal.write("end", script.tag, emitted=0, reason="error")
            return sender.send(None, final=True, error=script.error)
        room = self._max_seq_len - len(prompt)
        if room < 1:
            self._journal.write("end", script.tag, emitted=0, reason="error")
            limit = self._max_seq_len - 1
            return sender.send(
                None,
                final=True,
                error=f"Prompt length ({len(prompt)}) exceeds maximum input length ({limit})",
            )
        parsed = Request.read(
            request.request_id(),
            tensors,
            prompt,
            room,
            exclude_input=self._exclude_input,
            outputs=self._outputs,
        )
        ids = script.ids or self._tokenizer.encode(script.text, add_special_tokens=False).ids
        ids = prompt if script.echo_prompt else ids
        run = Run(script, ids, parsed, sender, self._journal, self._control, self._slots)
        with self._lock:
            self._running[id(run)] = run
        threading.Thread(target=self._drive, args=(run,), daemon=True).start()

    def _script(self, prompt: list[int]) -> Script:
        text = self._tokenizer.decode([token for token in prompt if token >= 0], skip_special_tokens=False)
        script = find_script(text)
        if script is not None:
            return script
        # Without a script: say again what the user said last.
        said = text.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]
        return Script(tag=said[:60], text=said)

    def _drive(self, run: Run) -> None:
        try:
            run.play()
        finally:
            with self._lock:
                del self._running[id(run)]

    def _watch_cancels(self) -> None:
        while not self._closing.wait(self._period):
            with self._lock:
                runs = list(self._running.values())
            for run in runs:
                if not run.cancel_seen and run.sender.is_cancelled():
                    run.cancel("grpc")

    def _stop(self, request_id: str, sender: Sender) -> None:
        if not request_id:
            return sender.send(None, final=True, error="Trying to stop a request but request ID is not provided")
        with self._lock:
            runs = [run for run in self._running.values() if run.request.id == request_id]
        for run in runs:
            run.cancel("stop")
        sender.send(None, final=True)


def _plain(value: Any) -> Any:
    """The array as lists; texts are text."""
    return np.char.decode(value.astype(np.bytes_), "utf-8").tolist() if value.dtype == np.object_ else value.tolist()
