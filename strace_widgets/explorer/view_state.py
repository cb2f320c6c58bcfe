"""What the views read, as plain data: one view state before the first drag, one evaluation after each request.

`strace_widgets.explorer.contract` has the shapes, which the TypeScript side shares.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

import numpy as np

from ..graph.counts import component_counts
from ..graph.edges import NOT_IN_GRAPH, Array, Edges
from ..graph.listing import listed
from ..results import criteria
from ..results.switching_off import figure_of, nothing_known
from . import targets
from .contract import DTYPES, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graph.modes import Modes
    from ..model.text.prompts import ReadPrompt
    from ..results.effects import Effects
    from ..results.strace import STrace
    from ..results.sweep import Sweep
    from .contract import (
        Arrays,
        Criterion,
        Dtype,
        EffectMap,
        EncodedArray,
        Evaluation,
        Landmark,
        Settings,
        Toggles,
        ViewState,
    )
    from .questions import NodeDetails

LANDMARKS: dict[Criterion, str] = {"top1": "top1", "top5": "top5", "tv": "tv0.1", "nucleus60": "nucleus60"}
"""The criteria whose necessary size is marked, by their names in the views and in `strace_widgets.results.criteria`."""

STRONGEST = 8
"""How many of a node's strongest edges are listed up front."""

DETAILED = 32
"""How many are listed when one node is asked for."""

STRIP_BYTES = 2_000_000
"""What the shares of edges kept into each position may take, however long the prompt is."""

DRAWN = 20_000
"""How many edges of the graph can be drawn, the first of the order; one takes 12 bytes."""

FEWEST_LEVELS = 8
"""Tokens share cells of the strip rather than leave it fewer levels than these."""


def evaluation(sweep: Sweep, trace: STrace, toggles: Mapping[str, str], row: int = 0) -> Evaluation:
    """Return one row of a sweep as the views read it; ``top`` is the union of both top lists and what is asked for."""
    subgraph, full = sweep.probabilities[row], sweep.full_probabilities
    listed = {token.id for token in (*sweep.top[row], *trace.top)} | _asked(trace)
    ids = sorted(listed, key=lambda i: (-float(subgraph[i]), i))
    return {
        "n_edges": int(sweep.n_edges[row]),
        "toggles": cast("Toggles", dict(toggles)),
        "edges_kept": int(sweep.n_edges_kept[row]),
        "total_variation": float(sweep.total_variation[row]),
        "kl": float(sweep.kl[row]) if np.isfinite(sweep.kl[row]) else None,
        "entropy": float(sweep.entropy[row]),
        "top1": bool(sweep.top1[row]),
        "nucleus": float(sweep.nucleus[row]),
        "top": [
            {
                "id": i,
                "token": trace.model.decode(i),
                "probability": float(subgraph[i]),
                "full_probability": float(full[i]),
            }
            for i in ids
        ],
        **targets.of_row(sweep, row),  # type: ignore[typeddict-item]
    }


def _asked(trace: STrace) -> set[int]:
    """Return the tokens that are asked for; those of a trace from a file may not be in its results."""
    return set() if trace.replayed else {*trace.contrast.target, *trace.contrast.foil}


class EdgeCounts(NamedTuple):
    """What the views read of a trace's edges, which no level changes: see `edge_counts`."""

    tokens_per_cell: int
    arrays: dict[str, Array]


def edge_counts(trace: STrace) -> EdgeCounts:
    """Count the edges at the standard sizes, and list the strongest of each node; that takes no forward pass."""
    n_edges = trace.kept(trace.standard_sizes())
    counts, position_edges = component_counts(trace.ranks, n_edges)
    tokens_per_cell, strip = position_shares(position_edges, n_edges)
    of_nodes = {**node_figures(trace), **strongest_edges(trace), **graph_edges(trace)}
    return EdgeCounts(tokens_per_cell, {"count_n_edges": n_edges, **counts, **strip, **of_nodes})


def view_state(
    trace: STrace,
    sweep: Sweep,
    settings: Settings,
    whole: ReadPrompt,
    counts: EdgeCounts | None = None,
    *,
    complete: bool = True,
) -> ViewState:
    """Return everything that the views need before the first request, arrays as little-endian bytes.

    Parameters
    ----------
    trace : STrace
    sweep : Sweep
        The levels between which the views interpolate.
    settings : dict
        See `strace_widgets.explorer.contract.Settings`.
    whole : ReadPrompt
        The whole prompt; the trace explains its token at ``position`` and sees those before it.
    counts : EdgeCounts, optional
        Those of the trace, where they are known.
    complete : bool
        Whether these are all levels.
    """
    tokens_per_cell, edges = counts or edge_counts(trace)
    vocabulary = sorted({token.id for row in (*sweep.top, trace.top) for token in row} | _asked(trace))
    arrays = {**_of_levels(sweep, vocabulary), **edges}
    return {
        "version": VERSION,
        "model": trace.model.name,
        # Without the user and password that an address may have.
        "server": urlsplit(trace.model.server.url).netloc.rpartition("@")[2] if trace.model.server else "",
        **settings,  # type: ignore[typeddict-item]  # it may lack what is asked
        "tokens": trace.tokens,
        "all_tokens": [trace.model.decode(int(i)) for i in whole.token_ids],
        "prompt_note": whole.origin.note,
        "prompt_warning": whole.origin.warning,
        "n_layers": trace.graph.n_layers,
        "n_heads": trace.graph.n_heads,
        "n_tokens": trace.graph.n_tokens,
        "parallel": trace.graph.parallel,
        "n_edges": trace.n_edges,
        "tokens_per_cell": tokens_per_cell,
        "full_entropy": trace.entropy,
        "vocabulary": [trace.model.decode(i) for i in vocabulary],
        "vocabulary_ids": vocabulary,
        "landmarks": landmarks(sweep) if len(sweep) > 1 else [],  # the whole graph alone says nothing of smaller sizes
        "levels_follow": not complete,
        "arrays": cast("Arrays", {name: encoded(array, DTYPES[name]) for name, array in arrays.items()}),
    }


def _of_levels(sweep: Sweep, vocabulary: list[int]) -> dict[str, Array]:
    found = targets.faithfulness(sweep)
    return {
        **({} if found is None else {"faithfulness": found}),
        "level_n_edges": sweep.n_edges,
        "total_variation": sweep.total_variation,
        "kl": sweep.kl,
        "entropy": sweep.entropy,
        "top1": sweep.top1,
        "nucleus": sweep.nucleus,
        "probabilities": sweep.probabilities[:, vocabulary],
        "full_probabilities": sweep.full_probabilities[vocabulary],
    }


def landmarks(sweep: Sweep) -> list[Landmark]:
    """Return from where on the top token, the five leading tokens, TV <= 0.1 and the 60 % nucleus hold for good."""
    found = {key: criteria.necessary_edges(sweep, criteria.named(name)) for key, name in LANDMARKS.items()}
    return [{"key": key, "n_edges": n_edges} for key, n_edges in found.items() if n_edges is not None]


def position_shares(
    position_edges: Array, level_n_edges: Array, most_bytes: int = STRIP_BYTES
) -> tuple[int, dict[str, Array]]:
    """Return the shares of edges kept into each position, and into each token, in 255ths.

    Where all of it would take more than ``most_bytes``, fewer levels are sent, and in the end neighbouring tokens share
    a cell. A share differs from the true one by less than 1/255, and is 0 only where no edge is kept.

    Parameters
    ----------
    position_edges : (K, L, T) array
        From `component_counts`.
    level_n_edges : (K,) array
    most_bytes : int

    Returns
    -------
    int
        How many tokens share a cell.
    dict of arrays
        ``strip_n_edges`` (J,) int32, the levels that are sent, the first and the last among them; ``strip_shares``
        (J, L, cells) uint8; ``token_shares`` (K, T) uint8.
    """
    n_levels, n_layers, n_tokens = position_edges.shape
    cells = max(1, most_bytes // (n_layers * min(FEWEST_LEVELS, n_levels)))
    tokens_per_cell = -(-n_tokens // cells)
    folded = np.add.reduceat(position_edges, np.arange(0, n_tokens, tokens_per_cell), axis=2)
    sent = max(2, min(n_levels, most_bytes // folded[0].size))
    rows = np.unique(np.linspace(0, n_levels - 1, sent).round().astype(int))
    into_tokens = position_edges.sum(axis=1)
    return tokens_per_cell, {
        "strip_n_edges": level_n_edges[rows].astype(np.int32),
        "strip_shares": _shares(folded[rows], folded[-1]),
        "token_shares": _shares(into_tokens, into_tokens[-1]),
    }


def _shares(counts: Array, total: Array) -> Array:
    return np.maximum(np.rint(255 * counts / np.maximum(total, 1)), counts > 0).astype(np.uint8)


def node_figures(trace: STrace) -> dict[str, Array]:
    """Return what each head, and after the heads the MLP, of each layer is besides its counts, (L, H + 1)."""
    into_last = np.abs(trace.weights.attention[:, :, -1]).sum(axis=2), np.abs(trace.weights.mlp[:, -1:])
    entry = [trace.ranks.attention.min(axis=(2, 3)) + 1, trace.ranks.mlp.min(axis=1, keepdims=True) + 1]
    return {
        "weight_into_last": np.concatenate(into_last, axis=1).astype(np.float32),
        "entry_n_edges": np.concatenate(entry, axis=1),
    }


def effect_map(effects: Effects) -> EffectMap | None:
    """Return the effects of components as the views read them; None where nothing is known."""
    if not effects.known.any():
        return None
    return {
        "answer": effects.answer.token,
        "rival": effects.rival.token,
        "known": encoded(effects.known, "uint8"),
        "total_variation": encoded(effects.total_variation, "float32"),
        "logit_change": encoded(effects.logit_change, "float32"),
    }


def effects_of(map_: Mapping[str, Any], trace: STrace, modes: Modes) -> Effects:
    """Return the effects of components under some modes from what a session file has of them.

    Raises
    ------
    ValueError, KeyError, TypeError
        When they are no effects, or those of another number of layers or heads.
    """
    _, nothing = nothing_known(trace, "component", trace.n_edges, modes)
    known, far, change = (decoded(map_[name]) for name in ("known", "total_variation", "logit_change"))
    if {array.shape for array in (known, far, change)} != {nothing.known.shape}:
        raise ValueError(f"effects of other shapes than {nothing.known.shape}")
    if (far < 0).any() or (far > 1).any():
        raise ValueError("effects that are not from 0 to 1")
    return replace(
        nothing,
        known=known.astype(bool),
        total_variation=far.astype(np.float64),
        logit_change=change.astype(np.float64),
        subgraph_total_variation=0.0,
        subgraph_logit_difference=float(figure_of(trace, trace.full_logits)),
    )


def strongest_edges(trace: STrace) -> dict[str, Array]:
    """List the strongest edges, by weight, of each head and, after the heads, of the MLP of each layer; -1 pads."""
    n_layers, n_heads, _, _ = trace.graph
    shape = (n_layers, n_heads + 1, STRONGEST)
    listed = {
        "strongest_source": np.full(shape, -1, dtype=np.int32),
        "strongest_target": np.full(shape, -1, dtype=np.int32),
        "strongest_weight": np.zeros(shape, dtype=np.float32),
        "strongest_rank": np.full(shape, NOT_IN_GRAPH, dtype=np.int32),
    }
    for layer in range(n_layers):
        for node in range(n_heads + 1):
            edges = _node_edges(trace, layer, None if node == n_heads else node, STRONGEST)
            for array, values in zip(listed.values(), edges, strict=True):
                array[layer, node, : len(values)] = values
    return listed


def graph_edges(trace: STrace, most: int = DRAWN) -> dict[str, Array]:
    """List the first edges of the order, at most so many, for the picture of the graph."""
    most = min(most, trace.n_edges)
    first = listed(Edges(*(kind < most for kind in trace.ranks)), trace.ranks, trace.weights)
    return {
        "graph_part": first.layer * (trace.graph.n_heads + 3) + first.part,
        "graph_link": first.target * trace.graph.n_tokens + first.source,
        "graph_weight": first.weight,
    }


def with_graph(saved: ViewState, trace: STrace) -> ViewState:
    """Return a view state from a file with the edges for the picture, which files of before do not have.

    Parameters
    ----------
    saved : dict
    trace : STrace
        What the file holds.
    """
    if "parallel" in saved:
        return saved
    edges = {name: encoded(array, DTYPES[name]) for name, array in graph_edges(trace).items()}
    as_text = {
        name: {**each, "data": base64.b64encode(cast("bytes", each["data"])).decode()} for name, each in edges.items()
    }
    return {**saved, "parallel": trace.graph.parallel, "arrays": cast("Arrays", {**saved["arrays"], **as_text})}


def node_details(trace: STrace, node: str) -> NodeDetails:
    """Return what one head or MLP does at full detail.

    Parameters
    ----------
    trace : STrace
    node : str
        ``"21.4"`` or ``"21.mlp"``, as `strace_widgets.graph.toggles` has checked it.

    Returns
    -------
    dict
        ``shares``, a number a token: the share of the node's weight, signs aside, that comes from it. ``edges``: the
        strongest, by weight, each ``{"source", "target", "weight", "rank"}``.
    """
    layer, part = node.split(".")
    head = None if part == "mlp" else int(part)
    weights = trace.weights.mlp[int(layer), None] if head is None else trace.weights.attention[int(layer), head]
    by_source = np.abs(weights).sum(axis=0, dtype=np.float64)
    edges = _node_edges(trace, int(layer), head, DETAILED)
    return {
        "shares": np.round(by_source / (by_source.sum() or 1.0), 6).tolist(),
        "edges": [
            {"source": source, "target": target, "weight": weight, "rank": rank}
            for source, target, weight, rank in zip(*(values.tolist() for values in edges), strict=True)
        ],
    }


def _node_edges(trace: STrace, layer: int, head: int | None, listed: int) -> tuple[Array, Array, Array, Array]:
    """Return source, target, weight and rank of the strongest edges of a head, or of a layer's MLP."""
    weights, ranks = (
        (edges.mlp[layer] if head is None else edges.attention[layer, head].ravel())
        for edges in (trace.weights, trace.ranks)
    )
    strength = np.where(ranks == NOT_IN_GRAPH, -np.inf, weights)
    listed = min(listed, int((ranks != NOT_IN_GRAPH).sum()))
    leading = np.argpartition(-strength, min(listed, len(strength) - 1))[:listed]
    order = leading[np.lexsort((leading, -strength[leading]))]
    target, source = (order, order) if head is None else np.divmod(order, trace.graph.n_tokens)
    return source, target, weights[order], ranks[order]


def encoded(array: Array, dtype: Dtype) -> EncodedArray:
    """Return an array as little-endian bytes of a kind."""
    little = np.ascontiguousarray(array).astype(np.dtype(dtype).newbyteorder("<"), copy=False)
    return {"dtype": dtype, "shape": list(array.shape), "data": little.tobytes()}


def decoded(array: EncodedArray | Mapping[str, Any]) -> Array:
    """Return an encoded array; in one that comes from a file its bytes are base64 text."""
    data = array["data"]
    raw = base64.b64decode(data) if isinstance(data, str) else data
    return np.frombuffer(raw, dtype=np.dtype(array["dtype"]).newbyteorder("<")).reshape(array["shape"])
