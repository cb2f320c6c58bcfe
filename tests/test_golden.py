"""Agreement with the authors' own pipeline, number by number."""

from __future__ import annotations

from typing import Any

import golden_case
import numpy as np
import pytest

import strace_widgets as sw
from strace_widgets.graph.edges import NOT_IN_GRAPH
from strace_widgets.graph.modes import Modes
from strace_widgets.graph.ranking import rank_edges
from strace_widgets.results import metrics

CASES = ("tiny_llama", "smollm2_france", "smollm2_eiffel")
WEIGHT_TOLERANCE = {"tiny_llama": 1e-6, "smollm2_france": 1e-5, "smollm2_eiffel": 1e-5}
VARIATION_TOLERANCE = {"tiny_llama": 1e-6, "smollm2_france": 1e-4, "smollm2_eiffel": 1e-4}


@pytest.fixture(scope="module")
def golden_tiny() -> Any:
    return sw.load_model(golden_case.FOLDER / "tiny_llama_model")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[str, Any, golden_case.GoldenCase]:
    name = request.param
    model = request.getfixturevalue("golden_tiny" if name == "tiny_llama" else "smollm2")
    return name, model, golden_case.read(name)


def test_weights_agree(case: Any) -> None:
    name, model, golden = case
    trace = sw.trace(model, golden.token_ids)
    for kind in sw.Edges._fields:
        np.testing.assert_allclose(
            getattr(trace.weights, kind), getattr(golden.weights, kind), rtol=1e-4, atol=WEIGHT_TOLERANCE[name]
        )


@pytest.mark.parametrize("name", CASES)
def test_pop_order_is_identical_on_the_golden_weights(name: str) -> None:
    golden = golden_case.read(name)
    ranks = rank_edges(golden.weights, golden.graph)
    for kind in sw.Edges._fields:
        np.testing.assert_array_equal(getattr(ranks, kind), getattr(golden.ranks, kind))
    assert sum(int((kind != NOT_IN_GRAPH).sum()) for kind in ranks) == golden.n_edges


def test_pop_order_of_our_own_capture_is_identical_on_the_tiny_model(golden_tiny: Any) -> None:
    golden = golden_case.read("tiny_llama")
    trace = sw.trace(golden_tiny, golden.token_ids)
    for kind in sw.Edges._fields:
        np.testing.assert_array_equal(getattr(trace.ranks, kind), getattr(golden.ranks, kind))


@pytest.mark.parametrize("inverse", [False, True], ids=["trace only", "inverse"])
@pytest.mark.parametrize("variant", ["attnmasked", "released"])
@pytest.mark.parametrize("by_hooks", [False, True], ids=["by nnsight", "by hooks"])
def test_masked_results_agree_in_the_golden_order(
    case: Any, variant: str, inverse: bool, by_hooks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``released`` is the published code as it is, whose attention mask never acts."""
    name, model, golden = case
    monkeypatch.setitem(model.__dict__, "_by_hooks", by_hooks)
    ranks = golden.ranks
    modes = Modes(masks="all" if variant == "attnmasked" else "mlp+residual", inverse=inverse)
    logits = model.evaluate(golden.token_ids, ranks, np.array(golden.n_kept), None, modes)
    results = golden.evaluations[variant]["trace_inverse" if inverse else "trace_only"]
    full, masked = (np.exp(metrics.log_probabilities(x)) for x in (golden.full_logits, logits))
    variation = metrics.total_variation(full, masked)
    np.testing.assert_allclose(variation, results["tv"], rtol=0, atol=VARIATION_TOLERANCE[name])
    # An empty trace is uniform: which tokens lead is then an accident of the sort.
    settled = [n for n, kept in enumerate(golden.n_kept) if kept > 0 or inverse]
    nucleus = metrics.recovered_nuclei(full, masked)
    # Among the last tokens of 99 %, neighbours differ by less than what processors round.
    expected = [min(results["shared_nucleus"][n] / 100, 0.9) for n in settled]
    assert np.minimum(nucleus[settled], 0.9).tolist() == expected
    assert masked.argmax(axis=-1)[settled].tolist() == [results["argmax"][n] for n in settled]
    entropy = metrics.entropy(metrics.log_probabilities(logits))
    # The authors add 1e-7 inside the logarithm: over a vocabulary of 49,152 that shifts a flat distribution by 5e-3.
    np.testing.assert_allclose(entropy, results["entropy"], rtol=0, atol=1e-2)


def test_full_logits_agree(case: Any) -> None:
    _, model, golden = case
    np.testing.assert_allclose(sw.trace(model, golden.token_ids).full_logits, golden.full_logits, rtol=0, atol=1e-3)
