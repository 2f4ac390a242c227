"""Checks of the folder itself: placeholders that were left, files that are missing, folders that do not belong."""

from __future__ import annotations

from collections.abc import Iterator

from model_repo_builder.config_text import FILE, Config
from model_repo_builder.doctor.finding import Finding, error, note
from model_repo_builder.doctor.subject import BLS, ENGINE, POSTPROCESSING, PREPROCESSING, Subject

# Quoted placeholders that are taken as they stand, by model: the text ${…} itself becomes the value.
_MUST_FILL = frozenset(
    {
        (ENGINE, "backend"),
        (ENGINE, "gpt_model_path"),
        (ENGINE, "gpt_model_type"),
        (PREPROCESSING, "tokenizer_dir"),
        (POSTPROCESSING, "tokenizer_dir"),
        (BLS, "tensorrt_llm_model_name"),
        (BLS, "tensorrt_llm_draft_model_name"),
    }
)


def placeholders(subject: Subject) -> Iterator[Finding]:
    for config in subject.models.values():
        optional = []
        for each in config.placeholders:
            shown = f"${{{each.name}}} in line {each.line} of {config.folder}/{FILE} is not filled"
            fill = f"write the value in its place ({each.field})" if each.field else "write the value in its place"
            if not each.quoted:
                why = "outside quotes it makes the whole file unreadable: Triton stops with 'Expected integer' or alike"
                yield error("placeholder", config.folder, shown, why, fill)
            elif (config.name, each.field) in _MUST_FILL:
                why = f"{each.field} has no default: the text ${{{each.name}}} itself is taken as its value"
                yield error("placeholder", config.folder, shown, why, fill)
            else:
                optional.append(each.name)
        if optional:
            yield note(
                "placeholder-optional",
                config.folder,
                f"optional placeholders are not filled: {', '.join(f'${{{name}}}' for name in optional)}",
                "Triton starts: each counts as not given, and the default of the release holds",
                "fill those you mean to set, and delete the other parameters",
            )


def unreadable(subject: Subject) -> Iterator[Finding]:
    for config in subject.models.values():
        if config.error is not None:
            yield error(
                "unreadable",
                config.folder,
                f"{config.folder}/{FILE} cannot be read: {config.error}",
                "Triton cannot load the model, and with it the whole repository fails",
                "mend the place that is named, or take the file from the official templates again",
            )


def names(subject: Subject) -> Iterator[Finding]:
    for config in subject.models.values():
        if config.error is None and config.message.name and config.message.name != config.folder:
            yield error(
                "name",
                config.folder,
                f"the folder is {config.folder}, but its {FILE} says name: {config.message.name!r}",
                "Triton refuses a model whose name is not that of its folder",
                f"rename the folder, or set name to {config.folder!r}",
            )


def strays(subject: Subject) -> Iterator[Finding]:
    for name in subject.strays:
        yield error(
            "stray-folder",
            name,
            f"the folder {name} has no {FILE}",
            "Triton takes every folder of the repository for a model, and fails on one without a configuration",
            f"delete {name}" if name.startswith((".", "__")) else f"delete or complete {name}",
        )


def files(subject: Subject) -> Iterator[Finding]:
    """Version folders, and model.py in them. Not of a running Triton, which has loaded them."""
    if subject.folder is None:
        return
    for config in subject.models.values():
        folder = subject.folder / config.folder
        versions = sorted((entry for entry in folder.iterdir() if _is_version(entry.name)), key=lambda path: path.name)
        if not versions:
            yield error(
                "version-folder",
                config.folder,
                f"{config.folder} has no version folder",
                "Triton loads versions, folders whose name is a number; even an ensemble needs an empty one",
                f"make the folder {config.folder}/1, and put the model's files there",
            )
        elif config.backend == "python":
            script = _script(config)
            for version in versions[-1:]:
                if not (version / script).is_file():
                    yield error(
                        "model-py",
                        config.folder,
                        f"{config.folder}/{version.name}/{script} is missing",
                        "the Python backend runs that file, and fails to load the model without it",
                        f"copy {script} and the files beside it from the templates of the same release",
                    )


def _is_version(name: str) -> bool:
    return name.isdecimal() and name != "0"


def _script(config: Config) -> str:
    return str(config.message.default_model_filename) or "model.py"


CHECKS = (unreadable, placeholders, names, strays, files)
