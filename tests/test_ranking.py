"""The order is that of a plain heap of edges, whatever the weights and however many threads share the work."""

from __future__ import annotations

from typing import Any

import naive_case
import naive_reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.graph._best_first import FEW, best_first
from strace_widgets.graph.edges import NOT_IN_GRAPH, Edges, Graph
from strace_widgets.graph.ranking import nowhere, rank_edges

graphs = st.builds(Graph, st.integers(1, 4), st.integers(1, 4), st.integers(1, 12), st.booleans())

DRAWN = {
    "all alike": lambda random, size: np.full(size, random.random()),
    "a few values": lambda random, size: random.integers(0, 4, size) / 4,
    "a few values of both signs": lambda random, size: random.integers(-3, 4, size) / 4,
    "zeros of both signs, and the smallest number": lambda random, size: random.choice([0.0, -0.0, 1e-45], size),
    "rounded": lambda random, size: np.round(random.random(size), 1),
    "steps of magnitude": lambda random, size: np.exp(-random.integers(0, 40, size)),
    "uniform": lambda random, size: random.random(size),
    "a few that differ in the last bits": lambda random, size: 1 - random.integers(0, 9, size) * 2.0**-24,
}


def drawn(graph: Graph, how: str, seed: int) -> Edges:
    """Draw weights for all places, also those where there is no edge."""
    random = np.random.default_rng(seed)
    per_token = (graph.n_layers, graph.n_tokens)
    attention = (graph.n_layers, graph.n_heads, graph.n_tokens, graph.n_tokens)
    return Edges(*(DRAWN[how](random, size).astype(np.float32) for size in (attention, *[per_token] * 3)))


def assert_order_is_that_of_a_heap(weights: Edges, graph: Graph, workers: int) -> None:
    ranks = nowhere(weights)
    best_first(weights, ranks, parallel=graph.parallel, workers=workers)
    order = naive_reference.best_first(naive_case.as_dict(weights, graph))
    assert [naive_case.value_of(ranks, edge) for edge in order] == list(range(graph.n_edges))
    for kind, there in zip(ranks, graph.exists(), strict=True):
        assert (kind[~there] == NOT_IN_GRAPH).all()


@settings(max_examples=500)
@given(graphs, st.sampled_from(sorted(DRAWN)), st.integers(0, 10**6), st.integers(1, 4))
def test_order_is_that_of_a_heap(graph: Graph, how: str, seed: int, workers: int) -> None:
    assert_order_is_that_of_a_heap(drawn(graph, how, seed), graph, workers)


@pytest.mark.parametrize("how", sorted(DRAWN))
@pytest.mark.parametrize("parallel", [False, True])
def test_buckets_of_many_edges_keep_the_order(how: str, parallel: bool) -> None:
    graph = Graph(3, 5, 40, parallel)
    assert graph.n_edges > 100 * FEW
    assert_order_is_that_of_a_heap(drawn(graph, how, seed=0), graph, workers=3)


def test_weights_may_be_of_any_type_and_layout() -> None:
    graph = Graph(2, 3, 5)
    weights = drawn(graph, "uniform", seed=0)
    others = Edges(*(np.asfortranarray(kind, dtype=np.float64) for kind in weights))
    for kind, other in zip(rank_edges(weights, graph), rank_edges(others, graph), strict=True):
        np.testing.assert_array_equal(kind, other)


def test_order_of_real_weights_is_that_of_a_heap(smollm2: Any) -> None:
    trace = sw.trace(smollm2, "The capital of France is Paris, and the capital of Italy is")
    assert_order_is_that_of_a_heap(trace.weights, trace.graph, workers=2)
