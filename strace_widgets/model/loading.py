"""Load a model, here or on a server, and prove on a short input that its edges sum to its nodes."""

from __future__ import annotations

import copy
import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nnsight
import torch
from nnsight.modeling.transformers import TransformersModel
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer, Pipeline
from transformers.utils import logging as transformers_logging

from ..errors import ModelNotFoundError, UnsupportedArchitectureError, first_line
from ..paths import absolute, expanded, is_path
from ..waiting import say, saying
from .discovery.first_pass import attention_gap, takes
from .discovery.parts import inspect_model
from .interrupts import held_back
from .load_options import names_a_part_of_the_hub, of_the_hub
from .model import Model
from .placement import BroughtWhenRun, check_at_hand, is_elsewhere, token_device, unwrapped
from .proving import proved
from .running import running
from .saved_elsewhere import require_rotary_embedding_is_read
from .shipped import models as shipped
from .turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..paths import AnyPath
    from .architecture import Architecture

FOLDERS = ("cache_dir", "offload_folder")
"""Options of ``from_pretrained`` that are folders."""
OTHER_ATTENTION = {torch.float64: 1e-3, torch.float32: 1e-3}
"""The total variation from which on two ways of computing attention are said to differ; 3e-2 in half precision."""


def load_model(
    source: AnyPath | Any = None,
    *,
    remote: bool | str = False,
    tokenizer: Any = None,
    revision: str | None = None,
    **options: Any,
) -> Model:
    """Load a causal language model, or reach for one on a server, and prove that s-Trace holds on it.

    Parameters
    ----------
    source : str, Path, torch.nn.Module, nnsight model or transformers pipeline, optional
        A hub id, a folder, or a model that you hold; without one, the default, SmolLM2-135M-Instruct. It and
        ``"google/gemma-3-270m"`` (Gemma's terms of use) come dequantised from packages, if installed. Of a model that
        reads pictures, too, the decoder is used, with text. One that you hold stays as it is: only while it runs here
        has it no dropout, and eager attention. With ``remote``, the hub id that the server knows.
    remote : bool or str
        True for NDIF's public service (or what nnsight is configured for), an address for an NDIF of your own,
        ``"local"`` for nnsight's imitation of a server in this process. Weights are not downloaded from a server's
        model; its configuration and tokenizer are.
    tokenizer : Hugging Face tokenizer, optional
        For a model that you hold, or in place of the repository's.
    revision : str, optional
        Of a hub id: the hub is then asked even for a model that a package ships.
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
        When nothing loads under that name, or the weights are nowhere: on the device "meta".
    UnsupportedArchitectureError
        When a part of the model is missing, or an identity does not hold; names it and the gap.
    NonFiniteError
        When a number in the model or on the way through it is not finite; says where the first of them arises.
    RemoteError
        When the server cannot be reached or refuses; of the type that says why.
    TypeError
        When a server's model has no such option, or a model that you hold is given any.
    """
    if remote and remote != "local":
        from ..remote.loading import load_from_server  # noqa: PLC0415 - a server is above the models

        with saying(f"asking the server for {source}"):
            return load_from_server(source, remote, tokenizer, given(revision, options))
    with saying("loading a model" if _is_held(source) else f"loading {_called(source)}"):
        return _proved(source, tokenizer, given(revision, options), simulated=remote == "local")


def _proved(source: Any, tokenizer: Any, options: dict[str, Any], *, simulated: bool) -> Model:
    """Return the model at hand, whose parts are found, and which is proved."""
    found = (_held if _is_held(source) else _read)(source, tokenizer, options)
    lock = lock_of(getattr(found.module, "_module", found.module))
    with lock:  # an Explorer may be running the same module
        with held_back():  # a module of which nnsight has wrapped some parts can be read by none
            wrapped = _wrapped(found)
        say(f"finding the parts of {found.name}")
        with running(wrapped._module):
            architecture = inspect_model(wrapped, wrapped._module)
        warn_of_other_attention(wrapped._module, architecture, found.name)
        known: dict[str, Any] = {"options": found.options, "simulated": simulated, "_lock": lock}
        return proved(Model(found.name, found.source, wrapped, found.tokenizer, architecture, **known))


def _called(source: AnyPath | None) -> str:
    return short_name(shipped.DEFAULT.hub_id if source is None else os.fspath(source))


class Found(NamedTuple):
    """A module, its tokenizer or None, what it was loaded from, what it is called, and how it was loaded."""

    module: Any
    tokenizer: Any
    source: str
    name: str
    options: dict[str, Any]


def _is_held(source: Any) -> bool:
    return not (source is None or isinstance(source, (str, os.PathLike)))


def _held(source: Any, tokenizer: Any, options: dict[str, Any]) -> Found:
    """Return a module, an nnsight model or what a pipeline runs, that the user holds."""
    if isinstance(source, Pipeline):
        source, tokenizer = source.model, tokenizer or source.tokenizer
    source = unwrapped(source)
    module = getattr(source, "_module", source)
    if not isinstance(module, torch.nn.Module):
        raise ModelNotFoundError(
            "A model is a name, a folder, a torch module, an nnsight model or a transformers pipeline; "
            f"{type(source).__name__} is none of these."
        )
    if options:
        raise TypeError(
            f"A model that you hold is loaded already, so {', '.join(options)} cannot be set: give these to "
            "the call that loads it, or give load_model its name or folder."
        )
    # It may differ from what its name stands for.
    name = short_name(str(getattr(module, "name_or_path", "") or type(module).__name__))
    return Found(source, tokenizer or getattr(source, "tokenizer", None), "", name, {})


def _read(source: AnyPath | None, tokenizer: Any, options: dict[str, Any]) -> Found:
    """Return the model under a name or in a folder."""
    origin = _folder_or_name(shipped.DEFAULT.hub_id if source is None else source)
    if not names_a_part_of_the_hub(options):
        origin = shipped.locate(origin)
    settings = {"dtype": torch.float32, "attn_implementation": "eager"} | options
    try:
        with _without_bar(origin):
            module = _from_pretrained(origin, settings)
    except (OSError, ValueError) as reason:
        raise not_found(origin, reason, shipped.advice(origin)) from reason
    require_rotary_embedding_is_read(module.config, origin)
    found = tokenizer or tokenizer_of(origin, options)
    return Found(module, found, origin, short_name(origin), remembered(options, tokenizer))


@contextmanager
def _without_bar(origin: str) -> Iterator[None]:
    """Leave out transformers' bar where nothing is downloaded: a notebook would be stored with it, at nought."""
    if not (Path(origin).is_dir() and transformers_logging.is_progress_bar_enabled()):
        yield
        return
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.enable_progress_bar()


def _from_pretrained(origin: str, settings: dict[str, Any]) -> Any:
    """Return a decoder, or a model that reads pictures, too."""
    try:
        return AutoModelForCausalLM.from_pretrained(origin, **settings)
    except ValueError as reason:
        if "Unrecognized configuration class" not in str(reason):
            raise
        return AutoModelForImageTextToText.from_pretrained(origin, **settings)


def _wrapped(found: Found) -> Any:
    """Return the model as nnsight sees it."""
    module = getattr(found.module, "_module", found.module)
    if not hasattr(module, "config") or not hasattr(module, "set_attn_implementation"):
        raise UnsupportedArchitectureError(
            f"{type(module).__name__} is no Hugging Face transformers model, so its parts cannot be found."
        )
    check_at_hand(module)
    if is_elsewhere(module):
        return BroughtWhenRun(module)
    if module is not found.module:
        return found.module
    # TransformersModel builds a pipeline, which insists on a tokenizer, and hands on an attention mask.
    if found.tokenizer is None or not takes(module, "attention_mask"):
        return nnsight.NNsight(module)
    # It would move a model to the first GPU that it finds, and sets the tokenizer's padding, for itself.
    device = {} if getattr(module, "hf_device_map", None) else {"device": token_device(module)}
    return TransformersModel(module, tokenizer=copy.deepcopy(found.tokenizer), task="text-generation", **device)


def given(revision: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return all options that say something, folders among them without ``~``."""
    said = {name: value for name, value in ({"revision": revision} | options).items() if value is not None}
    return {name: str(expanded(value)) if name in FOLDERS else value for name, value in said.items()}


def remembered(options: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """Return how a model was loaded, without the secret among it."""
    kept = {name: None if name == "token" else value for name, value in options.items()}
    return kept if tokenizer is None else kept | {"tokenizer": tokenizer}


def _folder_or_name(source: AnyPath) -> str:
    """Return a folder's path with the home folder in place of ``~``, or a hub id as it is."""
    if not is_path(source):
        return str(source)
    folder = expanded(source)
    if not folder.exists():
        raise ModelNotFoundError(
            f"No model could be loaded from {os.fspath(source)!r}: there is no folder {absolute(folder)}. Give a "
            "folder with a saved model, a hub id such as 'HuggingFaceTB/SmolLM2-135M', or nothing for the default one."
        )
    return str(folder)


def warn_of_other_attention(module: Any, architecture: Architecture, name: str) -> None:
    """Say so where the attention that a model usually runs with gives another prediction than the one that is shown."""
    usual, gap = attention_gap(module, architecture.keywords)
    if gap > OTHER_ATTENTION.get(module.dtype, 3e-2):
        warnings.warn(
            f"{name} predicts something else with eager attention, which s-Trace reads, than with its usual one, "
            f"{usual!r}: on a short prompt the two are {gap:.2g} apart (total variation). What you see is eager.",
            stacklevel=4,
        )


def short_name(origin: str) -> str:
    """Return the last part of a hub id or a folder."""
    return origin.rstrip("/").rsplit("/", 1)[-1]


def not_found(source: str, reason: Exception, advice: str = "") -> ModelNotFoundError:
    """Return the exception for a name under which nothing loads."""
    folder = Path(source)
    nor = "" if folder.exists() else f", and there is no folder {absolute(folder)}"
    return ModelNotFoundError(
        f"No model could be loaded from {source!r} ({first_line(reason)}){nor}. Give a folder with a saved model, a "
        f"hub id such as 'HuggingFaceTB/SmolLM2-135M', or nothing for the default model.{advice}"
    )


def tokenizer_of(source: str, options: dict[str, Any]) -> Any:
    """Return the tokenizer of a repository or folder; None, with a warning, where there is none."""
    try:
        return AutoTokenizer.from_pretrained(source, **of_the_hub(options))
    except (OSError, ValueError, ImportError, KeyError, AttributeError) as reason:
        warnings.warn(
            f"No tokenizer could be loaded from {source!r} ({first_line(reason)}), so prompts are token ids: give "
            "load_model a tokenizer if you want text.",
            stacklevel=5,
        )
        return None
