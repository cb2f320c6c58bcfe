"""What it takes to repeat a study: ``manifest.json`` and ``prompts.jsonl`` in its folder.

The manifest names the settings, the model and how it is loaded, a digest of the weights' index, a digest of the
prompts, and every environment that the study ran in. It has no times and no names of machines: the same study has the
same manifest.
"""

from __future__ import annotations

import hashlib
import json
import platform
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import StudyError
from ..json_files import Header, decode_file, encode
from ..model.fingerprint import device_of, weights_digest
from ..model.shipped.models import unpacked_in
from ..paths import absolute, read_file, write_file
from .prompts import Prompt
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..model.model import Model

FORMAT, VERSION = "strace-study-manifest", 1
FILE, PROMPTS = "manifest.json", "prompts.jsonl"
PACKAGES = ("strace_widgets", "torch", "transformers", "tokenizers", "nnsight", "numpy", "numba", "pyarrow", "wordfreq")
"""The packages whose versions a manifest names: those that a number of a table may depend on."""


class ModelEntry(msgspec.Struct, frozen=True):
    """The model of a study, and how it is loaded.

    Attributes
    ----------
    name, source : str
        The source is a hub id or a folder, and empty for a model that somebody held.
    options : dict
        The arguments of `strace_widgets.load_model` besides the source, those of them that JSON can say.
    unsaid : tuple of str
        The names of the others.
    weights_sha256 : str
        See `strace_widgets.model.fingerprint.weights_digest`.
    """

    name: str
    source: str
    options: dict[str, str | int | float | bool]
    unsaid: tuple[str, ...]
    weights_sha256: str


class Environment(msgspec.Struct, frozen=True):
    """What a study ran with: versions of Python and packages, and the number format and the device of the model."""

    versions: dict[str, str]
    dtype: str
    device: str


class PromptsEntry(msgspec.Struct, frozen=True):
    """How many prompts a study has, and the SHA-256 of the file that holds them."""

    n_prompts: int
    sha256: str


class Manifest(Header):
    """``manifest.json``."""

    settings: Settings
    model: ModelEntry
    prompts: PromptsEntry
    environments: list[Environment]


class Kept(NamedTuple):
    """A manifest and its prompts, read from a folder."""

    manifest: Manifest
    prompts: list[Prompt]


def model_entry(model: Model) -> ModelEntry:
    """Return what a manifest says of a model."""
    shipped = unpacked_in(model.source)
    said: dict[str, Any] = {name: _plain(value) for name, value in model.options.items() if value is not None}
    if model.server:
        said["remote"] = model.server.url
    elif model.simulated:
        said["remote"] = "local"
    return ModelEntry(
        model.name,
        shipped.hub_id if shipped else model.source,
        {name: value for name, value in sorted(said.items()) if value is not None},
        tuple(sorted(name for name, value in said.items() if value is None)),
        weights_digest(model),
    )


def environment(model: Model) -> Environment:
    """Return what a study of a model runs with here."""
    versions = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    return Environment(versions, model.dtype, device_of(model))


def _plain(value: Any) -> str | int | float | bool | None:
    """Return an option as JSON has it; None where it has not."""
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, PathLike):
        return str(value)
    return str(value).removeprefix("torch.") if type(value).__name__ == "dtype" else None


def keep(folder: Path, settings: Settings, model: ModelEntry, here: Environment, prompts: Sequence[Prompt]) -> None:
    """Write a study's manifest and prompts.

    Raises
    ------
    StudyError
        When the study in the folder is of other weights under the same name.
    """
    lines = b"".join(_line(prompt) + b"\n" for prompt in prompts)
    environments = [here]
    if (folder / FILE).exists():
        old = read_manifest(folder / FILE)
        refuse_other_weights(old.model, model, str(folder))
        environments = old.environments + ([here] if here not in old.environments else [])
    entry = PromptsEntry(len(prompts), hashlib.sha256(lines).hexdigest())
    write_file(folder / PROMPTS, lines)
    write_file(folder / FILE, encode(Manifest(FORMAT, VERSION, settings, model, entry, environments)) + b"\n")


def refuse_other_weights(old: ModelEntry, new: ModelEntry, where: str) -> None:
    """Refuse a model whose weights' index is another than a study's."""
    if old.weights_sha256 != new.weights_sha256:
        raise StudyError(
            f"{where!r} holds a study of other weights: the index of {old.name} had the SHA-256 "
            f"{old.weights_sha256[:12]}…, and that of {new.name} here has {new.weights_sha256[:12]}…. Load the "
            "revision that it was begun with, or give another folder."
        )


def warn_of_other_versions(old: Sequence[Environment], here: Environment) -> None:
    """Say which versions, number format or device differ from all that a study ran with."""
    if here in old:
        return
    was, now = _flat(old[-1]), _flat(here)
    changed = [f"{name} {was.get(name, 'none')}, here {now[name]}" for name in now if was.get(name) != now[name]]
    warnings.warn(f"The study was made with other versions, so numbers may differ: {'; '.join(changed)}.", stacklevel=3)


def _flat(found: Environment) -> dict[str, str]:
    return found.versions | {"dtype": found.dtype, "device": found.device}


def read_manifest(file: Path) -> Manifest:
    """Return a manifest.

    Raises
    ------
    StudyError
        When the file is none.
    """
    try:
        return decode_file(read_file(file, "the manifest of a study"), Manifest, FORMAT, VERSION)
    except ValueError as reason:
        raise StudyError(f"{absolute(file)} is no manifest of a study: {reason}.") from reason


def read_kept(file: Path) -> Kept:
    """Return a manifest, and the prompts in the file beside it.

    Raises
    ------
    StudyError
        When a file cannot be read, or the prompts are not those that the manifest names.
    """
    manifest = read_manifest(file)
    beside = file.with_name(PROMPTS)
    content = read_file(beside, "the prompts of a study, beside its manifest")
    if hashlib.sha256(content).hexdigest() != manifest.prompts.sha256:
        raise StudyError(f"{absolute(beside)} does not hold the prompts that {file.name} names: their digests differ.")
    try:
        return Kept(manifest, [_prompt(json.loads(line)) for line in content.splitlines()])
    except (ValueError, TypeError, AttributeError, StopIteration, RecursionError) as reason:
        raise StudyError(
            f"{absolute(beside)} does not hold prompts as a study writes them ({type(reason).__name__}: {reason})."
        ) from reason


def _line(prompt: Prompt) -> bytes:
    """Return a prompt as a line of JSON, of the form that studies read prompts in."""
    named = "text" if isinstance(prompt.content, str) else "token_ids"
    if named != "text" and any(isinstance(each, Mapping) for each in _listed(prompt.content)):
        named = "messages"
    row = {"number": prompt.number, "id": prompt.id, named: prompt.content}
    row |= {name: getattr(prompt, name) for name in ("kind", "expected", "language")} | prompt.question()
    said = {name: value for name, value in row.items() if value is not None or name == named}
    try:
        return json.dumps(said, allow_nan=False).encode()
    except (TypeError, ValueError):  # what is no prompt fails when it is traced, and has no form to be kept in
        words = {name: value if _is_json(value) else str(value) for name, value in said.items()}
        return json.dumps(words, allow_nan=False).encode()


def _listed(content: Any) -> list[Any]:
    return content if isinstance(content, list) else []


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _prompt(row: dict[str, Any]) -> Prompt:
    content = next(row.pop(name) for name in ("text", "token_ids", "messages") if name in row)
    return Prompt(content=content, **row)
