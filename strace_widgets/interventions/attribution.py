"""Scores of edges by gradient x activation, as circuit research attributes a prediction to them.

*Edge attribution patching* (Nanda 2023; Syed, Rager and Conmy, arXiv 2310.10348) estimates to first order what a figure
of the prediction would lose if an edge carried something else. Here that is nothing, as in a subgraph that drops it
(zero ablation): the loss is g . v, with v the vector of the edge and g the figure's gradient at the node that v enters.
Its size is what counts: a circuit is made of the largest |g . v|, since an edge that holds the prediction back is part
of the computation, too (the authors of both methods rank by absolute score).

Gradients at the full model miss what is saturated there. *EAP-IG* (Hanna, Pezzelle and Belinkov, arXiv 2403.17806)
takes their mean over inputs that fade to a baseline, as integrated gradients do.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import find, predicted
from .edge_vectors import layer_vectors
from .gradients import gain, into_nodes, over_edges
from .packing import answer


def capture_attributed(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    attribution: dict[str, Any],
    layers: tuple[int, int] | None = None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward and one backward pass, and return |g . v| of every edge.

    With m steps the two passes run a batch of m rows: row k of m has the stream that enters the first block times k / m
    (where a model adds positions to its embeddings before the first block, they are scaled, too; rotations and masks
    stay as they are). g is the mean over the rows, v is of the row that is not scaled.

    Parameters
    ----------
    model, architecture, token_ids, layers, half, **run
        As for `capture`.
    attribution : dict
        ``steps``, m; ``metric``, see `figure_of`.

    Returns
    -------
    tensors
        As `capture`.
    """
    captured: Any = None
    steps = attribution["steps"]
    with model.trace(token_ids.expand(steps, -1), **architecture["keywords"], **run):
        first_layer = find(model, architecture["layers"])[0]
        if steps > 1:
            # The whole of the stream comes first: `layer_vectors` reads the first row.
            shares = [1.0, *(k / steps for k in range(1, steps))]
            rows = zip(first_layer.input.detach(), shares, strict=True)
            first_layer.input = torch.stack([stream * share for stream, share in rows]).requires_grad_()
        else:
            # Where the weights want no gradients, as on a server, the graph of derivatives begins here.
            first_layer.input.requires_grad_()
        chosen = range(*(layers or (0, architecture["n_layers"])))
        vectors = [layer_vectors(model, architecture, index, through_final=False) for index in chosen]
        logits = predicted(model.output)[:, -1].float()
        slope = slope_of(attribution["metric"], logits)
        # In half precision small gradients would vanish on their way back: the largest begins as 1.
        size = slope.abs().max().clamp_min(1e-30)
        into = into_nodes((logits.masked_fill(slope == 0, 0.0) * (slope / size)).sum(), vectors)
        unit = float(size) / steps
        with torch.no_grad():
            scores = [
                over_edges(layer, [each * unit for each in pair], architecture, attributed)
                for layer, pair in zip(vectors, into, strict=True)
            ]
            captured = answer(scores, logits[0], half).save()
    return captured


def slope_of(metric: str, logits: Any) -> Any:
    """Return the gradient (B, V) of a figure with respect to the logits (B, V), the first of which are the model's."""
    with torch.enable_grad():
        free = logits.detach().requires_grad_()
        (slope,) = torch.autograd.grad(figure_of(metric, free, free[0].detach()), free)
    return slope


def figure_of(metric: str, logits: Any, full_logits: Any) -> Any:
    """Return the figure of the prediction that edges are scored by, summed over rows of logits (B, V).

    ``log probability``: of the token that the full model finds most probable. ``divergence``: KL(full || row) in nats,
    which has no slope at the full model, so that it takes EAP-IG; its authors use it, too, besides figures of a task.
    """
    log_q = torch.log_softmax(logits, dim=-1)
    if metric == "log probability":
        return log_q[:, full_logits.argmax()].sum()
    log_p = torch.log_softmax(full_logits, dim=-1)
    # A suppressed token has the probability 0 and no logarithm of it: it moves nothing.
    suppressed = log_p == float("-inf")
    return (log_p.exp() * (log_p.masked_fill(suppressed, 0.0) - log_q.masked_fill(suppressed, 0.0))).sum()


def attributed(factors: Any, vectors: Any, node: Any, gradients: Any) -> Any:
    """Return |g . v| of each edge; shapes as for `gain`."""
    return gain(factors, vectors, node, gradients).abs()
