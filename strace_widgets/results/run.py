"""From a model and a prompt to a trace: capture, weigh, rank."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedArchitectureError
from ..graph.edges import Array, Edges, Graph
from ..graph.measures import (
    PROBED,
    RESCORED_AT,
    Importance,
    Probing,
    add_gains,
    in_graph,
    measure_named,
    probing_of,
    weigh,
)
from ..graph.ranking import rank_edges
from ..model import request_estimates
from .strace import STrace

if TYPE_CHECKING:
    from ..model.model import Model


def trace(
    model: Model,
    prompt: str | list[int] | Array,
    importance: Importance = "l1",
    *,
    seed: int = 0,
    probes: int | None = None,
    constant: float | None = None,
) -> STrace:
    """Trace the prediction of the token after a prompt.

    Parameters
    ----------
    model : Model
        From `strace_widgets.load_model`.
    prompt : str or token ids
    importance : str or callable
        How an edge is weighed: a name of `strace_widgets.graph.measures.MEASURES` (``"l1"``, the paper's, ``"l2"``,
        ``"proximity"``, ``"cosine"``, ``"projection"``, ``"fisher"``, ``"fisher+projection"``, ``"rescored"``,
        ``"random"``), or a function from `strace_widgets.graph.measures.Captured` to `Edges` of weights.
    seed : int
        For ``"random"``, and for the three measures that need gradients.
    probes : int, optional
        K of these three; 4 unless given, and 2 for ``"rescored"``.
    constant : float, optional
        c of ``"fisher+projection"`` and ``"rescored"``: see `strace_widgets.graph.measures.Probing`.

    Returns
    -------
    STrace

    Raises
    ------
    PromptError
        When the prompt is empty or longer than the model's context.
    ValueError
        When the importance measure is unknown, a number of its probing makes no sense, or a function returns weights of
        the wrong shape.
    NoGradientsError
        When the measure needs gradients and the model gives none.
    UnsupportedArchitectureError
        When the model's attention reads later tokens, in this prompt.
    TypeError
        When the model is none.
    """
    token_ids = _encoded(model, prompt)
    if isinstance(importance, str):
        probing = probing_of(importance, probes, seed, constant)
        scores, logits = model.capture(token_ids, measure_named(importance).score, probing)
        found = from_scores(model, prompt, token_ids, importance, scores, logits, probing)
        return rescored(found) if importance == "rescored" else found
    captured, logits = model.capture_vectors(token_ids)
    graph = _graph(model, len(token_ids))
    _refuse_looking_ahead(captured.factors, model)
    weights = _checked(importance(captured), graph)
    return _ranked(model, prompt, token_ids, getattr(importance, "__name__", "custom"), graph, weights, logits)


def _encoded(model: Model, prompt: str | list[int] | Array) -> Array:
    """Return the prompt's token ids; where there is only one, warn the caller of `trace`."""
    if not hasattr(model, "decode"):
        raise TypeError(
            f"strace_widgets.trace takes a model, and {type(model).__name__} is none: strace_widgets.load_model gives "
            "one, and needs torch, nnsight and transformers installed."
        )
    token_ids = model.encode(prompt)
    if len(token_ids) == 1:
        warnings.warn(
            "The prompt is a single token, which can attend only to itself: its trace says little. "
            "Give a longer prompt.",
            stacklevel=3,
        )
    return token_ids


def estimate(
    model: Model,
    prompt: str | list[int],
    importance: str = "l1",
    *,
    n_sizes: int = 48,
    probes: int | None = None,
) -> request_estimates.Estimate:
    """Return what tracing a prompt and a sweep over its sizes will cost, from the model's configuration alone.

    Parameters
    ----------
    model : Model
    prompt : str or token ids
    importance, probes
        As for `trace`; a measure by name.
    n_sizes : int
        Of the sweep.

    Raises
    ------
    PromptError
        When the prompt is empty or longer than the model's context.
    """
    n_tokens = len(model.encode(prompt))
    n_probes = probing_of(importance, probes).probes if importance in PROBED else 0
    found = request_estimates.of_capture(model.sizes, n_tokens, probes=n_probes)
    for _ in RESCORED_AT if importance == "rescored" else ():
        found += request_estimates.of_gains(model.sizes, n_tokens)
    return found + request_estimates.of_sweep(model.sizes, n_tokens, n_sizes)


def from_scores(
    model: Model,
    prompt: str | list[int] | Array,
    token_ids: Array,
    importance: str,
    scores: Edges,
    logits: Array,
    probing: Probing,
) -> STrace:
    """Return the trace of a prompt whose edges have been scored, by `Model.capture` or elsewhere."""
    graph = _graph(model, len(token_ids))
    _refuse_looking_ahead(scores.attention, model)
    weights = weigh(scores, graph, measure_named(importance), probing.seed)
    ranked = _ranked(model, prompt, token_ids, importance, graph, weights, logits)
    return replace(ranked, probing=probing) if importance in PROBED else ranked


def rescored(trace: STrace) -> STrace:
    """Return a trace to whose weights is added what edges gain its own subgraphs, at each size of `RESCORED_AT`."""
    for size in RESCORED_AT:
        gains = trace.model.capture_gains(trace.token_ids, trace.mask(size), trace.full_logits)
        weights = in_graph(add_gains(trace.weights, gains), trace.graph.exists())
        trace = replace(trace, weights=weights, ranks=rank_edges(weights, trace.graph))
    return trace


def _graph(model: Model, n_tokens: int) -> Graph:
    a = model.architecture
    return Graph(a.n_layers, a.n_heads, n_tokens, a.parallel)


def _refuse_looking_ahead(attention: Array, model: Model) -> None:
    """Refuse a prompt in which attention (L, H, T, T) reads later tokens; the proof at loading saw a short one only."""
    for layer, heads in enumerate(attention):
        if (np.abs(np.triu(heads, 1)) > 0).any():
            raise UnsupportedArchitectureError(
                f"{model.name} cannot be traced on this prompt: the attention of layer {layer} reads later tokens, and "
                "the graph has edges from earlier ones alone."
            )


def _ranked(
    model: Model, prompt: Any, token_ids: Array, importance: str, graph: Graph, weights: Edges, logits: Array
) -> STrace:
    return STrace(
        model=model,
        model_state=model.state(),
        prompt=prompt if isinstance(prompt, str) else model.text(token_ids),
        token_ids=token_ids,
        tokens=[model.decode(int(i)) for i in token_ids],
        importance=importance,
        graph=graph,
        weights=weights,
        ranks=rank_edges(weights, graph),
        full_logits=logits,
    )


def _checked(weights: Any, graph: Graph) -> Edges:
    """Return a user's weights in the graph's shape, or say what is wrong with them."""
    exists = graph.exists()
    shapes = [np.shape(kind) for kind in weights] if isinstance(weights, tuple) else []
    if shapes != [kind.shape for kind in exists]:
        wanted = ", ".join(f"{name} {kind.shape}" for name, kind in zip(Edges._fields, exists, strict=True))
        raise ValueError(f"An importance function returns Edges of the shapes {wanted}; this one returned {shapes}.")
    if not all(np.isfinite(np.asarray(kind)[present]).all() for kind, present in zip(weights, exists, strict=True)):
        raise ValueError("An importance function returns finite weights; this one returned some that are not.")
    return in_graph(Edges(*(np.asarray(kind, dtype=np.float32) for kind in weights)), exists)
