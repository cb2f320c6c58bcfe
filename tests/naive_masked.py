"""Masked runs written down a second time, slowly: what a model predicts without some edges, and what edges gain it.

Shares no code with the package; takes models apart as `naive_reference` does.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from naive_reference import Edge, attention_pieces, bias_of, embed, output_projection, take_apart, true_attention
from torch import Tensor, nn


@dataclass(frozen=True)
class Means:
    """The mean of what each kind of edge carries in a layer: (..., 2, D), at position 0 and over those after it."""

    given: Tensor
    attention_residual: Tensor
    mlp: Tensor
    mlp_residual: Tensor


@dataclass(frozen=True)
class Run:
    """What a layer's edges carry in a run without masks: probabilities (H, T, T), W_O v (H, T, D), and three (T, D)."""

    probabilities: Tensor
    given: Tensor
    attention_residual: Tensor
    mlp: Tensor
    mlp_residual: Tensor


@torch.no_grad()
def layer_runs(model: nn.Module, token_ids: list[int]) -> list[Run]:
    """Return what every edge carries in the run of a prompt, layer by layer."""
    parts = take_apart(model)
    x, angles = embed(parts, token_ids)
    runs = []
    for block in parts.blocks:
        normed = block.before_attention(x)
        probabilities, given = attention_pieces(parts, block, normed, angles)
        middle = x + block.after_attention(true_attention(block, normed, angles))
        mlp = block.after_mlp(block.mlp(block.before_mlp(x if parts.parallel else middle)))
        runs.append(Run(probabilities, given, x, mlp, middle))
        x = middle + mlp
    return runs


def layer_means(model: nn.Module, token_ids: list[int]) -> list[Means]:
    """Return the means over a text, layer by layer; a head's is that of W_O^h v, which is linear in v."""

    def two_rows(vectors: Tensor) -> Tensor:
        rest = vectors[..., 1:, :].unbind(-2)
        return torch.stack([vectors[..., 0, :], sum(rest) / len(rest)], dim=-2)

    return [
        Means(*map(two_rows, (run.given, run.attention_residual, run.mlp, run.mlp_residual)))
        for run in layer_runs(model, token_ids)
    ]


@torch.no_grad()
def patched_logits(
    model: nn.Module, token_ids: list[int], other_ids: list[int], kept: set[Edge], *, values_only: bool = False
) -> Tensor:
    """Return the last logits (V,) when the edges that are not `kept` carry what they carry after another prompt."""
    parts = take_apart(model)
    x, angles = embed(parts, token_ids)
    tokens = range(len(x))
    for layer, (block, other) in enumerate(zip(parts.blocks, layer_runs(model, other_ids), strict=True)):
        probabilities, given = attention_pieces(parts, block, block.before_attention(x), angles)
        attended = [torch.zeros_like(x[0]) + bias_of(output_projection(block.attention), x[0]) for _ in tokens]
        for t in tokens:
            for s, h in itertools.product(range(t + 1), range(parts.n_heads)):
                if ("attention", layer, t, s, h) in kept:
                    vector = probabilities[h, t, s] * given[h, s]
                else:
                    vector = (probabilities if values_only else other.probabilities)[h, t, s] * other.given[h, s]
                attended[t] = attended[t] + vector

        def carry(kind: str, vectors: Tensor, layer: int = layer, other: Run = other) -> Tensor:
            instead = getattr(other, kind)
            return torch.stack([(vectors if (kind, layer, t, t, -1) in kept else instead)[t] for t in tokens])

        middle = carry("attention_residual", x) + block.after_attention(torch.stack(attended))
        mlp = carry("mlp", block.after_mlp(block.mlp(block.before_mlp(x if parts.parallel else middle))))
        x = (middle if parts.parallel else carry("mlp_residual", middle)) + mlp
    return parts.head(parts.final_norm(x[-1]))


def masked_logits(
    model: nn.Module,
    token_ids: list[int],
    kept: set[Edge] | dict[Edge, Tensor],
    *,
    mask_attention: bool = True,
    keep_residual: bool = False,
    means: list[Means] | None = None,
) -> Tensor:
    """Return the logits (V,) at the last position when the edges that are not `kept` carry nothing, or the means.

    Of edges with a number each, a share of that size is kept.
    """
    shares: dict[Edge, Any] = kept if isinstance(kept, dict) else dict.fromkeys(kept, 1.0)
    with torch.set_grad_enabled(isinstance(kept, dict)):
        return _logits(model, token_ids, shares, mask_attention, keep_residual, means)


def _logits(
    model: nn.Module,
    token_ids: list[int],
    shares: dict[Edge, Any],
    mask_attention: bool,
    keep_residual: bool,
    means: list[Means] | None,
) -> Tensor:
    parts = take_apart(model)
    x, angles = embed(parts, token_ids)
    tokens = range(len(x))
    for layer, block in enumerate(parts.blocks):
        # Softmax over all keys of this masked run; the dropped products are then left out, without renormalising.
        probabilities, given = attention_pieces(parts, block, block.before_attention(x), angles)
        # The bias belongs to no edge: it is never masked.
        attended = [torch.zeros_like(x[0]) + bias_of(output_projection(block.attention), x[0]) for _ in tokens]
        for t in tokens:
            for s, h in itertools.product(range(t + 1), range(parts.n_heads)):
                share = shares.get(("attention", layer, t, s, h), 0.0) if mask_attention else 1.0
                attended[t] = attended[t] + share * probabilities[h, t, s] * given[h, s]
                if means:
                    instead = means[layer].given[h, min(s, 1)]
                    attended[t] = attended[t] + (1 - share) * probabilities[h, t, s] * instead

        def carry(kind: str, vectors: Tensor, layer: int = layer) -> Tensor:
            """Return what each token's one edge of a kind carries in this layer."""
            rows = []
            for t in tokens:
                always = keep_residual and kind.endswith("residual")
                instead = getattr(means[layer], kind)[min(t, 1)] if means else torch.zeros_like(vectors[t])
                share = 1.0 if always else shares.get((kind, layer, t, t, -1), 0.0)
                rows.append(share * vectors[t] + (1 - share) * instead)
            return torch.stack(rows)

        middle = carry("attention_residual", x) + block.after_attention(torch.stack(attended))
        mlp = carry("mlp", block.after_mlp(block.mlp(block.before_mlp(x if parts.parallel else middle))))
        x = (middle if parts.parallel else carry("mlp_residual", middle)) + mlp
    return parts.head(parts.final_norm(x[-1]))


def subgraph_gains(
    model: nn.Module, token_ids: list[int], kept: set[Edge], edges: list[Edge], full_logits: Tensor, **modes: Any
) -> tuple[dict[Edge, float], float]:
    """Return minus the derivative of a subgraph's Hellinger distance by the share of each edge, and its distance."""
    shares = {edge: torch.tensor(float(edge in kept), requires_grad=True) for edge in edges}
    p, q = full_logits.softmax(-1), masked_logits(model, token_ids, shares, **modes).softmax(-1)
    distance = ((p.sqrt() - q.sqrt()).pow(2).sum() / 2).sqrt()
    found = torch.autograd.grad(distance, list(shares.values()), allow_unused=True)
    return {edge: 0.0 if slope is None else -slope.item() for edge, slope in zip(shares, found, strict=True)}, (
        (p - q).abs().sum().item() / 2
    )
