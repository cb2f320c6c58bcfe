"""Run the model with dropped edges really dropped.

Dropping a residual edge is the same as subtracting the stream from what the attention (or the MLP) adds to it, so that
no hook into the block's own sums is needed.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import attention_call, attention_probabilities, carried, find, first, replace_heads, rewrite, written
from .packing import packed


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
        In the order and shapes of `Edges`; or, smaller, how many of ``kept`` each edge misses.
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
        What dropped edges carry, as `reference_means` answers; nothing without.

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
    """Return what dropped edges of a layer carry, in the order of `Edges`; without means 0.

    Each is (..., T, width) in the number format of ``like`` (B, T, M).
    """
    if means is None:
        return [0.0] * 4
    positions = torch.arange(like.shape[1]).clamp(max=1)  # the first, then the mean of the others
    return [(values[index][..., positions, :].float() * factor).to(like) for values, factor in means]
