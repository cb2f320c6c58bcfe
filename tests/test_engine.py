"""The identities of the method, on random small models of every supported family."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.graph.edges import Graph, edges_kept, size_of
from strace_widgets.model.proving import IDENTITIES

graphs = st.builds(Graph, st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.booleans())


@st.composite
def random_models(draw: st.DrawFn) -> tuple[Any, list[int]]:
    """A loaded random model of any family, layers, heads, groups and head size, and a prompt for it."""
    n_key_value_heads = draw(st.integers(1, 3))
    model = tiny_models.tiny(
        draw(st.sampled_from(tiny_models.FAMILIES)),
        seed=draw(st.integers(0, 1000)),
        hidden_size=36,  # a multiple of every number of heads below, as the configurations ask
        num_hidden_layers=draw(st.integers(1, 4)),
        num_attention_heads=n_key_value_heads * draw(st.integers(1, 3)),
        num_key_value_heads=n_key_value_heads,
        head_dim=draw(st.sampled_from([4, 8, 16])),
    )
    prompt = draw(st.lists(st.integers(0, tiny_models.VOCABULARY - 1), min_size=2, max_size=10))
    return sw.load_model(model), prompt


some_models = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@some_models
@given(random_models())
def test_whole_graph_is_the_model(case: tuple[Any, list[int]]) -> None:
    model, prompt = case
    trace = sw.trace(model, prompt)
    with torch.no_grad():
        logits = model.nnsight._module(torch.tensor([prompt])).logits[0, -1].numpy()
    np.testing.assert_allclose(trace.full_logits, logits, atol=1e-4)
    whole = trace.evaluate([1.0])
    assert whole.n_edges[0] == trace.n_edges
    assert whole.total_variation[0] <= 1e-5
    ranks = trace.ranks
    evaluated = model.evaluate(trace.token_ids, ranks, np.array([trace.n_edges]))
    np.testing.assert_allclose(evaluated[0], logits, atol=1e-4)


@some_models
@given(random_models(), st.sampled_from(["l1", "l2"]))
def test_weights_entering_a_node_sum_to_one_and_the_vectors_to_the_node(case: tuple[Any, Any], measure: str) -> None:
    model, prompt = case
    assert list(model.gaps) == list(IDENTITIES)
    assert max(model.gaps.values()) <= 1e-5
    trace = sw.trace(model, prompt, importance=measure)
    weights, exists = trace.weights, trace.graph.exists()
    into_attention = weights.attention.sum(axis=(1, 3)) + weights.attention_residual
    into_mlp = weights.mlp + weights.mlp_residual
    np.testing.assert_allclose(into_attention[exists.attention_residual], 1, rtol=1e-5)
    np.testing.assert_allclose(into_mlp[exists.mlp], 1, rtol=1e-5)
    assert all(not weight[~there].any() for weight, there in zip(weights, exists, strict=True))


@some_models
@given(random_models(), st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=6))
def test_traces_are_nested_connected_and_of_exact_size(case: tuple[Any, Any], sizes: list[float]) -> None:
    model, prompt = case
    trace = sw.trace(model, prompt)
    assert trace.n_edges == trace.graph.n_edges == trace.graph.exists().n_kept
    masks = [trace.mask(size) for size in sorted(sizes)]
    for size, mask in zip(sorted(sizes), masks, strict=True):
        assert mask.n_kept == int(size * trace.n_edges)
        assert_connected_to_output(mask)
    for smaller, larger in pairwise(masks):
        assert all((inner <= outer).all() for inner, outer in zip(smaller, larger, strict=True))


def assert_connected_to_output(mask: sw.Edges) -> None:
    """Every kept edge's target is the output node or the source of a kept edge."""
    for layer in range(mask.n_layers):
        sources_above = np.zeros(mask.n_tokens, dtype=bool)
        if layer == mask.n_layers - 1:
            sources_above[-1] = True
        else:
            sources_above |= mask.attention_residual[layer + 1] | mask.attention[layer + 1].any(axis=(0, 1))
        into_mlp_node = mask.mlp[layer] | mask.mlp_residual[layer]
        assert not (into_mlp_node & ~sources_above).any()
        into_attention_node = mask.attention_residual[layer] | mask.attention[layer].any(axis=(0, 2))
        assert not (into_attention_node & ~into_mlp_node).any()


@given(graphs)
def test_edge_count_has_its_closed_form(graph: Graph) -> None:
    assert graph.exists().n_kept == graph.n_edges


@given(st.integers(1, 10**9), st.data())
def test_size_of_an_edge_count_leads_back_to_it(n_edges: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(1, n_edges))
    assert edges_kept(size_of(kept, n_edges), n_edges) == kept


def test_sliding_windows_keep_the_identities() -> None:
    model = sw.load_model(tiny_models.tiny("Mistral", sliding_window=3))
    trace = sw.trace(model, [5, 17, 3, 88, 41, 2, 9])
    assert trace.evaluate([1.0]).total_variation[0] <= 1e-5
    assert max(model.gaps.values()) <= 1e-5


def test_many_rows_in_several_passes_give_the_same(tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = tiny_trace.evaluate([0.1, 0.3, 0.7, 1.0])
    monkeypatch.setattr("strace_widgets.model.request_estimates.PROBABILITIES_A_PASS", 1)
    one_by_one = tiny_trace.evaluate([0.1, 0.3, 0.7, 1.0])
    np.testing.assert_allclose(one_by_one.probabilities, at_once.probabilities, atol=1e-6)


def test_default_model_says_paris(smollm2: Any) -> None:
    trace = sw.trace(smollm2, "The capital of France is")
    assert trace.top[0].token == " Paris"
    assert trace.top[0].probability == pytest.approx(0.77, abs=0.01)


def test_necessary_computation_keeps_its_promise(smollm2: Any) -> None:
    trace = sw.trace(smollm2, "The capital of France is")
    size = trace.smallest(top1=True)
    assert trace.evaluate([size]).top[0][0].token == " Paris"
    sweep = trace.sweep()
    assert sweep.top1[sweep.sizes >= size].all()
    assert trace.smallest(total_variation=0.1) > size
