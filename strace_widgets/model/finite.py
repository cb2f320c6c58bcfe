"""What a run answers is checked here: where it is not finite, the pass is run again to say where that begins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import NonFiniteError, RemoteError
from ..graph.edges import Array, Edges, Graph
from ..graph.toggles import Toggles
from ..interventions import finite, masked
from . import answers
from .calls import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .calls import Runner

KINDS = {finite.INFINITE: "infinity", finite.NOT_A_NUMBER: "not a number"}
OF_A_LAYER = (
    *(("attention", ""), ("attention", "what it adds to the stream"), ("attention", "the stream after it")),
    *(("mlp", "what it adds to the stream"), ("mlp", "the stream after it")),
)
"""The steps of a layer, in the order of `strace_widgets.interventions.finite.steps`: a part, and what of it."""


class Place(NamedTuple):
    """Where the first value that is not finite arises."""

    part: str
    layer: int | None = None
    detail: str = ""
    kind: str = ""

    def __str__(self) -> str:
        named = "MLP" if self.part == "mlp" else self.part
        inside = ", ".join(filter(None, (self.detail, self.kind)))
        return f"the {named}{'' if self.layer is None else f' of layer {self.layer}'}{f' ({inside})' if inside else ''}"


def unusable(logits: Array) -> Array:
    """Return which rows of logits (..., V) are no prediction: with NaN, with plus infinity, or all minus infinity."""
    # The largest is NaN where one of them is.
    result: Array = ~np.isfinite(logits.max(axis=-1))
    return result


def check_logits(
    model: Runner,
    logits: Array,
    kept: Array,
    n_edges: int,
    toggles: Toggles | Sequence[Toggles] | None = None,
    calls: Sequence[Call] = (),
) -> None:
    """Refuse last logits (K, V), or hidden states (K, M), of K subgraphs that are not finite: says which, and where.

    Parameters
    ----------
    kept, toggles
        As for `Model.evaluate`.
    n_edges : int
        E.
    calls : sequence of Call
        What was asked, a pass each.

    Raises
    ------
    NonFiniteError
    """
    states = any(call.states for call in calls)
    bad = np.asarray(~np.isfinite(logits).all(axis=-1) if states else unusable(logits))
    if not bad.any():
        return
    row = int(bad.argmax())
    n_kept = int(kept[row])
    what = "after this prompt" if n_kept < 0 else f"in the subgraph of {n_kept:,} edge{'s' * (n_kept != 1)}"
    what += f" (s = {n_kept / n_edges:.3g})" if 0 < n_kept <= n_edges else ""
    under = toggles if toggles is None or isinstance(toggles, Toggles) else toggles[row if len(toggles) > 1 else 0]
    what += f" under the toggles {under.plain()}" if under else ""
    what += f", one of {bad.sum()} among the {len(bad)} that were asked for" if bad.sum() > 1 else ""
    raise not_finite(model, what, *_pass_of(calls, row), n_edges=None if n_kept < 0 else n_kept)


def _pass_of(calls: Sequence[Call], row: int) -> tuple[Call | None, int]:
    """Return the pass in which a row was evaluated, and its row there."""
    for call in calls:
        _, _, kept, _, modes, *_ = call.args()
        whole = int(modes["frozen"])  # the whole model goes in front
        if row < len(kept) - whole:
            return call, row + whole
        row -= len(kept) - whole
    return None, 0


def check_scores(
    model: Runner, scores: Edges, logits: Array, call: Call, *, backward: bool = False, n_edges: int | None = None
) -> None:
    """Refuse scores of edges, or the logits of the same pass, that are not finite.

    Parameters
    ----------
    call : Call
        What was asked, or what shows the same forward pass.
    backward : bool
        Whether the scores are made of gradients.
    n_edges : int, optional
        Of the subgraph, where it was not the whole model.

    Raises
    ------
    NonFiniteError
    """
    sound = Edges(*(np.isfinite(kind) for kind in scores))
    parallel = model.architecture.parallel
    exists = Graph(scores.n_layers, scores.n_heads, scores.n_tokens, parallel).exists()
    layers = [
        layer
        for layer in range(scores.n_layers)
        if not all((kind[layer] | ~there[layer]).all() for kind, there in zip(sound, exists, strict=True))
    ]
    if not layers and not unusable(logits):
        return
    what = "after this prompt" if n_edges is None else f"in the subgraph of {n_edges:,} edges whose gains are scored"
    if not layers:
        raise not_finite(model, what, call, n_edges=n_edges)
    layer = layers[-1] if backward else layers[0]  # gradients run from the last layer to the first
    attention = bool((~sound.attention[layer] & exists.attention[layer]).any())
    detail = f"of the edges into the {'attention' if attention else 'MLP'} node"
    otherwise = Place("gradients" if backward else "scores", layer, detail)
    raise not_finite(model, what, call, otherwise=otherwise, n_edges=n_edges)


def check_vectors(model: Runner, vectors: Sequence[Array], logits: Array, call: Call) -> None:
    """Refuse what edges carry, (L, ...) a kind, and logits of the same pass, where they are not finite.

    Raises
    ------
    NonFiniteError
    """
    for layer in range(len(vectors[0])):
        if not all(np.isfinite(kind[layer]).all() for kind in vectors):
            place = Place("scores", layer, "what its edges carry")
            raise not_finite(model, "after this prompt", call, otherwise=place)
    if unusable(logits):
        raise not_finite(model, "after this prompt", call)


def not_finite(
    model: Runner,
    what: str,
    call: Call | None,
    row: int = 0,
    *,
    otherwise: Place | None = None,
    n_edges: int | None = None,
) -> NonFiniteError:
    """Return the error, having looked for the place in the same pass, run once more.

    Parameters
    ----------
    what : str
        What was run.
    call : Call or None
        Which has shown that something is not finite; without it, the place is not looked for.
    row : int
        In which row of the pass.
    otherwise : Place, optional
        Where it is if all activations are finite.
    n_edges : int, optional
        Of the subgraph.
    """
    place = (_found(model, call, row) if call else None) or otherwise
    if place is None:
        again = "a second pass did not show where" if call else "evaluate it anew to see where"
        return NonFiniteError(f"{model.name} gives numbers that are not finite {what}; {again}.", n_edges=n_edges)
    dtype = model.dtype if model.server is None else f"{model.dtype} on a server"
    return said(model.name, what, place, not_finite_weights(model, place), dtype, n_edges)


def said(
    name: str, what: str, place: Place, weights: tuple[str, ...], dtype: str, n_edges: int | None = None
) -> NonFiniteError:
    """Return the error in a person's words: what was run, where the first such number arises, why, what to do."""
    if weights:
        cause = f"Weights hold such numbers: {', '.join(weights)}. Load a sound copy of the model."
    elif dtype == "float16":
        cause = "The numbers outgrow float16: load the model with dtype=torch.bfloat16 or torch.float32."
    elif place.part in ("scores", "gradients"):
        cause = "All activations are finite: choose another importance measure, such as 'l1'."
    elif dtype.endswith("server"):
        cause = f"The model is in {dtype}, where its weights cannot be looked at."
    else:
        cause = "The weights there are finite: a sum, a product or a division on the way is not."
    opening = f"{name} gives numbers that are not finite {what}: the first arises in {place}."
    return NonFiniteError(f"{opening} {cause}", place.part, place.layer, weights, n_edges)


def check_watched(module: Any, attention_path: str, layers: Sequence[Any], after: Sequence[Any]) -> None:
    """Refuse a model in whose short forward pass something is not finite, before its parts are told by their numbers.

    Parameters
    ----------
    module : torch.nn.Module
    attention_path : str
        Of the attention below each layer.
    layers, after
        What `strace_widgets.model.discovery.parts.watch` has seen in each layer, and after them.

    Raises
    ------
    NonFiniteError
    """
    embeddings: Any = module.get_input_embeddings()
    found: tuple[Place, Any] | None = None
    if not layers[0].before.isfinite().all():
        found = Place("embeddings", detail="or what follows them"), embeddings
    for number, layer in enumerate(layers):
        found = found or _in_layer(number, layer, attention_path)
    for call in after:
        unembedding = call.module is module.get_output_embeddings()
        if not found and not call.output.isfinite().all() and not (unembedding and _suppressing(call)):
            found = Place("unembedding" if unembedding else "final norm", detail=call.path), call.module
    if found:
        place, bad = found
        path = next(name for name, part in module.named_modules() if part is bad)
        weights = tuple(f"{path}.{name}" for name in bad_parameters(bad, suppressing=place.part == "unembedding"))
        dtype = str(module.dtype).removeprefix("torch.")
        raise said(type(module).__name__, "on the four tokens of its proof", place, weights, dtype)


def _in_layer(number: int, layer: Any, attention_path: str) -> tuple[Place, Any] | None:
    """Return where in a layer something is not finite that reaches its output, and the module that says so."""
    if layer.after.isfinite().all():
        return None  # what stays inside, such as a router's minus infinity, may have a meaning
    attended = False
    for call in layer.calls:
        attended = attended or call.path == attention_path
        after_attention = attended and call.path != attention_path
        part = "mlp" if after_attention else "attention"
        if not call.input.isfinite().all():  # all outputs before it are finite: it reads what they add up to
            sums = "." not in call.path and after_attention
            detail = "the stream after it" if sums else f"what {call.path} reads"
            return Place("attention" if sums else part, number, detail), call.module
        if not call.output.isfinite().all():
            return Place(part, number, call.path), call.module
    return Place("mlp", number, "the stream after it"), layer.calls[-1].module


def _found(model: Runner, call: Call, row: int) -> Place | None:
    """Run a pass once more and return the first place where something is not finite."""
    again = Call(finite.whole_model, lambda: call.args()[:1], form=partial(answers.steps, model, 1))
    if call.function is masked.evaluate:
        again = Call(finite.subgraphs, call.args, form=partial(answers.steps, model, len(call.args()[2])))
    try:
        codes = model.ask(again).numpy(force=True)[:, row]
    except RemoteError:
        return None  # what is known is said all the same
    if not codes.any():
        return None
    step = int(np.flatnonzero(codes)[0])
    kind = KINDS[int(codes[step])]
    if step == 0:
        return Place("embeddings", kind=kind)
    layer, of_layer = divmod(step - 1, len(OF_A_LAYER))
    if layer < model.architecture.n_layers:
        part, detail = OF_A_LAYER[of_layer]
        return Place(part, layer, detail, kind)
    return Place("unembedding" if of_layer else "final norm", kind=kind)


def not_finite_weights(model: Runner, place: Place) -> tuple[str, ...]:
    """Return the names of the weights at a place that are not finite, as far as the weights are on this machine."""
    module, a = model.nnsight._module, model.architecture
    if place.layer is not None:
        path = f"{a.layers}.{place.layer}"
        parts = [(path, module.get_submodule(path))]
    elif place.part == "final norm" and a.final_norm:
        parts = [(a.final_norm.path, module.get_submodule(a.final_norm.path))]
    else:
        wanted = module.get_input_embeddings() if place.part == "embeddings" else module.get_output_embeddings()
        parts = [(path, part) for path, part in module.named_modules() if part is wanted]
    suppressing = place.part == "unembedding"
    return tuple(f"{path}.{name}" for path, part in parts for name in bad_parameters(part, suppressing=suppressing))


def _suppressing(call: Any) -> bool:
    """Return whether logits are finite but for tokens that are suppressed, and not by weights that are infinite."""
    return bool(call.output.clamp_min(-1.0).isfinite().all()) and not bad_parameters(call.module, suppressing=True)


def bad_parameters(module: Any, *, suppressing: bool = False) -> list[str]:
    """Return the names of a module's weights that are not finite; a bias of minus infinity may suppress a token."""
    found = []
    for name, weight in module.named_parameters():
        if weight.is_meta or not weight.is_floating_point():
            continue
        largest = weight.max() if suppressing and name == "bias" else weight.abs().max()
        found += [] if largest.isfinite() else [name]
    return found
