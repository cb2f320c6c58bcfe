"""Load a model, here or on a server, and prove on a short input that its edges sum to its nodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nnsight
import numpy as np
import torch
from nnsight.modeling.transformers import TransformersModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from ..errors import ModelNotFoundError, RemoteError, RemoteRunError, UnsupportedArchitectureError
from ..graph.edges import Edges
from ..graph.toggles import forced
from ..interventions import access, proof
from . import default_model as embedded
from .discovery import inspect_model
from .model import Call, Model
from .tensors import as_row

PROOF_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
"""Largest relative gap between the sum of a node's edges and the node; half precision cannot do better than 3e-2."""


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
        ``device_map="auto"``. On a server: ``timeout``, ``patience``, ``precision``, ``limit`` and
        ``client`` of `strace_widgets.remote.server.Server`.

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
    architecture = inspect_model(module, lambda path: access.find(wrapped, path).source.names)
    return proved(Model(short_name(name), origin, wrapped, tokenizer, architecture, simulated=remote == "local"))


def short_name(origin: str) -> str:
    """Return the last part of a hub id or a folder."""
    return origin.rstrip("/").rsplit("/", 1)[-1]


def not_found(source: str, reason: Exception) -> ModelNotFoundError:
    """Return the exception for a name under which nothing loads."""
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
        raise not_found(source, reason) from reason
    try:
        return module, tokenizer or AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError):
        return module, None  # prompts are then token ids; `Model.encode` says so when it is given text


def _wrap(module: Any, tokenizer: Any) -> Any:
    if tokenizer is None:  # TransformersModel builds a pipeline, which insists on a tokenizer
        return nnsight.NNsight(module)
    return TransformersModel(module, tokenizer=tokenizer, task="text-generation")


def proved(model: Model) -> Model:
    """Check on a short input that the edges sum to the nodes; return the model with the largest gaps, or refuse."""
    architecture = model.architecture
    token_ids = np.arange(1, 5)
    everything = Edges(
        np.zeros((architecture.n_layers, architecture.n_heads, 4, 4), dtype=np.int32),
        *(np.zeros((architecture.n_layers, 4), dtype=np.int32) for _ in range(3)),
    )
    nothing = forced({}, architecture.n_layers, architecture.n_heads)
    try:
        call = Call(proof.identity_gaps, lambda: (as_row(token_ids),))
        # What a server sends still wants gradients.
        attention, block, norm, kind = (gap.detach() for gap in model.ask(call))
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
        "whole graph = model": proof.relative_gap(*torch.from_numpy(whole)),
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
