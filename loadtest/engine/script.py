"""The script a prompt carries, which tells the scripted engine what to do.

A test writes ``script_text(Script(tag="a", ids=[5, 6]))`` as the text of its last user message. The text is
plain ASCII, so it survives the chat template, Unicode normalization and every route; the engine finds it
again in the decoded prompt.

It knows the form of a script. It must not know Triton: tests and the engine share this file.
"""

import json
from dataclasses import asdict, dataclass, field, fields

OPEN, CLOSE = "{{script ", "}}"


@dataclass(frozen=True, slots=True)
class Script:
    """What one request shall do. Times are milliseconds; counts are tokens."""

    tag: str = ""
    """Name under which the journal files what happens to this request."""
    ids: list[int] = field(default_factory=list)
    """Token ids to emit as they are, negative ones too; the end id among them ends the sequence."""
    text: str = ""
    """Text to emit instead of ``ids``, encoded with the engine's tokenizer."""
    echo_prompt: bool = False
    """Emit the ids of the prompt instead."""
    repeat: bool = False
    """Start over when the ids are used up, until request_output_len is reached."""
    chunk: int = 1
    """Tokens per streamed response."""
    chunks: list[int] = field(default_factory=list)
    """Sizes of the first streamed responses, one after another; ``chunk`` holds for the rest."""
    first_delay_ms: float = 0
    delay_ms: float = 0
    hang_after: int | None = None
    """Stop emitting after so many tokens and wait for a cancel (0: before the first)."""
    error_after: int | None = None
    error_at_start: bool = False
    error: str = "scripted failure"
    ignore_cancel: bool = False
    """Go on when cancelled; the journal still notes that the cancel was seen."""
    final: str = "data"
    """``data``: the last data response carries the final flag. ``empty``: a response without tensors does."""
    glue_end: bool = False
    """After the end id: put the final flag on the last tokens, not on a response with zero tokens."""
    repeat_last: bool = False
    """Send the last response twice, the final flag on the second."""
    log_probs: list[float] = field(default_factory=list)
    """Log-probabilities of the ids, where they are asked for; the default falls by 1/16 per token."""

    def log_prob(self, index: int) -> float:
        return self.log_probs[index] if index < len(self.log_probs) else -(index + 1) / 16


def script_text(script: Script) -> str:
    """The script as the text of a message, with nothing in it that is at its default.

    No ``<`` either: it may begin a control token, and those do not get through in text on every route.
    """
    default = asdict(Script())
    given = {key: value for key, value in asdict(script).items() if value != default[key]}
    written = json.dumps(given, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return OPEN + written + CLOSE


def find_script(prompt: str) -> Script | None:
    """The last script in the prompt, or None where there is none."""
    start = prompt.rfind(OPEN)
    if start < 0:
        return None
    given, _ = json.JSONDecoder().raw_decode(prompt, start + len(OPEN))
    unknown = set(given) - {each.name for each in fields(Script)}
    if unknown:
        raise ValueError(f"the script has no field {sorted(unknown)[0]!r}")
    return Script(**given)
