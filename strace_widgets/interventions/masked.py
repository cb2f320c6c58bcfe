"""Run the model with dropped edges really dropped.

Dropping a residual edge is the same as subtracting the stream from what the attention (or the MLP) adds to it, so that
no hook into the block's own sums is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from .access import find, last_hidden, predicted
from .block import walk
from .packing import marked, packed

if TYPE_CHECKING:
    from collections.abc import Iterator


def evaluate(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    ranks: tuple[Any, ...],
    kept: Any,
    toggles: tuple[Any, ...],
    modes: dict[str, bool],
    states: bool = False,  # noqa: FBT001, FBT002
    half: bool = False,  # noqa: FBT001, FBT002
    means: Any = None,
    **run: Any,
) -> Any:
    """Run one batched forward pass, one row a size, each row under its own mask, and return the last-position logits.

    Attention probabilities come from the masked run's own softmax over all keys and are not renormalised after
    masking; norms are recomputed; embeddings and biases are never masked (arXiv 2605.27033; docs/method.md).

    Parameters
    ----------
    model, architecture, half, **run
        As for `capture`.
    token_ids : (1, T) or (2, T) int64 tensor
        The prompt, and where dropped edges carry what they carry there, its counterfactual: see `batch_of`.
    ranks, kept, toggles, modes
        See `token_masks`. ``modes`` has ``frozen``, too: take the attention probabilities of the
        first row everywhere.
    states : bool
        Return what the unembedding reads at the last position instead of its logits.
    means : four pairs of tensors, or str, optional
        What dropped edges carry, as `reference_means` returns them, or as in the last row (see `mask_heads`); nothing
        without.

    Returns
    -------
    (B, V) tensor, as `packed`
        With ``states`` (B, M): the last hidden states, which the unembedding reads. None when the run was only sent.
    """
    result: Any = None
    with model.trace(batch_of(token_ids, len(kept)), **architecture["keywords"], **run):
        layers = find(model, architecture["layers"])
        for _ in masked_blocks(layers, architecture, ranks, kept, toggles, modes, means):
            pass
        last = last_hidden(model, architecture) if states else predicted(model.output)[:, -1]
        result = marked(packed(last.float(), half), architecture).save()
    return result


def batch_of(token_ids: Any, n_rows: int) -> Any:
    """Return a prompt (1, T) as so many rows; of a prompt and its counterfactual (2, T), the last is the latter."""
    return torch.cat([token_ids[:1].expand(n_rows + 1 - len(token_ids), -1), token_ids[1:]])


# The blocks under masks.


def masked_blocks(
    layers: Any, architecture: dict[str, Any], ranks: Any, kept: Any, toggles: Any, modes: dict[str, bool], means: Any
) -> Iterator[Any]:
    """Run the blocks one after another, each row under its own mask, and yield the steps of each: see `mask_block`."""
    for layer, keep, mean in layers_with_masks(layers, architecture, ranks, kept, toggles, modes, means):
        yield mask_block(layer, architecture, keep, modes["frozen"], mean)


def layers_with_masks(
    layers: Any, architecture: dict[str, Any], ranks: Any, kept: Any, toggles: Any, modes: dict[str, bool], means: Any
) -> Iterator[tuple[Any, list[Any], Any]]:
    """Yield each layer as it comes to run, with its masks and what its dropped edges carry, as `mask_block` takes them.

    The layer has to run before the next one is asked for.
    """
    of_tokens = token_masks(ranks, kept, toggles, modes)  # these are small: all layers at once
    for index in range(architecture["n_layers"]):
        attention = attention_mask(ranks, kept, toggles, modes, layers[index], index)
        keep = [attention, *[mask if mask is None else mask[:, index] for mask in of_tokens]]
        yield layers[index], keep, means_of_layer(means, index)


def mask_block(
    layer: Any,
    architecture: dict[str, Any],
    keep: Any,
    frozen: bool = False,  # noqa: FBT001, FBT002
    means: Any = None,
) -> tuple[Any, Any, Any]:
    """Run one block without some of its edges; return its three steps as they now are.

    Parameters
    ----------
    keep : four masks
        Of attention (B, H, T, T), attention residual, MLP and MLP residual (B, T), True where an edge is kept; None
        where all of a kind are (not of the MLP).
    frozen : bool
        Take the attention probabilities of the first row everywhere.
    means : four tensors or four times a str, optional
        What dropped edges of each kind carry: see `mask_heads`.
    """
    steps = walk(layer, architecture)
    heads = next(steps)
    if frozen or keep[0] is not None:
        mask_heads(heads, keep[0], frozen, means and means[0])
    attention = next(steps)
    if keep[1] is not None:
        mask_residual(attention, keep[1], means and means[1])
    mlp = next(steps)
    # In a parallel block one residual edge a token stands for both, the attention's.
    mask_mlp(mlp, keep[2], None if architecture["parallel"] else keep[3], means and means[2:])
    return heads, attention, mlp


def mask_heads(heads: Any, keep: Any, frozen: bool = False, mean: Any = None) -> tuple[Any, Any]:  # noqa: FBT001, FBT002
    """Let each head sum its values without the edges that are dropped; probabilities are not renormalised.

    Returns what is left of the probabilities (B, H, T, T), and what the heads then say (B, H, T, d).

    Where dropped edges carry a mean, that is of the values. As in the last row they carry, by ``"patch"``, what they
    carry there, values and probabilities; by ``"patch values"`` its values with their own row's probabilities.
    """
    value, own = heads.read()
    own = own.to(value.dtype)
    probabilities = own[:1] if frozen else own
    patched = isinstance(mean, str)
    if frozen and patched:
        probabilities = torch.cat([own[:1].expand(len(own) - 1, -1, -1, -1), own[-1:]])  # the last is not frozen
    kept = probabilities if keep is None else probabilities * keep.to(value.device)
    shared = probabilities.shape[1] // value.shape[1]  # query heads a key-value head
    output = kept @ value.repeat_interleave(shared, dim=1)
    if patched and keep is not None:
        others = (own[-1:] if mean == "patch" else probabilities) * ~keep.to(value.device)
        output = output + others @ value[-1:].repeat_interleave(shared, dim=1)
    elif mean is not None and not patched:
        mean = mean[: value.shape[1], :, : value.shape[-1]]  # layers may differ in the number and width of their heads
        values = at_positions(mean, value[:, 0]).repeat_interleave(shared, dim=0)
        output = output + (probabilities - kept) @ values
    heads.replace(output)
    return kept, output


def mask_residual(attention: Any, keep: Any, mean: Any = None) -> None:
    """Let the attention take away the stream that a dropped residual edge would have carried past it."""
    attention.replace(attention.added - dropped(attention.residual, keep, mean))


def mask_mlp(mlp: Any, keep: Any, keep_residual: Any, means: Any = None) -> None:
    """Let the MLP add nothing where its edge is dropped, and take away what a dropped residual edge carried past it."""
    keep = keep[..., None].to(mlp.added)
    added = mlp.added * keep
    if means is not None:
        added = added + carried(means[0], mlp.added) * (1 - keep)
    if keep_residual is not None:
        added = added - dropped(mlp.residual, keep_residual, means and means[1])
    mlp.replace(added)


def dropped(residual: Any, keep: Any, mean: Any = None) -> Any:
    """Return what of the stream (B, T, M) the dropped edges would have carried, beyond what they now carry."""
    lost = residual if mean is None else residual - carried(mean, residual)
    return (1 - keep[..., None].to(residual)) * lost


# Masks and means.


def token_masks(ranks: Any, kept: Any, toggles: Any, modes: dict[str, bool]) -> list[Any]:
    """Return which attention residual, MLP and MLP residual edges each row keeps, (B, L, T); None where all are kept.

    Parameters
    ----------
    ranks : four integer tensors
        In the order and shapes of `Edges`; or, smaller, how many of ``kept`` each edge misses.
    kept : (B,) int32 tensor
        The number of edges of each row: a mask is ``rank < kept``. A row of -1 is the whole model, toggles or not.
    toggles : (R, L, H) and (R, L) int8 tensors, R = 1 or B, and (N, 6) int32
        Heads and MLPs switched on (1), off (-1) or left to the trace (0): the same in all rows, or row by row. And
        edges into positions, each with its row, layer, part (a head, then the attention's residual edge, the MLP and
        its residual edge; -1 for all), target, source (-1 for all) and 1 or -1; later ones hold over those before.
    modes : dict of bool
        ``mask_attention``; ``inverse``, keep what the trace drops and all residual edges; ``keep_residual``.
    """
    _, residual, mlp, mlp_residual = [kind[None] for kind in ranks]
    keep = [None, masked(mlp, kept, toggles[1], modes["inverse"]), None]
    if not (modes["inverse"] or modes["keep_residual"]):
        keep = [masked(residual, kept), keep[1], masked(mlp_residual, kept)]
    n_heads = toggles[0].shape[2]
    for row, layer, part, target, source, state in toggles[2].tolist():
        for place in range(3):
            if source == -1 and part in (-1, n_heads + place):
                if keep[place] is None:
                    keep[place] = torch.ones_like(keep[1])
                keep[place][switched_rows(toggles, kept, row), layer, target] = state > 0
    return keep


def switched_rows(toggles: Any, kept: Any, row: int) -> Any:
    """Return which rows (B,) the toggles of a row are about: all where they are the same for all, none of size -1."""
    own = torch.arange(len(kept), device=kept.device) == row
    return (own | (len(toggles[1]) == 1)) & (kept >= 0)


def attention_mask(ranks: Any, kept: Any, toggles: Any, modes: dict[str, bool], layer: Any, index: int) -> Any:
    """Return which attention edges of one layer each row keeps, (B, H, T, T), where the layer runs; None for all.

    One layer at a time, which bounds the memory. Parameters as for `token_masks`.
    """
    if not modes["mask_attention"]:
        return None
    device = layer.input.device
    heads = toggles[0][:, index].to(device)
    keep = masked(ranks[0][index].to(device)[None], kept.to(device), heads, modes["inverse"])
    for row, at, part, target, source, state in toggles[2].tolist():
        if at == index and part < keep.shape[1]:
            some_heads = slice(None) if part == -1 else slice(part, part + 1)
            sources = slice(None) if source == -1 else slice(source, source + 1)
            keep[switched_rows(toggles, kept, row).to(device), some_heads, target, sources] = state > 0
    return keep


def masked(ranks: Any, kept: Any, toggles: Any = None, inverse: bool = False) -> Any:  # noqa: FBT001, FBT002
    """Return which edges each row keeps: by rank, then by toggle; rows of size -1 keep everything.

    Ranks are (1, N, ...), ``kept`` (B,), toggles (1 or B, N): heads of a layer, or layers. Returns (B, N, ...) bool.
    """
    shape = (-1, *[1] * (ranks.ndim - 1))
    keep = ranks < kept.view(shape)
    if inverse:
        keep = ~keep
    if toggles is not None and toggles.any():
        toggle = toggles.view(*toggles.shape, *[1] * (ranks.ndim - 2))
        keep = (keep | (toggle > 0)) & (toggle >= 0)
    return keep | (kept < 0).view(shape)


def means_of_layer(means: Any, index: int) -> Any:
    """Return what the dropped edges of one layer carry, in the order of `Edges`: (..., 2, width), float32; or None."""
    if isinstance(means, str):
        return [means] * 4
    return means and [values[index].float() * factor for values, factor in means]


def carried(mean: Any, vectors: Any) -> Any:
    """Return what dropped edges carry that would have carried vectors (B, T, M): a mean, or what the last row has."""
    return vectors[-1:] if isinstance(mean, str) else at_positions(mean, vectors)


def at_positions(mean: Any, like: Any) -> Any:
    """Return a mean of position 0 and one of those after it (..., 2, width) at each position of ``like`` (B, T, M)."""
    positions = torch.arange(like.shape[1]).clamp(max=1)
    return mean[..., positions, :].to(like)
