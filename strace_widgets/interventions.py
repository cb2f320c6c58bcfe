"""The functions that run inside a model: score all edges, evaluate under masks, prove that edges sum to nodes.

They run on this machine or, unchanged, on an NDIF server, to which their *source* travels. So: plain, undecorated
functions, torch only, everything they need passed in as plain data; `strace_widgets.parts` travels with them.
``places`` is always `strace_widgets.architectures.Architecture` as a plain dict.

Two identities keep them small. What an edge carries factors: ``A[h, t, s] r[t] u[h, s]``, an attention probability, a
scalar of the target (1, or that of a linearised norm), and a vector of the source alone; so the (T, T, H, d) tensor of
edge vectors is never built. And dropping a residual edge is the same as subtracting the stream from what the attention
(or the MLP) adds to it, so that no hook into the block's own sums is needed.
"""

from __future__ import annotations

from typing import Any

import torch

from .edge_vectors import attention_chain, head_vectors, layer_vectors, score_factored, score_vectors
from .parts import (
    attention_call,
    attention_probabilities,
    carried,
    find,
    first,
    linearised,
    norm_bias,
    replace_heads,
    rewrite,
    through_norm,
    written,
)


def capture(
    model: Any,
    places: dict[str, Any],
    token_ids: Any,
    score: str,
    layers: tuple[int, int] | None = None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass and return a score of every edge.

    Parameters
    ----------
    model : nnsight model
    places : dict
    token_ids : (1, T) int64 tensor
    score : {"l1", "l2", "proximity", "cosine", "projection"}
        See `score_vectors`.
    layers : (int, int), optional
        The first layer, and that after the last; all of them by default. A large answer comes in several parts.
    half : bool
        Whether to return the large arrays in float16.
    **run
        How nnsight is to run it: nothing for here, ``backend=`` for a server.

    Returns
    -------
    attention (L, H, T, T), attention_residual (L, T), mlp (L, T), mlp_residual (L, T), logits (V,) : tensors
        The scores in the order of `strace_widgets.edges.Edges`, then the full model's last-position logits. The first
        and the last as `packed`, the others in float32. None when the run was only sent.
    """
    captured: Any = None
    with model.trace(token_ids, use_cache=False, logits_to_keep=1, **run):
        scores: list[Any] = []
        for index in range(*(layers or (0, places["n_layers"]))):
            vectors = layer_vectors(model, places, index)
            factors, heads, residual, mlp, mlp_residual, middle, after, _ = vectors
            attention = [score_factored(score, factors[h], heads(h), middle) for h in range(places["n_heads"])]
            scores.append(
                (
                    torch.stack(attention),
                    score_vectors(score, residual, middle),
                    score_vectors(score, mlp, after),
                    score_vectors(score, mlp_residual, after),
                )
            )
        captured = answer(scores, model.output.logits[0, -1].float(), half).save()
    return captured


def capture_vectors(
    model: Any,
    places: dict[str, Any],
    token_ids: Any,
    layers: tuple[int, int] | None = None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass and return what every edge carries, factored, for a measure of the user's own.

    Returns
    -------
    factors (L, H, T, T), heads (L, H, T, M), then attention_residual, mlp, mlp_residual, attention_node and mlp_node
    (L, T, M), and logits (V,) : tensors, each as `packed`
    """
    captured: Any = None
    with model.trace(token_ids, use_cache=False, logits_to_keep=1, **run):
        vectors = []
        for index in range(*(layers or (0, places["n_layers"]))):
            factors, heads, *others, _ = layer_vectors(model, places, index)
            vectors.append((factors, torch.stack([heads(h) for h in range(places["n_heads"])]), *others))
        logits = model.output.logits[0, -1].float()
        kinds = [stack([layer[kind] for layer in vectors]) for kind in range(7)]
        captured = [packed(kind, half) for kind in [*kinds, logits]].save()  # type: ignore[attr-defined]
    return captured


def evaluate(
    model: Any,
    places: dict[str, Any],
    token_ids: Any,
    ranks: tuple[Any, ...],
    kept: Any,
    forced: tuple[Any, ...],
    modes: dict[str, bool],
    states: bool = False,  # noqa: FBT001, FBT002
    half: bool = False,  # noqa: FBT001, FBT002
    means: Any = None,
    **run: Any,
) -> Any:
    """Run one batched forward pass, one row a size, each row under its own mask, and return the last-position logits.

    Attention probabilities come from the masked run's own softmax over all keys and are not renormalised after
    masking; norms are recomputed; embeddings and biases are never masked (design, section 2).

    Parameters
    ----------
    model, places, half, **run
        As for `capture`.
    token_ids : (1, T) int64 tensor
    ranks : four integer tensors
        In the order and shapes of `strace_widgets.edges.Edges`; or, smaller, how many of ``kept`` each edge misses.
    kept : (B,) int32 tensor
        The number of edges of each row: a mask is ``rank < kept``. A row of -1 is the whole model, forced or not.
    forced : (R, L, H) and (R, L) int8 tensors, R = 1 or B
        Heads and MLPs forced on (1), forced off (-1) or left to the trace (0): the same in all rows, or row by row.
    modes : dict of bool
        ``mask_attention``; ``inverse``, keep what the trace drops and all residual edges; ``keep_residual``;
        ``frozen``, take the attention probabilities of the first row everywhere.
    states : bool
        Return what the unembedding reads at the last position instead of what it says.
    means : four pairs of tensors, optional
        What dropped edges carry, as `strace_widgets.ablation.reference_means` answers; nothing without.

    Returns
    -------
    (B, V) tensor, as `packed`
        With ``states`` (B, M): the last hidden states, which the unembedding reads. None when the run was only sent.
    """
    result: Any = None
    attention_ranks, *token_ranks = ranks
    inverse, keep_residual = modes["inverse"], modes["inverse"] or modes["keep_residual"]
    with model.trace(token_ids.expand(len(kept), -1), use_cache=False, logits_to_keep=1, **run):
        # The masks of single tokens are small: all layers at once. Those of attention are built layer by layer.
        drop_attention_residual = ~masked(token_ranks[0][None], kept)
        keep_mlp = masked(token_ranks[1][None], kept, forced[1], inverse)
        drop_mlp_residual = ~masked(token_ranks[2][None], kept)
        layers = find(model, places["layers"])
        for index in range(places["n_layers"]):
            layer = layers[index]
            stream = layer.input
            device, dtype = stream.device, stream.dtype
            mean_value, mean_residual, mean_mlp, mean_middle = stand_ins(means, index, stream)

            residual = carried(layer, places, "attention", stream)
            call = attention_call(layer, places)
            if modes["mask_attention"] or modes["frozen"]:
                value = call.inputs[0][places["value_argument"]]
                probabilities = attention_probabilities(call)
                probabilities = (probabilities[:1] if modes["frozen"] else probabilities).to(value.dtype)
                keep: Any = 1
                if modes["mask_attention"]:
                    ranks_here = attention_ranks[index].to(device)[None]
                    keep = masked(ranks_here, kept.to(device), forced[0][:, index].to(device), inverse)
                n_shared = places["n_heads"] // value.shape[1]
                heads = probabilities * keep @ value.repeat_interleave(n_shared, dim=1)
                if means is not None:
                    lost = probabilities - probabilities * keep
                    heads = heads + lost @ mean_value.to(value).repeat_interleave(n_shared, dim=0)
                replace_heads(call, places, heads)

            added = written(layer, places, "attention", stream)
            if not keep_residual:
                drop = drop_attention_residual[:, index, :, None].to(device, dtype)
                added = added - drop * (residual - mean_residual)
                rewrite(layer, places, "attention", added)

            dropped: Any = 0
            if not (keep_residual or places["parallel"]):
                residual = carried(layer, places, "mlp", residual + added)
                dropped = drop_mlp_residual[:, index, :, None].to(device, dtype) * (residual - mean_middle)
            keep = keep_mlp[:, index, :, None].to(device, dtype)
            added = written(layer, places, "mlp", stream) * keep + mean_mlp * (1 - keep)
            rewrite(layer, places, "mlp", added - dropped)
        if states and places["final_norm"] is not None:
            last = find(model, places["final_norm"]["path"]).output
        elif states:
            last = first(layers[-1].output, places["layer_in_tuple"])
        else:
            last = model.output.logits
        result = packed(last[:, -1].float(), half).save()  # type: ignore[attr-defined]
    return result


def identity_gaps(model: Any, places: dict[str, Any], token_ids: Any, **run: Any) -> tuple[Any, ...]:
    """Measure, layer by layer, how far the edges are from summing to the nodes: the proof behind the other functions.

    Returns
    -------
    attention, block, norm : (L,), (L,) and () float32 tensors
        Largest gaps relative to the largest true value: of the attention's edge vectors, with the biases that belong
        to no edge, to what it adds to the stream; of a layer's vectors to its output; of the linearised final norm to
        the true one.
    kind : () tensor
        In the number format of the model.
    """
    gaps: Any = None
    with model.trace(token_ids, use_cache=False, logits_to_keep=1, **run):
        attention_gaps, block_gaps = [], []
        layers = find(model, places["layers"])
        for index in range(places["n_layers"]):
            layer = layers[index]
            residual = carried(layer, places, "attention", layer.input)
            call = attention_call(layer, places)
            value, probabilities = call.inputs[0][places["value_argument"]][0], attention_probabilities(call)[0]
            chain = attention_chain(layer, places)
            write = written(layer, places, "attention", residual)
            heads = [probabilities[h].float() @ head_vectors(value, chain, h) for h in range(places["n_heads"])]
            summed = torch.stack(heads).sum(0) * chain["row"] + chain["constant"]
            attention_gaps.append(relative_gap(summed, write[0]))
            stream = residual + write
            if not places["parallel"]:
                stream = carried(layer, places, "mlp", stream)
            added = written(layer, places, "mlp", residual)
            block_gaps.append(relative_gap(stream + added, first(layer.output, places["layer_in_tuple"])))
        norm_gap: Any = torch.zeros(())
        if places["final_norm"] is not None:
            norm = find(model, places["final_norm"]["path"])
            linear = linearised(norm, places["final_norm"], norm.input[0])
            bias = norm_bias(norm, norm.input[0])
            through = through_norm(norm.input[0], linear) + (0.0 if bias is None else bias)
            norm_gap = relative_gap(through, norm.output[0])
        kind = torch.zeros((), dtype=residual.dtype)
        gaps = [stack(attention_gaps), stack(block_gaps), norm_gap, kind].save()  # type: ignore[attr-defined]
    return tuple(gaps)


# Small parts.


def masked(ranks: Any, sizes: Any, forced: Any = None, inverse: bool = False) -> Any:  # noqa: FBT001, FBT002
    """Return which edges each row keeps: by rank, then by force; rows of size -1 keep everything.

    Ranks are (1, N, ...), sizes (B,), forced (1 or B, N): heads of a layer, or layers. Returns (B, N, ...) bool.
    """
    shape = (-1, *[1] * (ranks.ndim - 1))
    keep = ranks < sizes.view(shape)
    if inverse:
        keep = ~keep
    if forced is not None:
        switch = forced.view(*forced.shape, *[1] * (ranks.ndim - 2))
        keep = (keep | (switch > 0)) & (switch >= 0)
    return keep | (sizes < 0).view(shape)


def stand_ins(means: Any, index: int, like: Any) -> list[Any]:
    """Return what dropped edges of a layer carry, in the order of `strace_widgets.edges.Edges`; without means 0.

    Each is (..., T, width) in the number format of ``like`` (B, T, M).
    """
    if means is None:
        return [0.0] * 4
    positions = torch.arange(like.shape[1]).clamp(max=1)  # the first, then the mean of the others
    return [(values[index][..., positions, :].float() * factor).to(like) for values, factor in means]


def answer(by_layer: list[Any], logits: Any, half: bool) -> Any:  # noqa: FBT001
    """Return the scores of all layers, of four kinds each, and the logits as `capture` answers."""
    attention, *tokens = [stack([layer[kind] for layer in by_layer]) for kind in range(4)]
    return [packed(attention, half), *tokens, packed(logits.detach(), half)]


def stack(by_layer: list[Any]) -> Any:
    """Return a list of one tensor a layer as one tensor."""
    return torch.stack([tensor.to(by_layer[0].device) for tensor in by_layer])


def packed(values: Any, half: bool) -> tuple[Any, Any]:  # noqa: FBT001
    """Return values and the factor to multiply them with: in half precision scaled so that small ones survive."""
    if not half:
        return values, torch.ones(())
    largest = values.abs().max().clamp_min(1e-30) / 32768  # half the range, for rounding
    return (values / largest).half(), largest


def relative_gap(value: Any, truth: Any) -> Any:
    """Return the largest absolute difference over the largest absolute true value."""
    return ((value - truth).abs().max() / truth.abs().max().clamp_min(1e-30)).float()
