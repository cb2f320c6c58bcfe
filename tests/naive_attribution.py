"""Edge attribution patching written down a second time, slowly: a multiplier for every edge, and its derivative.

Shares no code with the package; takes models apart as `naive_reference` does.
"""

from __future__ import annotations

import itertools

import torch
from naive_reference import (
    Edge,
    attention_pieces,
    bias_of,
    embed,
    linearised,
    output_projection,
    take_apart,
)
from torch import Tensor, nn

Run = tuple[Tensor, dict[Edge, Tensor], dict[Edge, Tensor]]


def run_with_multipliers(
    model: nn.Module,
    token_ids: list[int],
    share: float = 1.0,
    carried: dict[Edge, Tensor] | None = None,
    faded_to: list[int] | None = None,
) -> Run:
    """Return the last logits (V,), a multiplier of each edge, which is 1, and what each edge carries.

    An edge carries its multiplier times its vector. With the embeddings times ``share`` (or that much of the way from
    those of another prompt), and what edges carry in another run, the multipliers are 0, and the other run's vectors
    are what they multiply.
    """
    parts = take_apart(model)
    embedded, angles = embed(parts, token_ids)
    start = torch.zeros_like(embedded) if faded_to is None else embed(parts, faded_to)[0]
    x = (start + share * (embedded - start)).detach()
    tokens = range(len(x))
    multipliers: dict[Edge, Tensor] = {}
    vectors: dict[Edge, Tensor] = {}

    def through(edge: Edge, vector: Tensor) -> Tensor:
        vectors[edge] = vector.detach()
        multipliers[edge] = torch.tensor(1.0 if carried is None else 0.0, requires_grad=True)
        if carried is None:
            return multipliers[edge] * vector
        return vector + multipliers[edge] * carried[edge]

    for layer, block in enumerate(parts.blocks):
        probabilities, given = attention_pieces(parts, block, block.before_attention(x), angles)
        attended, into = [], []
        for t in tokens:
            pieces = {
                ("attention", layer, t, s, h): probabilities[h, t, s] * given[h, s]
                for s, h in itertools.product(range(t + 1), range(parts.n_heads))
            }
            bias = bias_of(output_projection(block.attention), x[0])
            if isinstance(block.after_attention, nn.Identity):
                attended.append(bias + sum(through(edge, piece) for edge, piece in pieces.items()))
                continue
            # An edge enters its node after the norm, whose scale it does not move: what it would carry is added there.
            attended.append(bias + sum(pieces.values()))
            after = linearised(block.after_attention, attended[t].detach())
            fixed = {edge: after(piece.detach()) for edge, piece in pieces.items()}
            into.append(sum(through(edge, piece) - piece for edge, piece in fixed.items()))
        written = block.after_attention(torch.stack(attended))
        written = written if not into else written + torch.stack(into)
        middle = torch.stack([through(("attention_residual", layer, t, t, -1), x[t]) for t in tokens]) + written
        mlp = block.after_mlp(block.mlp(block.before_mlp(x if parts.parallel else middle)))
        mlp = torch.stack([through(("mlp", layer, t, t, -1), mlp[t]) for t in tokens])
        if not parts.parallel:
            middle = torch.stack([through(("mlp_residual", layer, t, t, -1), middle[t]) for t in tokens])
        x = middle + mlp
    return parts.head(parts.final_norm(x[-1])), multipliers, vectors


def slopes(figure: Tensor, multipliers: dict[Edge, Tensor]) -> dict[Edge, Tensor]:
    """Return the derivative of a figure with respect to each multiplier that it depends on."""
    found = torch.autograd.grad(figure, list(multipliers.values()), allow_unused=True)
    return {edge: slope for edge, slope in zip(multipliers, found, strict=True) if slope is not None}


def patched(model: nn.Module, token_ids: list[int]) -> dict[Edge, float]:
    """Return |d log p / d multiplier| of every edge that matters, for the most probable token."""
    logits, multipliers, _ = run_with_multipliers(model, token_ids)
    return {edge: abs(float(slope)) for edge, slope in slopes(logits.log_softmax(-1).max(), multipliers).items()}


def integrated(model: nn.Module, token_ids: list[int], steps: int) -> dict[Edge, float]:
    """Return the size of the mean over k of dKL / d multiplier, at the embeddings times k / steps."""
    full, _, vectors = run_with_multipliers(model, token_ids)
    p = full.detach().softmax(-1)
    total: dict[Edge, float] = {}
    for step in range(1, steps + 1):
        logits, multipliers, _ = run_with_multipliers(model, token_ids, step / steps, vectors)
        divergence = (p * (p.log() - logits.log_softmax(-1))).sum()
        for edge, slope in slopes(divergence, multipliers).items():
            total[edge] = total.get(edge, 0.0) + float(slope)
    return {edge: abs(slope) / steps for edge, slope in total.items()}
