"""What each edge gains some subgraphs, from one forward and one backward pass over all of them.

An edge's presence in a subgraph is a number, 1 where it is kept and 0 where it is dropped, by which what it carries is
multiplied. The derivative of the subgraph's error with respect to that number says, to first order, what the edge
gains or would gain it: gradient x activation, known as attribution patching (Nanda 2023; for edges: Syed, Rager and
Conmy, arXiv 2310.10348), taken at a subgraph instead of the full model.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import find, predicted
from .gradients import REFUSED, bounded
from .masked import mask_block, means_of_layer
from .packing import marked, packed

LOST = 0.97
"""The total variation from which on a subgraph is taken to have nothing of the prediction."""


def capture_subgraph_gains(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    kept: tuple[Any, ...],
    n_rows: int,
    full_logits: Any,
    modes: dict[str, bool],
    means: Any,
    harm: float | None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run subgraphs forward and backward, and return what each edge's presence gains them, in the mean over them.

    The error of a subgraph is the Hellinger distance of its prediction to the full model's, between 0 and 1. A
    subgraph that has nothing of the prediction says nothing of what it lacks: one with a total variation above `LOST`
    does not count, unless all are like that.

    Parameters
    ----------
    model, architecture, token_ids, kept, n_rows, full_logits, modes, means, **run
        As for `capture_subgraph_errors`.
    harm : float, optional
        How much the loss by an edge that harms a subgraph counts: 1 is the plain mean of signed gains; at -0.5, an
        edge that harms counts as one that gains half as much. Without it, the signed gains of each row come back, (L,
        n_rows, ...), in place of their mean.
    half : bool
        Whether to return the gains of attention edges in float16.

    Returns
    -------
    four tensors, and (n_rows,) float32
        The gains, in the order and shapes of `Edges`, attention as `packed`; and each row's total variation.
    """
    captured: Any = None
    with model.trace(token_ids.expand(n_rows, -1), **architecture["keywords"], **run):
        presences = run_subgraphs(model, architecture, kept, n_rows, modes, means, gradients=True)
        distances, far, counts = errors(predicted(model.output)[:, -1].float(), full_logits, int(modes["frozen"]))
        gains = differentiate((distances * counts).sum(), presences, harm, kept)
        if harm is not None:
            gains = [[kind / counts.sum().cpu() for kind in layer] for layer in gains]
        attention, *tokens = [torch.stack([layer[kind] for layer in gains]) for kind in range(4)]
        captured = marked([packed(attention, half), *tokens, far.detach().cpu()], architecture).save()
    return captured


def capture_subgraph_errors(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    kept: tuple[Any, ...],
    n_rows: int,
    full_logits: Any,
    modes: dict[str, bool],
    means: Any,
    **run: Any,
) -> Any:
    """Run subgraphs, a row of one batch each, and return each one's total variation, (n_rows,) float32.

    Parameters
    ----------
    model, architecture, **run
        As for `strace_widgets.interventions.capture.capture`.
    token_ids : (1, T) int64 tensor
    kept : four uint8 tensors
        In the order of `Edges`, (ceil(n_rows / 8), L, ...): bit j % 8 of byte j // 8 says whether subgraph j keeps an
        edge.
    n_rows : int
        How many subgraphs.
    full_logits : (V,) tensor
        The full model's.
    modes : dict of bool
        ``mask_attention``: whether attention edges are dropped at all. ``frozen``: the attention probabilities of all
        rows are those of the first, which is then the full model, and counts for nothing else.
    means : four pairs of tensors, or None
        What dropped edges carry, as for `strace_widgets.interventions.masked.evaluate`.
    """
    far: Any = None
    with model.trace(token_ids.expand(n_rows, -1), **architecture["keywords"], **run):
        run_subgraphs(model, architecture, kept, n_rows, modes, means, gradients=False)
        _, far, _ = errors(predicted(model.output)[:, -1].float(), full_logits, int(modes["frozen"]))
        far = marked(far, architecture).save()
    return far


def run_subgraphs(
    model: Any,
    architecture: dict[str, Any],
    kept: tuple[Any, ...],
    n_rows: int,
    modes: dict[str, bool],
    means: Any,
    gradients: bool,  # noqa: FBT001
) -> list[Any]:
    """Run the blocks, each row under its own mask, and return the presences of each layer's edges, None where all are.

    Parameters as for `capture_subgraph_errors`.
    """
    layers = find(model, architecture["layers"])
    # A parallel block has one residual edge a token, the attention's.
    masked = [modes["mask_attention"], True, True, not architecture["parallel"]]
    presences = []
    for index in range(architecture["n_layers"]):
        stream = layers[index].input
        if gradients and index:  # before the first layer there is nothing to differentiate by
            stream.register_hook(bounded)
        of_layer = [
            presence(kind[:, index], n_rows, stream.device).requires_grad_(gradients) if has else None
            for kind, has in zip(kept, masked, strict=True)
        ]
        keep = [each if each is None else each.to(stream.dtype) for each in of_layer]
        mask_block(layers[index], architecture, keep, modes["frozen"], means_of_layer(means, index))
        presences.append(of_layer)
    return presences


def presence(kept: Any, n_rows: int, device: Any) -> Any:
    """Return whether each row keeps each edge, as the numbers 1 and 0: (n_rows, ...) from bits (bytes, ...)."""
    rows = torch.arange(n_rows, device=device)
    of_row = kept.to(device).int()[rows // 8]
    return ((of_row >> (rows % 8).view(-1, *[1] * (kept.ndim - 1))) & 1).float()


def errors(logits: Any, full_logits: Any, first: int) -> tuple[Any, Any, Any]:
    """Return each row's Hellinger distance and total variation to the full model, and which rows count; (B,) each.

    Rows before ``first`` never count.
    """
    p = torch.softmax(full_logits.to(logits), dim=-1)
    log_q = torch.log_softmax(logits, dim=-1)
    far = (p - log_q.exp()).abs().sum(-1) / 2
    counts = far <= LOST
    counts[:first] = False
    if not counts.any():
        counts[first:] = True
    distances = ((torch.exp(log_q / 2) - p.sqrt()).pow(2).sum(-1) / 2).clamp_min(1e-12).sqrt()
    return distances, far, counts


def differentiate(error: Any, presences: list[Any], harm: float | None, kept: tuple[Any, ...]) -> list[Any]:
    """Return the gains of each layer's edges, in the order of `Edges`: minus the derivative, of each row or in sum."""
    asked = [tensor for layer in presences for tensor in layer if tensor is not None]
    # In a server's sandbox tensors arrive without what they were made from, whatever they say of themselves.
    found: Any = [None]
    if error.requires_grad:
        found = torch.autograd.grad(error, asked, allow_unused=True)
    if any(gradient is None for gradient in found):
        raise RuntimeError(REFUSED)
    remaining: list[Any] = list(found)
    n_rows = len(remaining[0])
    gains: list[Any] = []
    for layer in presences:
        gains.append([])
        for tensor, kind in zip(layer, kept, strict=True):
            # One edge changes an error between 0 and 1 by 1 at most, whatever its derivative, which has no bound where
            # a norm reads a stream that no kept edge has reached.
            gain = torch.zeros(n_rows, *kind.shape[2:]) if tensor is None else -remaining.pop(0).clamp(-1, 1)
            gains[-1].append((gain if harm is None else torch.where(gain > 0, gain, harm * gain).sum(0)).cpu())
    return gains
