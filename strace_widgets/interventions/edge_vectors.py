"""What the edges of a layer carry, and how a vector is scored against the node that it enters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from .access import find, linear_map, linearised, norm_bias, through_norm
from .block import walk
from .masked import mask_heads, mask_mlp, mask_residual

if TYPE_CHECKING:
    from collections.abc import Callable


class LayerVectors(NamedTuple):
    """What the edges of one layer carry, and the nodes that they enter, in float32.

    Attributes
    ----------
    factors : (H, T, T) tensor
        A[h, t, s] r[t].
    heads : callable
        From a head to its u[s], (T, M): head h carries ``factors[h, t, s] * heads(h)[s]`` from s to t. From None to
        those of all heads, (H, T, M).
    attention_residual, mlp, mlp_residual : (T, M) tensors
    attention_node, mlp_node : (T, M) tensors
        In a parallel block both are its one node.
    handles : two pairs of a tensor and a number
        `strace_widgets.interventions.block.Addition.handle` of the attention and of the MLP.
    last : LayerVectors or None
        What the same edges carry in the last row of the batch, where that was asked for.
    """

    factors: Any
    heads: Callable[[int | None], Any]
    attention_residual: Any
    mlp: Any
    mlp_residual: Any
    attention_node: Any
    mlp_node: Any
    handles: tuple[Any, Any]
    last: Any = None


def layer_vectors(
    model: Any,
    architecture: dict[str, Any],
    index: int,
    through_final: bool = True,  # noqa: FBT001, FBT002
    keep: Any = None,
    last: bool = False,  # noqa: FBT001, FBT002
) -> LayerVectors:
    """Walk through one layer and return what its edges carry in the first row of the batch.

    The vectors of the last layer are read through the final norm, linearised at the true output, unless
    ``through_final`` says no. With ``keep``, masks of this layer's edges, (1, H, T, T) and three (1, T), the run goes
    on without the others; their vectors are read all the same, and a node is then what the kept ones add up to.
    """
    layer = find(model, architecture["layers"])[index]
    steps = walk(layer, architecture)
    heads = next(steps)
    values, probabilities = heads.read()
    if keep is not None:
        mask_heads(heads, keep[0])
    to_stream = [heads_to_stream(layer, architecture, row) for row in ((0, -1) if last else (0,))]
    attention = next(steps)
    if keep is not None:
        mask_residual(attention, keep[1])
    mlp = next(steps)
    mlp_output = mlp.added
    if keep is not None:
        mask_mlp(mlp, keep[2], None if architecture["parallel"] else keep[3])
    after, parallel, final = mlp.node(), architecture["parallel"], None
    if through_final and index == architecture["n_layers"] - 1 and architecture["final_norm"] is not None:
        norm = find(model, architecture["final_norm"]["path"])
        final = linearised(norm, architecture["final_norm"], after[0, -1:])

    def read(vectors: Any, into_output: bool) -> Any:  # noqa: FBT001
        return through_norm(vectors, final) if final is not None and into_output else vectors.float()

    def of_row(row: int) -> LayerVectors:
        def head(number: int | None) -> Any:
            return read(head_vectors(values[row], to_stream[row], number), parallel)

        return LayerVectors(
            factors=scaled(probabilities[row], to_stream[row].row),
            heads=head,
            attention_residual=read(attention.residual[row], parallel),
            mlp=read(mlp_output[row], True),  # noqa: FBT003
            mlp_residual=read(mlp.residual[row], True),  # noqa: FBT003
            attention_node=read((mlp if parallel else attention).node()[row], parallel),
            mlp_node=read(after[row], True),  # noqa: FBT003
            handles=(attention.handle, mlp.handle),
        )

    return of_row(0)._replace(last=of_row(-1) if last else None)


def scaled(probabilities: Any, row: Any) -> Any:
    """Return attention probabilities times the scalar of each target token; not copied where that is 1."""
    return probabilities.float() * row if torch.is_tensor(row) else probabilities.float()


class HeadsToStream(NamedTuple):
    """The linear map from each head's values to the stream, norms on the way held fixed at their true input.

    Attributes
    ----------
    weights : (M, H, d) tensor
    row : (T, 1) tensor, or 1
        The scalar of each target token.
    constant : (T, M) or (M,) tensor, or 0
        What the biases on the way add to the node whatever the heads say.
    """

    weights: Any
    row: Any
    constant: Any


def heads_to_stream(layer: Any, architecture: dict[str, Any], number: int = 0) -> HeadsToStream:
    """Return the map from a layer's heads to the stream: inner norm, output projection, outer norm, scale.

    Norms are held fixed at their input in the row of the batch that has the number.
    """
    row, constant = 1.0, 0.0
    inner, outer, scale = (architecture[part] for part in ("inner_norm", "outer_norm", "attention_scale"))
    if inner is not None:
        norm = find(layer, inner["path"])
        read = norm.input[number]
        inner_linear, inner_bias = linearised(norm, inner, read), norm_bias(norm, read)
        row = inner_linear.row
    projection = find(layer, architecture["output_projection"])
    weight, bias = linear_map(projection, architecture["projection_read"])
    if inner is not None:
        constant = 0.0 if inner_bias is None else weight @ inner_bias
        weight = weight * inner_linear.gain
    constant = constant if bias is None else constant + bias
    if outer is not None:
        norm, written = find(layer, outer["path"]), projection.output[number]
        linear = linearised(norm, outer, written)
        weight = weight - weight.mean(0, keepdim=True) if linear.centred else weight
        weight = weight * (linear.gain[:, None] if torch.is_tensor(linear.gain) else linear.gain)
        if torch.is_tensor(constant):
            constant = through_norm(constant, linear)
        bias = norm_bias(norm, written)
        constant = constant if bias is None else constant + bias
        row = row * linear.row
    if scale != 1:
        weight, constant = weight * scale, constant * scale
    return HeadsToStream(weight.reshape(weight.shape[0], architecture["n_heads"], -1), row, constant)


def head_vectors(value: Any, to_stream: HeadsToStream, head: int | None) -> Any:
    """Return u[s] (T, M) of one head: one at a time bounds the memory. Values are (key-value heads, T, d).

    None stands for all of them, (H, T, M), which takes less time where they are small.
    """
    weights = to_stream.weights
    if head is None:
        return value.float().repeat_interleave(weights.shape[1] // value.shape[0], dim=0) @ weights.permute(1, 2, 0)
    return value[head // (weights.shape[1] // value.shape[0])].float() @ weights[:, head].T


# Scores of edges: each needs the vector and the node that it enters.


def score_vectors(score: str, vectors: Any, node: Any) -> Any:
    """Score the vectors (T, M) that enter the nodes (T, M), one each; returns (T,).

    ``l1`` and ``l2``: the norm. ``proximity``: ||node||_1 - ||node - vector||_1. ``cosine``: of the angle between
    vector and node. ``projection``: vector . node / ||node||_2, signed.
    """
    if score == "l1":
        return vectors.abs().sum(-1)  # a fourth of what `vector_norm` takes
    if score == "l2":
        return torch.linalg.vector_norm(vectors, dim=-1)
    if score == "proximity":
        return node.abs().sum(-1) - (node - vectors).abs().sum(-1)
    along = (vectors * node).sum(-1) / torch.linalg.vector_norm(node, dim=-1).clamp_min(1e-30)
    if score == "projection":
        return along
    return along / torch.linalg.vector_norm(vectors, dim=-1).clamp_min(1e-30)


def score_factored(score: str, factors: Any, vectors: Any, node: Any) -> Any:
    """Score the edges ``factors[t, s] * vectors[s]`` into the nodes (T, M) of one head; returns (T, T)."""
    if score in {"l1", "l2"}:
        return factors.abs() * score_vectors(score, vectors, node)
    if score == "proximity":  # does not factor: one target at a time bounds the memory to (T, M)
        targets = [score_vectors(score, factors[t, :, None] * vectors, node[t]) for t in range(len(node))]
        return torch.stack(targets)
    along = node @ vectors.T / torch.linalg.vector_norm(node, dim=-1, keepdim=True).clamp_min(1e-30)
    if score == "projection":
        return factors * along
    cosine = along / torch.linalg.vector_norm(vectors, dim=-1).clamp_min(1e-30)
    return cosine * torch.sign(factors)
