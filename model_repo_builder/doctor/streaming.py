"""Checks of what goes together between the models: decoupling, instances, batch sizes, text of a stream."""

from __future__ import annotations

from collections.abc import Iterator

from model_repo_builder.doctor.finding import Finding, error, note, warning
from model_repo_builder.doctor.subject import BLS, ENGINE, ENSEMBLE, POSTPROCESSING, Subject

# A file that only our own Python models have: they put split characters together again.
_OWN_TEXT = "utf8_stream.py"


def decoupled(subject: Subject) -> Iterator[Finding]:
    engine, bls = subject.model(ENGINE), subject.model(BLS)
    if engine is not None and bls is not None and {engine.decoupled, bls.decoupled} == {True, False}:
        yield error(
            "decoupled",
            BLS,
            f"decoupled is {_said(bls.decoupled)} in {BLS}, and {_said(engine.decoupled)} in {ENGINE}",
            "a request waits for ever, gets one token only, or stops the server",
            "set model_transaction_policy.decoupled alike in both; true where anybody streams",
        )
    if engine is not None and engine.decoupled is False and engine.error is None:
        yield warning(
            "not-decoupled",
            ENGINE,
            "decoupled is false",
            "a request may have one answer only, so every request that streams is refused",
            "set model_transaction_policy.decoupled to true, unless nobody ever streams",
        )


def postprocessing_instances(subject: Subject) -> Iterator[Finding]:
    config, engine = subject.model(POSTPROCESSING), subject.model(ENGINE)
    if config is None or engine is None or subject.model(ENSEMBLE) is None or not engine.decoupled:
        return
    if config.instances is not None and config.instances > 1:
        yield error(
            "postprocessing-instances",
            POSTPROCESSING,
            f"{config.instances} instances of {POSTPROCESSING}, and the ensemble streams",
            "each takes the next piece of the same stream, so text arrives out of order",
            "set its instance_group count to 1",
        )


def bls_instances(subject: Subject) -> Iterator[Finding]:
    bls, engine = subject.model(BLS), subject.model(ENGINE)
    if bls is None or engine is None or bls.instances is None or engine.batch_size is None:
        return
    if bls.instances < engine.batch_size:
        yield warning(
            "bls-instances",
            BLS,
            f"{bls.instances} {_plural(bls.instances, 'instance')} of {BLS}, and the engine takes {engine.batch_size} "
            "sequences at once",
            "an instance serves one request at a time; the others wait although the engine is idle",
            f"set its instance_group count to {engine.batch_size}, or delete {BLS} if nobody calls it",
        )


def batch_sizes(subject: Subject) -> Iterator[Finding]:
    ensemble = subject.model(ENSEMBLE)
    if ensemble is None or ensemble.batch_size is None:
        return
    for name in dict.fromkeys(step.model_name for step in ensemble.steps):
        step = subject.model(name)
        if step is None or step.batch_size is None or step.error is not None or step.batch_size == ensemble.batch_size:
            continue
        sizes = f"max_batch_size is {ensemble.batch_size} in {ENSEMBLE}, and {step.batch_size} in {name}"
        how = f"set max_batch_size of all models to the same number, such as {_common(subject)}"
        if step.batch_size < ensemble.batch_size:
            why = "Triton refuses an ensemble that takes larger batches than its steps, and does not start"
            yield error("batch-size", name, sizes, why, how)
        else:
            yield warning("batch-size", name, sizes, "the ensemble never fills what the model could take", how)


def stream_text(subject: Subject) -> Iterator[Finding]:
    bls = subject.model(BLS)
    if bls is not None and bls.on("accumulate_tokens"):
        yield warning(
            "accumulate-tokens",
            BLS,
            "accumulate_tokens is true",
            "each piece of a stream is the whole text so far: clients that append what they get repeat everything, and "
            "the work grows with the square of the length",
            "set accumulate_tokens to false, unless every client replaces the text with each piece",
        )
    if subject.folder is None:
        return
    for name in (POSTPROCESSING, BLS):
        folder = subject.folder / name / "1"
        if subject.model(name) is not None and (folder / "model.py").is_file() and not (folder / _OWN_TEXT).is_file():
            yield note(
                "split-characters",
                name,
                f"{name} is not the one that model-repo-builder writes",
                "the official one decodes each piece of a stream alone: Chinese and emoji that are split between "
                "tokens become U+FFFD",
                'let the gateway call the engine directly (route = "direct"), or write the repository anew with '
                "`model-repo-builder repo`",
            )


def _common(subject: Subject) -> int:
    engine = subject.model(ENGINE)
    return (engine.batch_size if engine is not None else None) or 8


def _said(value: bool | None) -> str:
    return "true" if value else "false"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


CHECKS = (decoupled, postprocessing_instances, bls_instances, batch_sizes, stream_text)
