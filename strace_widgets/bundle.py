"""What the views read, as plain data: one bundle before the first drag, one evaluation after each request.

The shapes are described in ``docs/explorer-state.md``, which the TypeScript side shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .edges import Edges, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sweep import Sweep
    from .trace import STrace

Array = np.ndarray[Any, Any]

STRONGEST = 8
"""How many of a head's strongest edges are listed."""


def evaluation(sweep: Sweep, trace: STrace, toggles: Mapping[str, str]) -> dict[str, Any]:
    """Return the one row of a sweep as the views read it; the head is the union of both top lists."""
    subgraph, full = sweep.probabilities[0], sweep.full_probabilities
    ids = sorted({token.id for token in (*sweep.top[0], *trace.top)}, key=lambda i: (-float(subgraph[i]), i))
    return {
        "n_edges": int(sweep.n_edges[0]),
        "toggles": dict(toggles),
        "edges_kept": int(sweep.n_edges_kept[0]),
        "total_variation": float(sweep.total_variation[0]),
        "kl": float(sweep.kl[0]),
        "entropy": float(sweep.entropy[0]),
        "top1": bool(sweep.top1[0]),
        "nucleus": int(sweep.nucleus[0]),
        "head": [
            {
                "id": i,
                "token": trace.model.decode(i),
                "probability": float(subgraph[i]),
                "full_probability": float(full[i]),
            }
            for i in ids
        ],
    }


def bundle(trace: STrace, sweep: Sweep, settings: Mapping[str, Any], all_tokens: list[str]) -> dict[str, Any]:
    """Return everything that the views need before the first request, arrays as little-endian bytes.

    Parameters
    ----------
    trace : STrace
    sweep : Sweep
        The levels between which the views interpolate.
    settings : dict
        ``prompt``, ``importance``, ``masks`` and ``position``.
    all_tokens : list of str
        The whole prompt's tokens; the trace explains the one at ``position`` and sees those before it.
    """
    vocabulary = sorted({token.id for row in (*sweep.top, trace.top) for token in row})
    arrays: dict[str, Array] = {
        "level_n_edges": sweep.n_edges.astype(np.int32),
        "total_variation": sweep.total_variation.astype(np.float32),
        "kl": sweep.kl.astype(np.float32),
        "entropy": sweep.entropy.astype(np.float32),
        "top1": sweep.top1.astype(np.uint8),
        "nucleus": sweep.nucleus.astype(np.float32),
        "probabilities": sweep.probabilities[:, vocabulary],
        "full_probabilities": sweep.full_probabilities[vocabulary],
        **component_counts(trace.ranks, trace.graph, sweep.n_edges),
        **strongest_edges(trace),
    }
    return {
        "version": 1,
        "model": trace.model.name,
        **settings,
        "tokens": trace.tokens,
        "all_tokens": all_tokens,
        "n_layers": trace.graph.n_layers,
        "n_heads": trace.graph.n_heads,
        "n_tokens": trace.graph.n_tokens,
        "n_edges": trace.n_edges,
        "full_entropy": trace.entropy,
        "vocabulary": [trace.model.decode(i) for i in vocabulary],
        "vocabulary_ids": vocabulary,
        "landmarks": landmarks(sweep),
        "arrays": {name: _as_bytes(array) for name, array in arrays.items()},
    }


def landmarks(sweep: Sweep) -> list[dict[str, Any]]:
    """Return from where on the top token, the five leading tokens, TV <= 0.1 and the 60 % nucleus hold for good."""
    criteria = {
        "top1": sweep.top1,
        "top5": sweep.top_agreement(5) == 1,
        "tv": sweep.total_variation <= 0.1,  # noqa: PLR2004 - these figures are the landmarks' definition
        "nucleus60": sweep.nucleus >= 60,  # noqa: PLR2004
    }
    rows = {key: sweep.lasting(criterion) for key, criterion in criteria.items()}
    return [{"key": key, "n_edges": int(sweep.n_edges[row])} for key, row in rows.items() if row is not None]


def component_counts(ranks: Edges, graph: Graph, level_n_edges: Array) -> dict[str, Array]:
    """Count the edges of each head, each MLP and into each position, at each level and in all."""
    n_layers, n_heads, n_tokens, _ = graph
    exists = graph.exists()
    # An edge enters at the first level of more than `rank` edges; cumulative sums then give every level at once.
    entered = Edges(*(np.searchsorted(level_n_edges, kind, side="right") for kind in ranks))
    layers, heads, tokens = np.arange(n_layers), np.arange(n_heads), np.arange(n_tokens)
    head = (layers[:, None] * n_heads + heads)[:, :, None, None]
    position = layers[:, None] * n_tokens + tokens

    def counted(groups: list[tuple[Array, Array]], shape: tuple[int, ...]) -> Array:
        n_groups, n_levels = int(np.prod(shape)), len(level_n_edges)
        total = np.zeros((n_levels + 1) * n_groups, dtype=np.int64)
        for level, group in groups:
            total += np.bincount((level * n_groups + group).ravel(), minlength=len(total))
        return total.reshape(n_levels + 1, *shape)[:-1].cumsum(axis=0).astype(np.int32)

    per_position = [(kind, position) for kind in (entered.attention_residual, entered.mlp, entered.mlp_residual)]
    return {
        "head_edges": counted([(entered.attention, head)], (n_layers, n_heads)),
        "mlp_edges": counted([(entered.mlp, layers[:, None])], (n_layers,)),
        "position_edges": counted(
            [(entered.attention, position[:, None, :, None]), *per_position], (n_layers, n_tokens)
        ),
        "head_total": exists.attention[:, 0].sum(axis=(1, 2)).astype(np.int32),
        "mlp_total": exists.mlp.sum(axis=1).astype(np.int32),
        "position_total": sum(
            (kind.astype(np.int32) for kind in exists[1:]), exists.attention.sum(axis=(1, 3), dtype=np.int32)
        ),
    }


def strongest_edges(trace: STrace) -> dict[str, Array]:
    """List each head's strongest edges by weight, and the MLP edge of each token."""
    weights, ranks, n_tokens = trace.weights, trace.ranks, trace.ranks.n_tokens
    flat = weights.attention.reshape(weights.n_layers, weights.n_heads, -1)
    listed = min(STRONGEST, flat.shape[-1])
    order = np.argsort(-flat, axis=-1, kind="stable")[..., :listed]
    strength = np.take_along_axis(flat, order, axis=-1)
    rank = np.take_along_axis(ranks.attention.reshape(flat.shape), order, axis=-1)
    there = strength > 0
    return {
        "strongest_source": np.where(there, order % n_tokens, -1).astype(np.int32),
        "strongest_target": np.where(there, order // n_tokens, -1).astype(np.int32),
        "strongest_weight": strength.astype(np.float32),
        "strongest_rank": rank.astype(np.int32),
        "mlp_weight": weights.mlp.astype(np.float32),
        "mlp_rank": ranks.mlp.astype(np.int32),
    }


def _as_bytes(array: Array) -> dict[str, Any]:
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": little.tobytes()}
