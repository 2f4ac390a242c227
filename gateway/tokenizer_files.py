"""A checkpoint's tokenizer as its files say it: the tokenizer itself, its chat templates, its special tokens.

tokenizer.json is read as it is, with ``tokenizers``: importing transformers takes seconds of every process. Only a
folder without that file (vocab.json and merges.txt, or a tiktoken file) is left to transformers to make a tokenizer of.
What transformers takes from the files beside tokenizer.json is taken here too. One thing is left out: transformers 5
builds Qwen2's tokenizers anew from vocabulary and merges, and pays no heed to a normalizer or a splitting of words that
the file has differently; the file is what the model was trained with.

It knows the files of Hugging Face, and where to download them. Code among them is never executed: Qwen's tokenizers
need none. It must not know what templates mean, nor requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from gateway.core.errors import SettingsError

# A model id of the Hugging Face hub, as opposed to a path.
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_FILES = ("*.json", "*.jinja", "additional_chat_templates/*.jinja", "merges.txt", "*.tiktoken", "*.model")
_NOT_FILES = ("*.index.json",)  # those of weights; they can be large
_TEMPLATES = "additional_chat_templates"
# In the order in which tokens that tokenizer.json lacks get their ids.
_USUAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# What Qwen's class in transformers says where tokenizer_config.json is silent.
_DEFAULT, _DEFAULTED = "<|endoftext|>", ("eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """What was read. ``templates``: by name; a single one is called "default". ``special``: texts of tokens by what
    they are, such as ``eos_token``: templates may read them."""

    tokenizer: Any
    templates: Mapping[str, str]
    special: Mapping[str, str]


def read(source: str) -> TokenizerFiles:
    """From a folder, or from the hub where ``source`` is a model id. SettingsError says what is wrong with it."""
    folder = Path(source)
    if not folder.is_dir() and not _HUB_ID.fullmatch(source):
        raise SettingsError(
            f"There is no tokenizer folder {source}. Give the folder of a Hugging Face Qwen checkpoint "
            "(tokenizer.json and tokenizer_config.json are enough), or a model id such as Qwen/Qwen2.5-7B-Instruct."
        )
    what = "folder" if folder.is_dir() else "folder of that name, and model id that could not be downloaded,"
    try:
        found = folder if folder.is_dir() else _downloaded(source)
        return _read(found) if (found / "tokenizer.json").is_file() else _made_by_transformers(found, source)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise SettingsError(f"The tokenizer {what} {source} cannot be read: {reason}") from exc


def _downloaded(source: str) -> Path:
    from huggingface_hub import snapshot_download  # takes a quarter of a second, for those who want it

    return Path(snapshot_download(source, allow_patterns=list(_FILES), ignore_patterns=list(_NOT_FILES)))


def _made_by_transformers(folder: Path, source: str) -> TokenizerFiles:
    from transformers import AutoTokenizer  # takes seconds

    made = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    tokenizer = getattr(made, "backend_tokenizer", None)
    if tokenizer is None:
        raise SettingsError(
            f"The tokenizer in {source} has no tokenizer.json and cannot be converted to one. "
            "Save it once with transformers (save_pretrained) and point to that folder."
        )
    return TokenizerFiles(tokenizer, _by_name(made.chat_template), dict(made.special_tokens_map))


def _read(folder: Path) -> TokenizerFiles:
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as exc:  # tokenizers raises nothing narrower
        raise ValueError(f"tokenizer.json: {exc}") from exc
    config = _json(folder / "tokenizer_config.json")
    if "added_tokens_decoder" not in config:  # as checkpoints had it before
        config |= _json(folder / "special_tokens_map.json")
    known = tokenizer.token_to_id(_DEFAULT) is not None
    special = _special({**(dict.fromkeys(_DEFAULTED, _DEFAULT) if known else {}), **config})
    tokenizer.add_tokens(_configured(folder, config))
    _mark_special(tokenizer, [*special.values(), *_extra(config)])
    tokenizer.encode_special_tokens = config.get("split_special_tokens") is True
    return TokenizerFiles(tokenizer, _templates(folder, config), special)


def _special(config: Mapping[str, Any]) -> dict[str, str]:
    """Tokens by what they are: the usual ones, and those that a model has besides, such as ``image_token``."""
    names = [*_USUAL, *(name for name in config if name.endswith("_token") and name not in _USUAL)]
    found = {name: _text(config[name]) for name in names if _is_token(config.get(name))}
    extra = config.get("extra_special_tokens")
    return found | {name: _text(token) for name, token in extra.items()} if isinstance(extra, Mapping) else found


def _extra(config: Mapping[str, Any]) -> list[str]:
    """Special tokens that are nothing in particular."""
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or ()
    return [] if isinstance(extra, Mapping) else [_text(token) for token in extra]


def _configured(folder: Path, config: Mapping[str, Any]) -> list[AddedToken]:
    """The tokens that files beside tokenizer.json add, or describe otherwise. The oldest of them, added_tokens.json,
    counts where tokenizer_config.json lists none."""
    if "added_tokens_decoder" in config:
        described = sorted(config["added_tokens_decoder"].items(), key=lambda item: int(item[0]))
        return [AddedToken(**token) for _, token in described]
    known = {token["content"] for token in _json(folder / "tokenizer.json").get("added_tokens") or ()}
    added = sorted(_json(folder / "added_tokens.json").items(), key=lambda item: int(item[1]))
    return [AddedToken(text, normalized=True) for text, _ in added if text not in known]


def _mark_special(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """What is called special is, whatever else says that it is not; what is not there yet is added."""
    known = {token.content: token for token in tokenizer.get_added_tokens_decoder().values()}
    for text in dict.fromkeys(texts):
        token = known.get(text)
        if token is None:
            tokenizer.add_tokens([AddedToken(text, special=True)])
        elif not token.special:
            token.special = True
            tokenizer.add_tokens([token])


def _is_token(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Mapping) and "content" in value)


def _text(token: Any) -> str:
    """Of a token as these files have it: a text, or an object with its text and how it is found."""
    text = token["content"] if isinstance(token, Mapping) else token
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no token")
    return text


def _json(path: Path) -> dict[str, Any]:
    """An object in a file; empty where there is no file."""
    if not path.is_file():
        return {}
    document = json.loads(path.read_text("utf-8"))
    if not isinstance(document, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return document


def _templates(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Files of their own count before what tokenizer_config.json says."""
    files = {"default": folder / "chat_template.jinja"}
    files |= {path.name.removesuffix(".jinja"): path for path in sorted((folder / _TEMPLATES).glob("*.jinja"))}
    found = {name: path.read_text("utf-8") for name, path in files.items() if path.is_file()}
    if not found:
        found = _by_name(config.get("chat_template"))
    return found or _by_name(_json(folder / "chat_template.json").get("chat_template"))


def _by_name(given: Any) -> dict[str, str]:
    """Templates as transformers and its files have them: one, or several by name, or a list of such."""
    if isinstance(given, list | tuple):
        given = {each["name"]: each["template"] for each in given}
    if isinstance(given, Mapping):
        return {str(name): str(text) for name, text in given.items()}
    return {"default": str(given)} if given else {}
