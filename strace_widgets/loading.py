"""Load a model, here or on a server, and prove on a short input that its edges sum to its nodes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import nnsight
import numpy as np
import torch
from nnsight.modeling.transformers import TransformersModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from . import blueprint, embedded, interventions, parts
from .edges import Edges
from .errors import ModelNotFoundError, RemoteError, RemoteRunError, UnsupportedArchitectureError
from .inspection import inspect_model
from .models import Call, Model
from .packing import as_row
from .server import server_at
from .toggles import forced

PROOF_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
"""Largest relative gap between the sum of a node's edges and the node; half precision cannot do better than 3e-2."""

SERVER_OPTIONS = ("timeout", "patience", "precision", "limit")


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
        A hub id, a folder, or a model that you hold; without one, the embedded SmolLM2-135M-Instruct. A model that
        you hold is switched to eager attention, since s-Trace reads the attention probabilities. With ``remote``, the
        hub id under which the server knows it.
    remote : bool or str
        True for NDIF's public service (or what nnsight is configured for), an address for an NDIF of your own,
        ``"local"`` for nnsight's imitation of a server in this process. Weights are not downloaded from a server's
        model; its configuration and tokenizer are.
    tokenizer : Hugging Face tokenizer, optional
        For a model that you hold.
    revision : str, optional
        Of a hub id.
    **options
        Here: passed to ``AutoModelForCausalLM.from_pretrained``, for example ``dtype=torch.bfloat16`` or
        ``device_map="auto"``. On a server: ``timeout``, ``patience``, ``precision`` and ``limit`` of
        `strace_widgets.server.Server`.

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
        return _on_server(source, remote, tokenizer, revision, options)
    if source is None:
        source = embedded.locate()
    if isinstance(source, (str, Path)):
        module, tokenizer = _from_pretrained(str(source), tokenizer, {"revision": revision} | options)
        origin = name = str(source)
    else:
        module = getattr(source, "_module", source)
        if not isinstance(module, torch.nn.Module):
            raise ModelNotFoundError(
                f"A model is a name, a folder, a torch module or an nnsight model; "
                f"{type(source).__name__} is none of these."
            )
        tokenizer = tokenizer or getattr(source, "tokenizer", None)
        # It may differ from what its name stands for.
        origin, name = "", str(getattr(module, "name_or_path", "") or type(module).__name__)
    if not hasattr(module, "config") or not hasattr(module, "set_attn_implementation"):
        raise UnsupportedArchitectureError(
            f"{type(module).__name__} is no Hugging Face transformers model, so its parts cannot be found."
        )
    module.eval()
    module.set_attn_implementation("eager")
    wrapped = source if hasattr(source, "_module") else _wrap(module, tokenizer)
    architecture = inspect_model(module, lambda path: parts.find(wrapped, path).source.names)
    return _proved(Model(_short(name), origin, wrapped, tokenizer, architecture, simulated=remote == "local"))


def _on_server(source: Any, remote: bool | str, tokenizer: Any, revision: str | None, options: dict[str, Any]) -> Model:  # noqa: FBT001
    """Return a model whose weights stay on a server."""
    if not isinstance(source, str):
        raise ModelNotFoundError(
            "A model on a server is named by its hub id, such as 'meta-llama/Llama-3.1-70B'; "
            f"{'no name was given' if source is None else f'this is a {type(source).__name__}'}."
        )
    unknown = sorted(set(options) - set(SERVER_OPTIONS))
    if unknown:
        raise TypeError(
            f"A model on a server has no option {', '.join(unknown)}: choose among {', '.join(SERVER_OPTIONS)}. "
            "Number format and devices are the server's choice."
        )
    server = server_at(remote, **options)
    differences = server.differences()
    if differences:
        warnings.warn(
            f"Versions differ between this machine and {server.url}: {differences}. If something fails there, install "
            "the server's versions here.",
            stacklevel=3,
        )
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        given = {} if tokenizer is None else {"tokenizer": tokenizer}
        wrapped = TransformersModel(source, revision=revision, task="text-generation", **given)
    except (OSError, ValueError) as reason:
        raise _not_found(source, reason) from reason
    architecture = blueprint.describe(config)
    return _proved(Model(_short(source), source, wrapped, wrapped.tokenizer, architecture, server=server))


def _short(origin: str) -> str:
    return origin.rstrip("/").rsplit("/", 1)[-1]


def _not_found(source: str, reason: Exception) -> ModelNotFoundError:
    first_line = (str(reason).strip() or type(reason).__name__).splitlines()[0]
    return ModelNotFoundError(
        f"No model could be loaded from {source!r} ({first_line}). Give a folder with a saved model, a hub id "
        "such as 'HuggingFaceTB/SmolLM2-135M', or nothing for the embedded default."
    )


def _from_pretrained(source: str, tokenizer: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    options = {"dtype": torch.float32, "attn_implementation": "eager"} | options
    try:
        module = AutoModelForCausalLM.from_pretrained(source, **options)
    except (OSError, ValueError) as reason:
        raise _not_found(source, reason) from reason
    try:
        return module, tokenizer or AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError):
        return module, None  # prompts are then token ids; `Model.encode` says so when it is given text


def _wrap(module: Any, tokenizer: Any) -> Any:
    if tokenizer is None:  # TransformersModel builds a pipeline, which insists on a tokenizer
        return nnsight.NNsight(module)
    return TransformersModel(module, tokenizer=tokenizer, task="text-generation")


def _proved(model: Model) -> Model:
    """Check on a short input that the edges sum to the nodes; return the model with the largest gaps, or refuse."""
    architecture = model.architecture
    token_ids = np.arange(1, 5)
    everything = Edges(
        np.zeros((architecture.n_layers, architecture.n_heads, 4, 4), dtype=np.int32),
        *(np.zeros((architecture.n_layers, 4), dtype=np.int32) for _ in range(3)),
    )
    nothing = forced({}, architecture.n_layers, architecture.n_heads)
    try:
        call = Call(interventions.identity_gaps, lambda: (as_row(token_ids),))
        attention, block, norm, kind = model.ask(call)
        whole = model.evaluate(token_ids, everything, np.array([1, -1]), nothing)
    except RemoteError as reason:
        if not isinstance(reason, RemoteRunError):
            raise
        raise UnsupportedArchitectureError(f"{architecture.name} could not be traced there: {reason}") from reason
    except Exception as reason:
        raise UnsupportedArchitectureError(f"{architecture.name} could not be traced: {reason}") from reason
    gaps = {
        "attention edges": attention,
        "stream + attention + MLP": block,
        "linearised final norm": norm,
        "whole graph = model": interventions.relative_gap(*torch.from_numpy(whole)),
    }
    tolerance = PROOF_TOLERANCE.get(kind.dtype, 3e-2)
    for identity, gap in gaps.items():
        worst = float(gap.max())
        if not worst <= tolerance:
            where = f" of layer {int(gap.argmax())}" if gap.ndim else ""
            raise UnsupportedArchitectureError(
                f"{architecture.name} is not supported: the identity {identity!r}{where} misses by {worst:.2g} "
                f"(relative), more than {tolerance:.0e}, so the edges would not sum to the nodes."
            )
    found = {identity: float(gap.max()) for identity, gap in gaps.items()}
    return replace(model, gaps=found, dtype=str(kind.dtype).removeprefix("torch."))
