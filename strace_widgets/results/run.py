"""From a model and a prompt to a trace: capture, weigh, rank."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NonFiniteError, UnsupportedArchitectureError
from ..graph.edges import Array, Edges, Graph
from ..graph.measures import (
    GRADIENTS,
    RESCORED_AT,
    Importance,
    Probing,
    add_gains,
    in_graph,
    measure_named,
    probing_of,
    weigh,
)
from ..graph.modes import Modes, modes_of
from ..graph.order import best_first
from ..graph.refining import PASSES, STARTS, Refined
from ..model import request_estimates
from ..model.text.contrasts import Contrast, Tokens, read_contrast
from ..model.text.prompts import ReadPrompt
from ..waiting import amount, say, saying
from .refinement import CAPTURE_COST, as_refined, looks, refinement
from .strace import STrace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..graph.measures import Captured
    from ..model.model import Model
    from ..model.text.prompts import Prompt


def trace(
    model: Model,
    prompt: Prompt,
    importance: Importance = "l1",
    *,
    target: Tokens | None = None,
    foil: Tokens | None = None,
    counterfactual: Prompt | Mapping[Any, str | int] | None = None,
    seed: int = 0,
    probes: int | None = None,
    constant: float | None = None,
    steps: int | None = None,
    passes: float | None = None,
    **modes: Any,
) -> STrace:
    """Trace the prediction of the token after a prompt.

    Parameters
    ----------
    model : Model
    prompt : str, token ids or messages
        `STrace.origin` says how it was read. Two start tokens, and the like, are warned of.
    importance : str or callable
        How an edge is weighed: a name of `strace_widgets.graph.measures.MEASURES`, such as ``"l1"`` (the paper's) or
        ``"refined"``, or a function from `strace_widgets.graph.measures.Captured` to `Edges`.
    target, foil : str, int, or several, optional
        Why the target rather than the foil: see `strace_widgets.model.text.contrasts.Contrast`.
    counterfactual : prompt or dict, optional
        Another prompt of as many tokens, for ``ablation="patch"``; a dict replaces tokens: ``{(1, 4): "_"}``.
    seed, probes, constant, steps, passes, **modes
        The seed of ``"random"``; what measures by gradients take (`strace_widgets.graph.measures.Probing` has the
        defaults); the last two of ``"refined"``, as for `STrace.refine`.

    Returns
    -------
    STrace

    Raises
    ------
    PromptError
        When the prompt, target, foil or counterfactual cannot be read: empty, several, too long, or not one token.
    ValueError
        When the measure is unknown, a number of its probing makes no sense, or weights have a wrong shape.
    NoGradientsError
        When the measure needs gradients and the model gives none.
    UnsupportedArchitectureError, NonFiniteError
        When attention reads later tokens in this prompt; when the model overflows on it, or a weight is not finite.
    TypeError
        When the model is none, or the measure takes no such option.
    """
    _check_options(importance, passes, modes)
    read = read_prompt(model, prompt)
    contrast = read_contrast(model, read.token_ids, target, foil, counterfactual)
    asked = partial(_asked, contrast=contrast, warn=read is not prompt)  # whoever has read it says so otherwise
    with saying(f"capturing the edges of {amount(len(read.token_ids), 'tokens')}"):
        if importance == "refined":
            return asked(_refined(model, read, PASSES if passes is None else passes, modes_of(**modes)))
        if callable(importance):
            return asked(_by_function(model, read, importance))
        return asked(_by_name(model, read, importance, contrast, probes, seed, constant, steps))


def _check_options(importance: Importance, passes: float | None, modes: Mapping[str, Any]) -> None:
    if importance != "refined" and (passes is not None or modes):
        raise TypeError('Only the measure "refined" takes a budget of passes, and evaluation modes.')


def _by_name(model: Model, read: ReadPrompt, importance: str, contrast: Contrast, *how: Any) -> STrace:
    """Return the trace of a prompt by a measure of the package, which is probed as `probing_of` says."""
    probes, seed, constant, steps = how
    probing = probing_of(importance, probes, seed, constant, steps)
    scores, logits = model.capture(read.token_ids, measure_named(importance).score, probing, contrast)
    found = from_scores(model, read, importance, scores, logits, probing)
    return rescored(found) if importance == "rescored" else found


def _asked(trace: STrace, contrast: Contrast, *, warn: bool) -> STrace:
    """Return a trace with its question; warn where the model answers with something else."""
    if warn and contrast.foil and contrast.of(trace.full_logits) < 0:
        names = [
            ", ".join(repr(trace.model.decode(token)) for token in each) for each in (contrast.target, contrast.foil)
        ]
        warnings.warn(
            f"{trace.model.name} does not prefer {names[0]}: {names[1]} is more probable after the prompt, and the "
            "trace explains a difference that is negative.",
            stacklevel=3,
        )
    return replace(trace, contrast=contrast)


def _by_function(model: Model, read: ReadPrompt, importance: Callable[[Captured], Edges]) -> STrace:
    """Return the trace of a prompt by a measure of the user's own."""
    captured, logits = model.capture_vectors(read.token_ids)
    graph = _graph(model, len(read.token_ids))
    _refuse_looking_ahead(captured.factors, model)
    weights = _checked(importance(captured), graph)
    return _ranked(model, read, getattr(importance, "__name__", "custom"), graph, weights, logits)


def read_prompt(model: Model, prompt: Prompt | ReadPrompt) -> ReadPrompt:
    """Return the prompt as the model reads it; warn the caller of `trace` of what is probably not meant."""
    if not hasattr(model, "decode"):
        raise TypeError(
            f"strace_widgets.trace takes a model, and {type(model).__name__} is none: strace_widgets.load_model gives "
            "one, and needs torch, nnsight and transformers installed."
        )
    if isinstance(prompt, ReadPrompt):  # who read it has warned
        return prompt
    read = model.read(prompt)
    if read.origin.warning:
        warnings.warn(read.origin.warning, stacklevel=3)
    if len(read.token_ids) == 1:
        warnings.warn(
            "The prompt is a single token, which can attend only to itself: its trace says little. "
            "Give a longer prompt.",
            stacklevel=3,
        )
    return read


def estimate(
    model: Model,
    prompt: Prompt,
    importance: str = "l1",
    *,
    n_sizes: int = 48,
    probes: int | None = None,
) -> request_estimates.Estimate:
    """Return what tracing a prompt and a sweep over its sizes will cost, from the model's configuration alone.

    Parameters
    ----------
    model : Model
    prompt, importance, probes
        As for `trace`; a measure by name.
    n_sizes : int
        Of the sweep.

    Raises
    ------
    PromptError
        When the prompt is empty or longer than the model's context.
    """
    n_tokens = len(model.encode(prompt))
    backward = probing_of(importance, probes).backward_passes(importance)
    found = request_estimates.of_capture(model.sizes, n_tokens, backward=backward)
    if importance == "rescored":
        for _ in RESCORED_AT:
            found += request_estimates.of_gains(model.sizes, n_tokens)
    if importance == "refined":
        for n_subgraphs, answers in looks(n_tokens, PASSES - CAPTURE_COST):
            found += request_estimates.of_subgraphs(model.sizes, n_tokens, n_subgraphs, answers)
    return found + request_estimates.of_sweep(model.sizes, n_tokens, n_sizes)


def from_scores(
    model: Model,
    read: ReadPrompt,
    importance: str,
    scores: Edges,
    logits: Array,
    probing: Probing,
) -> STrace:
    """Return the trace of a prompt whose edges have been scored, by `Model.capture` or elsewhere."""
    graph = _graph(model, len(read.token_ids))
    _refuse_looking_ahead(scores.attention, model)
    weights = weigh(scores, graph, measure_named(importance), probing.seed)
    ranked = _ranked(model, read, importance, graph, weights, logits)
    return replace(ranked, probing=probing) if importance in GRADIENTS else ranked


def _refined(model: Model, read: ReadPrompt, passes: float, modes: Modes) -> STrace:
    """Return the trace of a prompt that refining has found, beginning with both of `STARTS`."""
    scores, logits = model.capture_each(read.token_ids, STARTS)
    starts = [
        from_scores(model, read, name, each, logits, Probing()) for name, each in zip(STARTS, scores, strict=True)
    ]
    *_, best = refinement(starts[0], passes - CAPTURE_COST, modes, starts)
    return as_refined(best, passes, modes, Refined())


def rescored(trace: STrace) -> STrace:
    """Return a trace to whose weights is added what edges gain its own subgraphs, at each size of `RESCORED_AT`."""
    for size in RESCORED_AT:
        say(f"scoring the edges again, in the trace of size {size:g}")
        gains = trace.model.capture_gains(trace.token_ids, trace.mask(size), trace.full_logits)
        weights = in_graph(add_gains(trace.weights, gains), trace.graph.exists())
        trace = replace(trace, weights=weights, order=best_first(weights, trace.graph))
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


def _ranked(model: Model, read: ReadPrompt, importance: str, graph: Graph, weights: Edges, logits: Array) -> STrace:
    say(f"ordering {amount(graph.n_edges, 'edges')}")
    return STrace(
        model=model,
        model_state=model.state(),
        prompt=read.text,
        origin=read.origin,
        token_ids=read.token_ids,
        tokens=[model.decode(int(i)) for i in read.token_ids],
        importance=importance,
        graph=graph,
        weights=weights,
        order=best_first(weights, graph),
        full_logits=logits,
    )


def _checked(weights: Any, graph: Graph) -> Edges:
    """Return a user's weights in the graph's shape, or say what is wrong with them."""
    exists = graph.exists()
    shapes = [np.shape(kind) for kind in weights] if isinstance(weights, tuple) else []
    if shapes != [kind.shape for kind in exists]:
        wanted = ", ".join(f"{name} {kind.shape}" for name, kind in zip(Edges._fields, exists, strict=True))
        raise ValueError(f"An importance function returns Edges of the shapes {wanted}; this one returned {shapes}.")
    for name, kind, present in zip(Edges._fields, weights, exists, strict=True):
        bad = np.argwhere(present & ~np.isfinite(np.asarray(kind)))
        if len(bad):
            raise NonFiniteError(
                f"An importance function returns finite weights; of the {name} edges {len(bad)} of this one's are not, "
                f"the first at {tuple(bad[0].tolist())}.",
                "scores",
                int(bad[0][0]),
            )
    return in_graph(Edges(*(np.asarray(kind, dtype=np.float32) for kind in weights)), exists)
