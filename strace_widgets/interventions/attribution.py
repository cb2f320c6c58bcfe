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
from .packing import answer, marked


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
        ``steps``, m; ``metric``, see `figure_of`; with ``counterfactual``, the token ids (T,) of another prompt, the
        score is |g . (v - v')|, v' being what the edge carries there. The inputs then fade to those of that prompt.

    Returns
    -------
    tensors
        As `capture`.
    """
    captured: Any = None
    steps, others = attribution["steps"], attribution.get("counterfactual")
    rows_in = token_ids.expand(steps, -1)
    if others is not None:
        rows_in = torch.cat([rows_in, torch.tensor([others])])
    with model.trace(rows_in, **architecture["keywords"], **run):
        first_layer = find(model, architecture["layers"])[0]
        if steps > 1:
            first_layer.input = faded(first_layer.input.detach(), steps).requires_grad_()
        else:
            # Where the weights want no gradients, as on a server, the graph of derivatives begins here.
            first_layer.input.requires_grad_()
        chosen = range(*(layers or (0, architecture["n_layers"])))
        vectors = [layer_vectors(model, architecture, index, False, None, others is not None) for index in chosen]  # noqa: FBT003
        logits = predicted(model.output)[:, -1].float()
        slope = slope_of(attribution, logits)
        slope[steps:] = 0  # the counterfactual is no input of the figure
        # In half precision small gradients would vanish on their way back: the largest begins as 1.
        size = slope.abs().max().clamp_min(1e-30)
        into = into_nodes((logits.masked_fill(slope == 0, 0.0) * (slope / size)).sum(), vectors)
        unit = float(size) / steps
        with torch.no_grad():
            scores = []
            for layer, pair in zip(vectors, into, strict=True):
                gradients = [each * unit for each in pair]
                gained = over_edges(layer, gradients, architecture, gain)
                if layer.last is not None:
                    instead = over_edges(layer.last, gradients, architecture, gain)
                    gained = tuple(own - other for own, other in zip(gained, instead, strict=True))
                scores.append([each.abs() for each in gained])
            captured = marked(answer(scores, logits[0], half), architecture).save()
    return captured


def faded(streams: Any, steps: int) -> Any:
    """Return streams (B, T, M) of m steps from that of the row past these, or from nothing, to the first row's.

    That stays first: `layer_vectors` reads it.
    """
    baseline = streams[-1] if len(streams) > steps else 0.0
    shares = [1.0, *(k / steps for k in range(1, steps))]
    rows = [baseline + (streams[0] - baseline) * share for share in shares]
    return torch.stack([*rows, *streams[steps:]])


def slope_of(attribution: dict[str, Any], logits: Any) -> Any:
    """Return the gradient (B, V) of a figure with respect to the logits (B, V), the first of which are the model's."""
    with torch.enable_grad():
        free = logits.detach().requires_grad_()
        (slope,) = torch.autograd.grad(figure_of(attribution, free, free[0].detach()), free)
    return slope


def figure_of(attribution: dict[str, Any], logits: Any, full_logits: Any) -> Any:
    """Return the figure of the prediction that edges are scored by, summed over rows of logits (B, V).

    ``log probability``: of the token that the full model finds most probable. ``divergence``: KL(full || row) in nats,
    which has no slope at the full model, so that it takes EAP-IG; its authors use it, too, besides figures of a task.
    ``target`` and ``logit difference``: see `strace_widgets.model.text.contrasts.Contrast.of`.
    """
    metric = attribution["metric"]
    if metric in ("target", "logit difference"):
        against = logits[:, attribution["foil"]] if attribution["foil"] else logits
        return (logits[:, attribution["target"]].logsumexp(-1) - against.logsumexp(-1)).sum()
    log_q = torch.log_softmax(logits, dim=-1)
    if metric == "log probability":
        return log_q[:, full_logits.argmax()].sum()
    log_p = torch.log_softmax(full_logits, dim=-1)
    # A suppressed token has the probability 0 and no logarithm of it: it moves nothing.
    suppressed = log_p == float("-inf")
    return (log_p.exp() * (log_p.masked_fill(suppressed, 0.0) - log_q.masked_fill(suppressed, 0.0))).sum()
