"""Measure how far a model's edges are from summing to its nodes: the proof behind the other functions of this room."""

from __future__ import annotations

from typing import Any

import torch

from .access import (
    attention_call,
    attention_probabilities,
    carried,
    find,
    first,
    linearised,
    norm_bias,
    through_norm,
    written,
)
from .edge_vectors import attention_chain, head_vectors
from .packing import stack


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


def relative_gap(value: Any, truth: Any) -> Any:
    """Return the largest absolute difference over the largest absolute true value."""
    return ((value - truth).abs().max() / truth.abs().max().clamp_min(1e-30)).float()
