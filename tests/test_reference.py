"""The fast engine against the deliberately naive reference, which shares no code with it."""

from __future__ import annotations

from typing import Any

import naive_case
import naive_masked
import naive_reference
import numpy as np
import pytest

import strace_widgets as sw
from strace_widgets.graph.measures import MEASURES, weigh
from strace_widgets.graph.modes import Modes

PROMPT = [5, 17, 3, 88, 41, 2]


@pytest.mark.parametrize("order", [1, 2])
def test_weights_and_order_agree(pair: tuple[Any, Any], order: int) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT, importance=f"l{order}")
    ours = naive_case.as_dict(trace.weights, trace.graph)
    naive = naive_reference.edge_weights(module, PROMPT, order=order)
    assert ours.keys() == naive.keys()
    for edge, weight in naive.items():
        assert ours[edge] == pytest.approx(weight, rel=1e-4, abs=1e-7), edge
    # On the same weights the order is the same; from two sums of floats near-equal edges may swap.
    assert [naive_case.value_of(trace.ranks, edge) for edge in naive_reference.best_first(ours)] == list(
        range(trace.n_edges)
    )
    assert naive_reference.edge_vectors_gap(module, PROMPT) <= 1e-4


@pytest.fixture(scope="module")
def means(pair: tuple[Any, Any]) -> list[naive_masked.Means]:
    module, model = pair
    return naive_masked.layer_means(module, model.reference_ids().tolist())


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("mask_attention", [True, False])
@pytest.mark.parametrize("keep_residual", [True, False])
@pytest.mark.parametrize("size", [0.1, 0.4, 0.8, 1.0])
def test_masked_logits_agree(
    pair: tuple[Any, Any],
    means: list[naive_masked.Means],
    mask_attention: bool,
    keep_residual: bool,
    size: float,
    ablation: str,
) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT).random(seed=1)  # a random order drops residual edges early, a trace late
    kept = {
        edge for edge, rank in naive_case.as_dict(trace.ranks, trace.graph).items() if rank < int(size * trace.n_edges)
    }
    naive = naive_masked.masked_logits(
        module,
        PROMPT,
        kept,
        mask_attention=mask_attention,
        keep_residual=keep_residual,
        means=means if ablation == "mean" else None,
    )
    modes = Modes(
        masks="all" if mask_attention else "mlp+residual",
        residual="kept" if keep_residual else "traced",
        ablation=ablation,
    )
    ours = model.evaluate(trace.token_ids, trace.ranks, np.array([int(size * trace.n_edges)]), None, modes)[0]
    np.testing.assert_allclose(ours, naive.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("measure", ["l1", "l2", "proximity", "proximity-unclamped", "cosine", "projection"])
def test_measures_agree_with_explicit_vectors(pair: tuple[Any, Any], measure: str) -> None:
    """Each measure from its definition, on the vectors of one node built one by one."""
    _, model = pair
    trace = sw.trace(model, PROMPT, importance=measure)
    captured, _ = model.capture_vectors(trace.token_ids)
    layer, target = 1, 4
    vectors = {("attention_residual", layer, target, target, -1): captured.attention_residual[layer, target]}
    if trace.graph.parallel:
        vectors["mlp", layer, target, target, -1] = captured.mlp[layer, target]
    for head in range(trace.graph.n_heads):
        for source in range(target + 1):
            vector = captured.factors[layer, head, target, source] * captured.heads[layer, head, source]
            vectors["attention", layer, target, source, head] = vector
    node = captured.attention_node[layer, target]
    bias = node - sum(vectors.values())
    assert np.abs(bias).max() < 10 * np.abs(node).max()
    expected = dict(zip(vectors, by_definition(measure, list(vectors.values()), node), strict=True))
    for edge, weight in expected.items():
        assert naive_case.value_of(trace.weights, edge) == pytest.approx(weight, rel=1e-3, abs=1e-5), edge


def by_definition(measure: str, vectors: list[Any], node: Any) -> Any:
    stacked = np.stack(vectors).astype(np.float64)
    if measure in {"l1", "l2"}:
        scores = np.linalg.norm(stacked, ord=int(measure[1]), axis=1)
        return scores / scores.sum()
    if measure.startswith("proximity"):
        scores = np.abs(node).sum() - np.abs(node - stacked).sum(axis=1)
        scores = scores + abs(scores.min()) if measure.endswith("unclamped") else np.maximum(scores, 0)
        return scores / scores.sum()
    projection = stacked @ node / np.linalg.norm(node)
    if measure == "projection":
        return projection
    return (1 + projection / np.linalg.norm(stacked, axis=1)) / 2


def test_a_measure_of_ones_own_reproduces_l1(pair: tuple[Any, Any]) -> None:
    _, model = pair

    def own(captured: Any) -> sw.Edges:
        norms = np.abs(captured.heads).sum(-1)
        vectors = (captured.attention_residual, captured.mlp, captured.mlp_residual)
        edges = sw.Edges(captured.factors * norms[:, :, None, :], *(np.abs(v).sum(-1) for v in vectors))
        return weigh(edges, graph, MEASURES["l1"])

    named = sw.trace(model, PROMPT)
    graph = named.graph
    trace = sw.trace(model, PROMPT, importance=own)
    assert trace.importance == "own"
    for ours, theirs in zip(trace.weights, named.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
