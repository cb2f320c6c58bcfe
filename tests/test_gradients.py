"""The measures that ask the prediction, against explicit vectors and derivatives and the exact Fisher metric."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import families
import naive_case
import naive_reference
import numpy as np
import pytest
import tiny_models
import torch

import strace_widgets as sw
from strace_widgets.graph.edges import Edges
from strace_widgets.graph.measures import PROBED
from strace_widgets.graph.order import best_first
from strace_widgets.interventions import gradients
from strace_widgets.model.running import running

PROMPT = [5, 17, 3, 88, 41, 2]


def signs(probes: int, seed: int) -> torch.Tensor:
    """Return the probes' signs (K, V), as they are drawn."""
    drawn = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, 2, (tiny_models.VOCABULARY,), generator=drawn) * 2 - 1 for _ in range(probes)])


@pytest.mark.parametrize("measure", ["fisher", "fisher+projection"])
def test_separable_and_naive_agree(pair: tuple[Any, Any], measure: str) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT, importance=measure, probes=3, seed=7, constant=0.4)
    ours = naive_case.as_dict(trace.weights, trace.graph)
    constant = 0.4 if measure == "fisher+projection" else 0.0
    naive = naive_reference.probed_weights(module, PROMPT, signs(3, 7), constant)
    assert ours.keys() == naive.keys()
    largest = max(naive.values())
    assert largest > 0
    for edge, weight in naive.items():
        assert ours[edge] == pytest.approx(weight, rel=1e-5, abs=1e-5 * largest), edge


@pytest.mark.parametrize("size", [0.15, 0.5, 0.7])
def test_gains_of_a_subgraph_agree(pair: tuple[Any, Any], size: float) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT, importance="l2")
    mask = trace.mask(size)
    ours = naive_case.as_dict(model.capture_gains(trace.token_ids, mask, trace.full_logits), trace.graph)
    kept = {edge for edge, there in naive_case.as_dict(mask, trace.graph).items() if there}
    naive = naive_reference.gains(module, PROMPT, kept, torch.from_numpy(trace.full_logits))
    found, expected = np.array([(gain, naive.get(edge, 0.0)) for edge, gain in ours.items()]).T
    assert np.abs(expected).max() > 0
    # A node whose edges are all dropped holds almost nothing, and its norm makes rounding a thousand times larger.
    assert np.linalg.norm(found - expected) <= 1e-3 * np.linalg.norm(expected)


def test_gains_are_finite_where_a_subgraph_holds_zeros() -> None:
    """Nodes that no kept edge joins to an embedding: there the derivative of each norm is 1 / sqrt(epsilon)."""
    module = tiny_models.tiny(num_hidden_layers=9, rms_norm_eps=1e-12)
    model = sw.load_model(module, tokenizer=tiny_models.words())
    trace = sw.trace(model, PROMPT, "l2")
    chain = Edges(*(np.zeros_like(kind) for kind in trace.mask(0.5)))
    chain.attention[1:, :, -1, -1] = True
    for kind in chain[1:]:
        kind[1:, -1] = True
    chain.mlp_residual[0, -1] = True
    gains = model.capture_gains(trace.token_ids, chain, trace.full_logits)
    assert all(np.isfinite(kind).all() for kind in gains)
    first = gains.attention_residual[0, -1]
    assert abs(first) > 1e6, "the edge that would join the chain to its embedding is the first to be missed"
    assert abs(first) > np.abs(gains.attention_residual[-1, -1])


def test_rescored_is_fisher_and_projection_with_gains_added_twice(tiny: Any) -> None:
    given = sw.trace(tiny, PROMPT, importance="fisher+projection", probes=2)
    weights = given.weights
    exists = given.graph.exists()
    for size in (0.2, 0.1):
        trace = replace(given, weights=weights, order=best_first(weights, given.graph))
        gains = tiny.capture_gains(given.token_ids, trace.mask(size), given.full_logits)
        added = sw.Edges(*(np.where(gain > 0, 1.2 * gain, 0.5 * np.abs(gain)) for gain in gains))
        weights = sw.Edges(
            *(np.where(there, old + new, 0) for old, new, there in zip(weights, added, exists, strict=True))
        )
    rescored = sw.trace(tiny, PROMPT, importance="rescored")
    for ours, expected in zip(rescored.weights, weights, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert rescored.probing.probes == 2
    assert (rescored.ranks.attention != given.ranks.attention).any()


def test_probes_estimate_the_exact_fisher_effect(pair: tuple[Any, Any]) -> None:
    """(sum_y e_y a_y)^2 over random signs has mean S = sum a_y^2 and variance 2 (S^2 - sum a_y^4)."""
    module, model = pair
    probes = 64
    trace = sw.trace(model, PROMPT, importance="fisher", probes=probes, seed=1)
    ours = naive_case.as_dict(trace.weights, trace.graph)
    deviations = []
    for edge, effects in naive_reference.fisher_effects(module, PROMPT).items():
        exact = (effects**2).sum()
        standard_error = (2 * (exact**2 - (effects**4).sum()) / probes).sqrt()
        deviations.append(float((ours[edge] ** 2 - exact) / standard_error))
    deviations = np.array(deviations)
    assert np.sqrt((deviations**2).mean()) < 1.5  # edges share their probes, so that this is not 1 on the dot
    assert np.abs(deviations).max() < 6


@pytest.mark.parametrize("measure", PROBED)
def test_the_seed_decides_bit_for_bit(tiny: Any, measure: str) -> None:
    first, again, other = (sw.trace(tiny, PROMPT, importance=measure, seed=seed) for seed in (5, 5, 6))
    for kind in sw.Edges._fields:
        np.testing.assert_array_equal(getattr(first.weights, kind), getattr(again.weights, kind))
        np.testing.assert_array_equal(getattr(first.ranks, kind), getattr(again.ranks, kind))
    assert any((a != b).any() for a, b in zip(first.weights, other.weights, strict=True))


def test_projection_only_adds(tiny: Any) -> None:
    fisher = sw.trace(tiny, PROMPT, importance="fisher").weights
    none = sw.trace(tiny, PROMPT, importance="fisher+projection", constant=0.0).weights
    both = sw.trace(tiny, PROMPT, importance="fisher+projection").weights
    for kind in sw.Edges._fields:
        np.testing.assert_array_equal(getattr(fisher, kind), getattr(none, kind))
        assert (getattr(both, kind) >= getattr(fisher, kind)).all()
    assert (both.attention > fisher.attention).any()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "family", families.FAMILIES, ids=lambda family: f"{family.name}-{family.kind}".replace(" ", "-")
)
def test_every_family(family: families.Family) -> None:
    model = sw.load_model(families.build(family.name, family.options))
    trace = sw.trace(model, PROMPT, importance="rescored", probes=2)
    exists = trace.graph.exists()
    assert all(np.isfinite(kind).all() for kind in trace.weights)
    assert all((kind[there] > 0).any() for kind, there in zip(trace.weights, exists, strict=True) if there.any())
    assert trace.evaluate([1.0]).total_variation[0] < 1e-5
    assert all(parameter.grad is None for parameter in model.nnsight._module.parameters())


@pytest.mark.parametrize("measure", PROBED)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype, measure: str) -> None:
    """Gradients neither vanish nor overflow; what is lost is the model's own rounding."""
    exact, half = (
        sw.trace(sw.load_model(tiny_models.tiny().to(kind)), PROMPT, importance=measure).weights
        for kind in (torch.float32, dtype)
    )
    gap = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(exact, half, strict=True)))
    assert gap <= 0.1 * np.sqrt(sum((kind**2).sum() for kind in exact))


def test_an_imitated_server_and_parts_of_layers_give_the_same(tiny: Any) -> None:
    simulated = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words(), remote="local")
    rescored = [sw.trace(model, PROMPT, importance="rescored") for model in (tiny, simulated)]
    for ours, theirs in zip(*(trace.weights for trace in rescored), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    here, there = (sw.trace(model, PROMPT, importance="fisher+projection") for model in (tiny, simulated))
    for ours, theirs in zip(here.weights, there.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    places = tiny.architecture.plain()
    asked = (tiny.nnsight, places, torch.tensor([PROMPT]), here.probing.plain("fisher+projection"))
    with running(tiny.nnsight._module):
        parts = [gradients.capture_probed(*asked, layers) for layers in ((0, 1), (1, places["n_layers"]))]
    scores, _ = tiny.joined_scores(parts)
    exists = here.graph.exists()
    for ours, theirs, there_is in zip(here.weights, scores, exists, strict=True):
        np.testing.assert_allclose(ours[there_is], theirs[there_is], rtol=1e-4, atol=1e-6)


def test_a_model_without_gradients_says_so() -> None:
    """As quantized weights do, whose kernels know no backward pass."""
    module = tiny_models.without_gradients()
    model = sw.load_model(module)
    with pytest.raises(sw.errors.NoGradientsError, match=r"gives no gradients.*'fisher'.*choose another measure"):
        sw.trace(model, PROMPT, importance="fisher")
    assert sw.trace(model, PROMPT, importance="l2").n_edges


@pytest.mark.parametrize(("option", "value"), [("probes", 0), ("constant", -1.0), ("constant", float("nan"))])
def test_probing_that_makes_no_sense(tiny: Any, option: str, value: float) -> None:
    with pytest.raises(ValueError, match=r"at least one|number from 0 on"):
        sw.trace(tiny, PROMPT, importance="fisher", **{option: value})


def test_what_was_asked_is_kept(tiny: Any, tmp_path: Path) -> None:
    trace = sw.trace(tiny, PROMPT, importance="fisher", probes=2, seed=9)
    assert trace.options == {"probes": 2, "seed": 9}
    assert sw.load_trace(trace.save(tmp_path / "x.strace")).options == trace.options
    assert "importance='fisher', probes=2, seed=9)" in trace.explore().code()["strace_widgets"]
    assert sw.trace(tiny, PROMPT).options == {}
    assert sw.trace(tiny, PROMPT, importance="rescored").options == {}
    session = trace.explore().session
    earlier = session.with_settings(replace(session.settings, position=3))
    assert earlier.trace.options == trace.options
    assert sw.estimate(tiny, PROMPT, importance="fisher", probes=2).passes == sw.estimate(tiny, PROMPT).passes + 2
