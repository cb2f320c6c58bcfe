"""What the edges of a layer carry, and how a vector is scored against its node.

Like `strace_widgets.interventions`, which builds on it, this travels to a server as source.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import (
    attention_call,
    attention_probabilities,
    carried,
    find,
    linear_map,
    linearised,
    norm_bias,
    replace_heads,
    rewrite,
    sublayer_output,
    through_norm,
    written,
)


def layer_vectors(
    model: Any,
    places: dict[str, Any],
    index: int,
    through_final: bool = True,  # noqa: FBT001, FBT002
    keep: Any = None,
) -> tuple[Any, ...]:
    """Return what the edges of one layer carry, and the nodes that they enter, in float32.

    Those of the last layer are read through the final norm unless ``through_final`` says no. With ``keep``, masks of
    this layer's edges, (H, T, T) and three (T,), the run goes on without the others; their vectors are read all the
    same, and a node is then what the kept ones add up to.

    Returns
    -------
    factors : (H, T, T) tensor
        A[h, t, s] r[t].
    heads : callable
        From a head to its u[s], (T, M): head h carries ``factors[h, t, s] * heads(h)[s]`` from s to t.
    attention_residual, mlp, mlp_residual : (T, M) tensors
    attention_node, mlp_node : (T, M) tensors
        In a parallel block both are its one node.
    handles : two pairs of a tensor and a number
        What attention and MLP add to their nodes, as the run has it, with its derivatives, and the scale that follows.
    """
    layer = find(model, places["layers"])[index]
    residual = carried(layer, places, "attention", layer.input)
    call = attention_call(layer, places)
    value, probabilities = call.inputs[0][places["value_argument"]], attention_probabilities(call)
    if keep is not None:
        keep_attention = keep[0].to(residual)
        keep_residual, keep_mlp, keep_mlp_residual = [mask[:, None].to(residual) for mask in keep[1:]]
        by_head = value.repeat_interleave(places["n_heads"] // value.shape[1], dim=1)
        replace_heads(call, places, (probabilities * keep_attention).to(value.dtype) @ by_head)
    chain = attention_chain(layer, places)
    added = written(layer, places, "attention", residual)
    if keep is not None:
        added = added - (1 - keep_residual) * residual
        rewrite(layer, places, "attention", added)
    # What moves a node as the node itself moves: by how much, the scale says.
    handles = [(sublayer_output(layer, places, "attention"), places["attention_scale"]) if keep is None else (added, 1)]
    middle = residual + added
    mlp_residual = middle if places["parallel"] else carried(layer, places, "mlp", middle)
    mlp = added = written(layer, places, "mlp", residual)
    if keep is not None:
        dropped = 0 if places["parallel"] else (1 - keep_mlp_residual) * mlp_residual
        added = mlp * keep_mlp - dropped
        rewrite(layer, places, "mlp", added)
    handles.append((sublayer_output(layer, places, "mlp"), places["mlp_scale"]) if keep is None else (added, 1))
    after = mlp_residual + added
    value, probabilities = value[0], probabilities[0]
    final = None
    if through_final and index == places["n_layers"] - 1 and places["final_norm"] is not None:
        # The output node is read through the final norm, linearised at the true output.
        final = linearised(find(model, places["final_norm"]["path"]), places["final_norm"], after[0, -1:])
    residual, middle, mlp, mlp_residual, after = [x[0].float() for x in (residual, middle, mlp, mlp_residual, after)]
    if final is not None:
        mlp, mlp_residual, after = [through_norm(vectors, final) for vectors in (mlp, mlp_residual, after)]
    if places["parallel"]:
        middle = after
        residual = residual if final is None else through_norm(residual, final)

    def heads(head: int) -> Any:
        vectors = head_vectors(value, chain, head)
        return through_norm(vectors, final) if places["parallel"] and final is not None else vectors

    return probabilities.float() * chain["row"], heads, residual, mlp, mlp_residual, middle, after, handles


def attention_chain(layer: Any, places: dict[str, Any]) -> dict[str, Any]:
    """Return the linear map from each head's values to the stream, norms on the way held fixed at their true input.

    Returns
    -------
    dict
        ``heads`` (M, H, d), ``row`` (T, 1), the scalar of each target, and ``constant`` (T, M) or (M,), what the biases
        on the way add to the node whatever the heads say.
    """
    row, constant = 1.0, 0.0
    if places["inner_norm"] is not None:
        norm = find(layer, places["inner_norm"]["path"])
        inner_row, inner_gain, _ = linearised(norm, places["inner_norm"], norm.input[0])
        inner_bias, row = norm_bias(norm, norm.input[0]), inner_row
    projection = find(layer, places["output_projection"])
    written_before = projection.output[0]
    weight, bias = linear_map(projection, places["transposed_projection"], written_before)
    if places["inner_norm"] is not None:
        constant = 0.0 if inner_bias is None else weight @ inner_bias
        weight = weight * inner_gain
    constant = constant if bias is None else constant + bias
    if places["outer_norm"] is not None:
        norm = find(layer, places["outer_norm"]["path"])
        outer_row, gain, centred = linearised(norm, places["outer_norm"], written_before)
        weight = weight - weight.mean(0, keepdim=True) if centred else weight
        weight = weight * (gain[:, None] if torch.is_tensor(gain) else gain)
        if torch.is_tensor(constant):
            constant = through_norm(constant, (outer_row, gain, centred))
        bias = norm_bias(norm, written_before)
        constant = constant if bias is None else constant + bias
        row = row * outer_row
    if places["attention_scale"] != 1:
        weight, constant = weight * places["attention_scale"], constant * places["attention_scale"]
    return {"heads": weight.reshape(weight.shape[0], places["n_heads"], -1), "row": row, "constant": constant}


def head_vectors(value: Any, chain: dict[str, Any], head: int) -> Any:
    """Return u[s] (T, M) of one head: one at a time bounds the memory. Values are (key-value heads, T, d)."""
    by_head = chain["heads"]
    return value[head // (by_head.shape[1] // value.shape[0])].float() @ by_head[:, head].T


# Scores of edges: each needs the vector and the node that it enters.


def score_vectors(score: str, vectors: Any, node: Any) -> Any:
    """Score the vectors (T, M) that enter the nodes (T, M), one each; returns (T,).

    ``l1`` and ``l2``: the norm. ``proximity``: ||node||_1 - ||node - vector||_1. ``cosine``: of the angle between
    vector and node. ``projection``: vector . node / ||node||_2, signed.
    """
    if score in {"l1", "l2"}:
        return torch.linalg.vector_norm(vectors, ord=int(score[1]), dim=-1)
    if score == "proximity":
        return node.abs().sum(-1) - (node - vectors).abs().sum(-1)
    along = (vectors * node).sum(-1) / torch.linalg.vector_norm(node, dim=-1).clamp_min(1e-30)
    if score == "projection":
        return along
    return along / torch.linalg.vector_norm(vectors, dim=-1).clamp_min(1e-30)


def score_factored(score: str, factors: Any, vectors: Any, node: Any) -> Any:
    """Score the edges ``factors[t, s] * vectors[s]`` into the nodes (T, M) of one head; returns (T, T)."""
    if score in {"l1", "l2"}:
        return factors.abs() * torch.linalg.vector_norm(vectors, ord=int(score[1]), dim=-1)
    if score == "proximity":  # does not factor: one target at a time bounds the memory to (T, M)
        targets = [score_vectors(score, factors[t, :, None] * vectors, node[t]) for t in range(len(node))]
        return torch.stack(targets)
    along = node @ vectors.T / torch.linalg.vector_norm(node, dim=-1, keepdim=True).clamp_min(1e-30)
    if score == "projection":
        return factors * along
    cosine = along / torch.linalg.vector_norm(vectors, dim=-1).clamp_min(1e-30)
    return cosine * torch.sign(factors)
