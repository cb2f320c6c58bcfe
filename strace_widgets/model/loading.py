"""Load a model, here or on a server, and prove on a short input that its edges sum to its nodes."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import nnsight
import torch
from nnsight.modeling.transformers import TransformersModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from ..errors import ModelNotFoundError, UnsupportedArchitectureError
from ..interventions import access
from . import default_model
from .discovery import inspect_model
from .model import Model
from .proving import proved
from .running import running

OF_THE_HUB = ("revision", "subfolder", "token", "cache_dir", "local_files_only", "force_download", "trust_remote_code")
"""Where and how a repository is read: these hold for the weights, the configuration and the tokenizer alike."""


def load_model(
    source: Any = None,
    *,
    remote: bool | str = False,
    tokenizer: Any = None,
    revision: str | None = None,
    **options: Any,
) -> Model:
    """Load a causal language model, or reach for one on a server, and prove that s-Trace holds on it.

    Parameters
    ----------
    source : str, Path, torch.nn.Module or nnsight model, optional
        A hub id, a folder, or a model that you hold; without one, the default, SmolLM2-135M-Instruct. A model that
        you hold stays as it is: only while it runs here it is in evaluation mode, without dropout, and its attention
        is eager, since s-Trace reads the attention probabilities. With ``remote``, the hub id under which the server
        knows it.
    remote : bool or str
        True for NDIF's public service (or what nnsight is configured for), an address for an NDIF of your own,
        ``"local"`` for nnsight's imitation of a server in this process. Weights are not downloaded from a server's
        model; its configuration and tokenizer are.
    tokenizer : Hugging Face tokenizer, optional
        For a model that you hold, or in place of the repository's.
    revision : str, optional
        Of a hub id.
    **options
        Here: passed to ``AutoModelForCausalLM.from_pretrained``, for example ``dtype=torch.bfloat16`` or
        ``device_map="auto"``; those that say where a repository is read from (``subfolder``, ``token``, ``cache_dir``,
        ``trust_remote_code`` ...) to its tokenizer, too. On a server: these, and ``timeout``, ``patience``,
        ``precision``, ``limit`` and ``client`` of `strace_widgets.remote.server.Server`.

    Returns
    -------
    Model
        With the gaps that its proof has shown, `Model.gaps`.

    Raises
    ------
    ModelNotFoundError
        When nothing loads under that name.
    UnsupportedArchitectureError
        When a part of the model is missing, or an identity does not hold; names it and the gap.
    RemoteError
        When the server cannot be reached or refuses; of the type that says why.
    TypeError
        When a server's model has no such option.
    """
    if remote and remote != "local":
        from ..remote.loading import load_from_server  # noqa: PLC0415 - a server is above the models

        return load_from_server(source, remote, tokenizer, revision, options)
    options = {name: value for name, value in ({"revision": revision} | options).items() if value is not None}
    wrapped, tokenizer, origin, name = _opened(source, tokenizer, options)
    module = wrapped._module
    with running(module):
        architecture = inspect_model(module, lambda path: access.find(wrapped, path).source.names)
    simulated = remote == "local"
    model = Model(short_name(name), origin, wrapped, tokenizer, architecture, simulated=simulated, options=options)
    return proved(model)


def _opened(source: Any, tokenizer: Any, options: dict[str, Any]) -> tuple[Any, Any, str, str]:
    """Return an nnsight model and its tokenizer, what it was loaded from, and what it is called."""
    if source is None:
        source = default_model.locate()
    if isinstance(source, (str, Path)):
        module, tokenizer = _from_pretrained(str(source), tokenizer, options)
        origin = name = str(source)
    else:
        module = getattr(source, "_module", source)
        if not isinstance(module, torch.nn.Module):
            raise ModelNotFoundError(
                f"A model is a name, a folder, a torch module or an nnsight model; "
                f"{type(source).__name__} is none of these."
            )
        if options:
            raise TypeError(
                f"A model that you hold is loaded already, so {', '.join(options)} cannot be set: give these to "
                "the call that loads it, or give load_model its name or folder."
            )
        tokenizer = tokenizer or getattr(source, "tokenizer", None)
        # It may differ from what its name stands for.
        origin, name = "", str(getattr(module, "name_or_path", "") or type(module).__name__)
    if not hasattr(module, "config") or not hasattr(module, "set_attn_implementation"):
        raise UnsupportedArchitectureError(
            f"{type(module).__name__} is no Hugging Face transformers model, so its parts cannot be found."
        )
    return source if hasattr(source, "_module") else _wrap(module, tokenizer), tokenizer, origin, name


def short_name(origin: str) -> str:
    """Return the last part of a hub id or a folder."""
    return origin.rstrip("/").rsplit("/", 1)[-1]


def not_found(source: str, reason: Exception) -> ModelNotFoundError:
    """Return the exception for a name under which nothing loads."""
    return ModelNotFoundError(
        f"No model could be loaded from {source!r} ({first_line(reason)}). Give a folder with a saved model, a hub id "
        "such as 'HuggingFaceTB/SmolLM2-135M', or nothing for the default model."
    )


def _from_pretrained(source: str, tokenizer: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    settings = {"dtype": torch.float32, "attn_implementation": "eager"} | options
    try:
        module = AutoModelForCausalLM.from_pretrained(source, **settings)
    except (OSError, ValueError) as reason:
        raise not_found(source, reason) from reason
    return module, tokenizer or tokenizer_of(source, options)


def tokenizer_of(source: str, options: dict[str, Any]) -> Any:
    """Return the tokenizer of a repository or folder; None, with a warning, where there is none."""
    of_the_hub = {name: value for name, value in options.items() if name in (*OF_THE_HUB, "gguf_file")}
    try:
        return AutoTokenizer.from_pretrained(source, **of_the_hub)
    except (OSError, ValueError, ImportError, KeyError, AttributeError) as reason:
        warnings.warn(
            f"No tokenizer could be loaded from {source!r} ({first_line(reason)}), so prompts are token ids: give "
            "load_model a tokenizer if you want text.",
            stacklevel=5,
        )
        return None


def first_line(reason: Exception) -> str:
    """Return the first line of what an exception says."""
    return (str(reason).strip() or type(reason).__name__).splitlines()[0]


def _wrap(module: Any, tokenizer: Any) -> Any:
    if tokenizer is None:  # TransformersModel builds a pipeline, which insists on a tokenizer
        return nnsight.NNsight(module)
    # It sets the tokenizer's padding, for itself.
    return TransformersModel(module, tokenizer=copy.deepcopy(tokenizer), task="text-generation")
