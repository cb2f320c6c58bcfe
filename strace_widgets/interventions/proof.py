"""Measure how far a model's edges are from summing to its nodes: the proof behind the other functions of this room."""

from __future__ import annotations

from typing import Any

import torch

from .access import find, first, linearised, norm_bias, through_norm
from .block import walk
from .edge_vectors import head_vectors, heads_to_stream
from .packing import stack


def identity_gaps(model: Any, architecture: dict[str, Any], token_ids: Any, **run: Any) -> tuple[Any, ...]:
    """Run one forward pass and measure, layer by layer, how far the edges are from summing to the nodes.

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
        for layer in find(model, architecture["layers"]):
            steps = walk(layer, architecture)
            heads = next(steps)
            value, probabilities = [tensor[0] for tensor in heads.read()]
            to_stream = heads_to_stream(layer, architecture)
            attention = next(steps)
            by_head = [
                probabilities[h].float() @ head_vectors(value, to_stream, h) for h in range(architecture["n_heads"])
            ]
            summed = torch.stack(by_head).sum(0) * to_stream.row + to_stream.constant
            attention_gaps.append(relative_gap(summed, attention.added[0]))
            mlp = next(steps)
            block_gaps.append(relative_gap(mlp.node(), first(layer.output, architecture["layer_in_tuple"])))
        norm_gap: Any = torch.zeros(())
        if architecture["final_norm"] is not None:
            norm = find(model, architecture["final_norm"]["path"])
            bias = norm_bias(norm, norm.input[0])
            through = through_norm(norm.input[0], linearised(norm, architecture["final_norm"], norm.input[0]))
            norm_gap = relative_gap(through + (0.0 if bias is None else bias), norm.output[0])
        kind = torch.zeros((), dtype=mlp.residual.dtype)
        gaps = [stack(attention_gaps), stack(block_gaps), norm_gap, kind].save()  # type: ignore[attr-defined]
    return tuple(gaps)


def relative_gap(value: Any, truth: Any) -> Any:
    """Return the largest absolute difference over the largest absolute true value."""
    return ((value - truth).abs().max() / truth.abs().max().clamp_min(1e-30)).float()
