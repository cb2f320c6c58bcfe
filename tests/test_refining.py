"""Refining: what edges gain subgraphs, against a derivative by each edge; and what a trace becomes by it."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import families
import naive_case
import naive_masked
import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

import strace_widgets as sw
from strace_widgets.errors import NoGradientsError, NoModelError
from strace_widgets.explorer.code_export import with_this_package
from strace_widgets.graph.edges import Edges, Graph
from strace_widgets.graph.modes import Modes
from strace_widgets.graph.refining import (
    PASSES,
    STARTS,
    as_edges,
    component_of,
    effects,
    inside,
    late_elsewhere,
    quantiles,
)
from strace_widgets.interventions.gains import errors
from strace_widgets.model.request_estimates import ModelSizes, of_subgraphs
from strace_widgets.model.subgraph_gains import gains_of_each, subgraph_errors, subgraph_gains
from strace_widgets.results import refinement
from strace_widgets.results.refinement import area, looks, n_steps, sizes_looked_at

PROMPT = [5, 17, 3, 88, 41, 2]
MODES = [Modes(), Modes(masks="mlp+residual"), Modes(attention="frozen"), Modes(ablation="mean")]


def area_of(trace: sw.STrace, **modes: Any) -> float:
    """Return the area over s at the sizes that refining looks at, from a sweep of its own."""
    sizes = sizes_looked_at(len(trace.tokens))
    far = trace.evaluate(sizes, **modes).total_variation
    return float(np.trapezoid([1, *far, 0], [0, *sizes, 1]))


# What edges gain subgraphs.


def test_gains_are_the_derivative_by_the_share_of_each_edge(pair: tuple[Any, Any]) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT, importance="l2")
    masks = [trace.mask(size) for size in (0.5, 0.7)]
    gains, far = subgraph_gains(model, trace.token_ids, masks, trace.full_logits, 1.0, Modes())
    ours = naive_case.as_dict(gains, trace.graph)
    full = torch.from_numpy(trace.full_logits)
    total = dict.fromkeys(ours, 0.0)
    for mask, distance in zip(masks, far, strict=True):
        kept = {edge for edge, there in naive_case.as_dict(mask, trace.graph).items() if there}
        naive, expected = naive_masked.subgraph_gains(module, PROMPT, kept, list(ours), full)
        assert distance == pytest.approx(expected, abs=1e-5)
        total = {edge: total[edge] + np.clip(gain, -1, 1) / len(masks) for edge, gain in naive.items()}
    found, expected = np.array([(gain, total[edge]) for edge, gain in ours.items()]).T
    assert np.abs(expected).max() > 1e-3
    # A node whose edges are all dropped holds almost nothing, and its norm makes rounding a thousand times larger.
    assert np.linalg.norm(found - expected) <= 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("modes", MODES, ids=str)
def test_a_gain_is_what_a_small_share_of_an_edge_changes(pair: tuple[Any, Any], modes: Modes) -> None:
    """Under every mode: the errors are those of a sweep, and attention edges gain only where any are dropped."""
    _, model = pair
    trace = sw.trace(model, PROMPT, importance="l2")
    sizes = [0.3, 0.6, 1.0]
    chosen = {"masks": modes.masks, "attention": modes.attention, "ablation": modes.ablation}
    masks = [trace.mask(size) for size in sizes]
    gains, far = subgraph_gains(model, trace.token_ids, masks, trace.full_logits, 1.0, modes)
    expected = trace.evaluate(sizes, **chosen).total_variation
    np.testing.assert_allclose(far, expected, atol=1e-5)
    only = subgraph_errors(model, trace.token_ids, masks, trace.full_logits, modes)
    np.testing.assert_allclose(only, expected, atol=1e-5)
    assert (np.abs(gains.attention).max() > 0) == (modes.masks == "all")
    assert np.abs(gains.mlp).max() > 0


def test_edges_that_harm_can_count_as_some_that_gain(tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT, importance="l2")
    asked = tiny, trace.token_ids, [trace.mask(0.5)], trace.full_logits
    signed, _ = subgraph_gains(*asked, 1.0, Modes())
    counted, _ = subgraph_gains(*asked, -0.5, Modes())
    for plain, shaped in zip(signed, counted, strict=True):
        np.testing.assert_allclose(shaped, np.where(plain > 0, plain, -0.5 * plain), atol=1e-7)
    assert min(kind.min() for kind in signed) < 0


def test_gains_of_each_subgraph_have_the_same_mean(tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT, importance="l2")
    asked = tiny, trace.token_ids, [trace.mask(size) for size in (0.5, 0.7)], trace.full_logits
    mean, far = subgraph_gains(*asked, 1.0, Modes())
    of_each, again = gains_of_each(*asked, Modes())
    np.testing.assert_allclose(again, far, atol=1e-6)
    for whole, *each in zip(mean, *of_each, strict=True):
        np.testing.assert_allclose(np.mean(each, axis=0), whole, atol=1e-6)


def test_a_subgraph_without_anything_of_the_prediction_counts_only_if_all_are_like_that() -> None:
    full = torch.tensor([8.0, 0.0, 0.0])
    lost, near = torch.tensor([0.0, 12.0, 0.0]), torch.tensor([7.0, 0.0, 0.0])
    _, far, counts = errors(torch.stack([lost, near]), full, 0)
    assert far[0] > 0.97 > far[1]
    assert counts.tolist() == [False, True]
    assert errors(lost[None], full, 0)[2].tolist() == [True]
    assert errors(torch.stack([near, lost]), full, 1)[2].tolist() == [False, True]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "family", families.FAMILIES, ids=lambda family: f"{family.name}-{family.kind}".replace(" ", "-")
)
def test_every_family(family: families.Family) -> None:
    model = sw.load_model(families.build(family.name, family.options))
    trace = sw.trace(model, PROMPT, importance="l2")
    gains, far = subgraph_gains(model, trace.token_ids, [trace.mask(0.6)], trace.full_logits, -0.5, Modes())
    assert all(np.isfinite(kind).all() for kind in gains)
    assert far == pytest.approx(trace.evaluate([0.6]).total_variation, abs=1e-4)


@given(st.lists(st.integers(-3, 3), min_size=15, max_size=15))
def test_quantiles_are_mean_ranks(values: list[int]) -> None:
    graph = Graph(1, 2, 2)
    exists = graph.exists()
    numbers = np.array(values[: 8 + 6], dtype=np.float32)
    edges = Edges(numbers[:8].reshape(1, 2, 2, 2), *(numbers[at : at + 2].reshape(1, 2) for at in (8, 10, 12)))
    vector = inside(edges, exists)
    found = quantiles(vector)
    np.testing.assert_allclose(found, (rankdata(vector) - 1) / (len(vector) - 1), atol=1e-6)
    back = as_edges(found, exists)
    np.testing.assert_array_equal(inside(back, exists), found)
    assert not any(kind[~there].any() for kind, there in zip(back, exists, strict=True))


# What a trace becomes.


@pytest.mark.parametrize(
    "modes", [{}, {"masks": "mlp+residual"}, {"attention": "frozen"}, {"ablation": "mean"}], ids=str
)
def test_refined_is_worse_than_neither_start(tiny: Any, modes: dict[str, str]) -> None:
    found = sw.trace(tiny, PROMPT, "refined", **modes)
    assert found.importance == "refined"
    measured = area_of(found, **modes)
    assert area(found) == pytest.approx(measured, abs=1e-5)
    for start in STARTS:
        assert measured <= area_of(sw.trace(tiny, PROMPT, start), **modes) + 1e-5


def test_refining_never_gets_worse_and_goes_on(tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT)
    seen = list(refinement.refinement(trace, 50, Modes()))
    areas = [area(each) for each in seen]
    assert len(areas) == n_steps(50) + 1 > refinement.FAR_STEPS + 2  # both kinds of steps
    assert areas == sorted(areas, reverse=True)
    assert areas[0] == pytest.approx(area_of(trace), abs=1e-5)
    once = trace.refine(13, progress=False)
    again = once.refine(20, progress=False)
    assert area(again) <= area(once) < area(seen[0])
    assert trace.importance == "l1"
    assert again.refined.start == "l1"
    assert [each.passes for each in again.refined.refinements] == [13, 20]


def test_steps_and_budgets_lead_to_one_another(tiny: Any) -> None:
    assert n_steps(PASSES - refinement.CAPTURE_COST) == refinement.WIDE_STEPS
    for taken in (0, 1, 2, 7):
        for steps in (1, 2, 5):
            assert n_steps(refinement.passes_for(steps, taken), taken) == steps
    trace = sw.trace(tiny, PROMPT)
    assert refinement.steps_taken(trace) == 0
    assert refinement.steps_taken(trace.refine(13, progress=False).refine(20, progress=False)) == 2 + n_steps(20, 2)
    assert refinement.steps_taken(sw.trace(tiny, PROMPT, "refined")) == 2


def test_an_estimate_counts_every_subgraph_that_is_looked_at() -> None:
    sizes = ModelSizes(n_layers=3, n_heads=4, d_model=16, d_heads=16, vocabulary_size=100, number_bytes=4, travels=True)
    n_edges = 3 * (4 * 10**2 + 3 * 10)
    few, many = (of_subgraphs(sizes, 10, n, 0) for n in (8, 64))
    assert (many.requests, many.bytes_up - few.bytes_up) == (1, 7 * n_edges)  # a bit a subgraph
    of_mean, of_each = (of_subgraphs(sizes, 10, 8, answers) for answers in (1, None))
    assert of_each.bytes_down - of_mean.bytes_down == 7 * n_edges * 4
    assert [of_each.passes, few.passes] == [2, 1]  # one backward
    assert list(looks(10, PASSES - refinement.CAPTURE_COST)) == [(8, 1), (8, 1), (12, 0)]


def test_late_edges_of_earlier_tokens() -> None:
    graph = Graph(n_layers=4, n_heads=1, n_tokens=2, parallel=False)
    found = as_edges(late_elsewhere(graph), graph.exists())
    assert found.mlp.tolist() == [[0.125, 0], [0.375, 0], [0.625, 0], [0, 0]]  # no edge is there in the last layer
    assert found.attention[2, 0].tolist() == [[0.625, 0], [0, 0]]


def test_a_budget_that_is_too_small_says_so(tiny_trace: sw.STrace) -> None:
    with pytest.raises(ValueError, match="passes=2 is too few"):
        tiny_trace.refine(2)
    with pytest.raises(TypeError, match="no evaluation mode"):
        tiny_trace.refine(13, mask="all")
    with pytest.raises(ValueError, match="neither inverse"):
        tiny_trace.refine(13, inverse=True)
    with pytest.raises(TypeError, match="Only the measure"):
        sw.trace(tiny_trace.model, PROMPT, "l1", passes=13)


def test_long_prompts_are_looked_at_at_fewer_sizes() -> None:
    assert [len(sizes_looked_at(n)) for n in (1, 8, 13, 20, 40, 500)] == [4, 4, 3, 2, 1, 1]


def test_a_model_without_gradients_says_so() -> None:
    module = tiny_models.without_gradients()
    trace = sw.trace(sw.load_model(module), PROMPT)
    with pytest.raises(NoGradientsError, match="gives no gradients"):
        trace.refine(13, gradients=True, progress=False)
    found = trace.refine(60, progress=False)  # then it does without
    assert not found.refined.refinements[0].gradients


def test_an_imitated_server_gives_the_same(tiny: Any) -> None:
    here = sw.trace(tiny, PROMPT, "refined")
    there = sw.trace(
        sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words(), remote="local"), PROMPT, "refined"
    )
    assert area(there) == pytest.approx(area(here), abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    model = sw.load_model(tiny_models.tiny().to(dtype))
    trace = sw.trace(model, PROMPT)
    assert area_of(trace.refine(13, progress=False)) <= area_of(trace) + 0.02


def test_a_file_keeps_how_it_was_refined(tiny: Any, tmp_path: Path) -> None:
    trace = sw.trace(tiny, PROMPT, "l2").refine(13, masks="mlp+residual", progress=False)
    loaded = sw.load_trace(trace.save(tmp_path / "refined.strace"))
    assert loaded.refined == trace.refined
    assert loaded.refined.refinements[0].masks == "mlp+residual"
    with pytest.raises(NoModelError):
        loaded.refine(13)
    further = loaded.with_model(tiny).refine(13, progress=False)
    assert [each.passes for each in further.refined.refinements] == [13, 13]


def test_programs_reproduce_a_refined_trace(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sw, "load_model", lambda *_, **__: tiny)
    for trace in (
        sw.trace(tiny, PROMPT, "refined", passes=9),
        sw.trace(tiny, PROMPT, "l2").refine(13, progress=False).refine(9, ablation="mean", progress=False),
    ):
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(with_this_package(trace, trace.n_edges // 3, {}, Modes()), {"my_model": None})  # noqa: S102
        expected = trace.evaluate([trace.n_edges // 3 / trace.n_edges]).total_variation[0]
        assert float(printed.getvalue().split()[1]) == pytest.approx(expected, abs=1e-5)


# Without gradients.


def test_components_are_heads_and_kinds_of_layers() -> None:
    graph = Graph(2, 3, 2)
    of_each = naive_case.as_dict(as_edges(component_of(graph), graph.exists()), graph)
    for (kind, layer, _, _, head), component in of_each.items():
        first = {"attention": 3 * layer + head, "attention_residual": 6 + layer, "mlp": 8 + layer}
        assert component == first.get(kind, 10 + layer)


def test_effects_are_found_by_moving_at_random() -> None:
    random = np.random.default_rng(0)
    true = random.normal(size=20)
    signs = random.choice((-1, 1), size=(2000, 20))
    found = effects(signs, 0.5 - 0.01 * signs @ true, 0.5 + 0.01 * signs @ true)
    assert np.sqrt((found**2).mean()) == pytest.approx(1)
    assert np.corrcoef(found, true)[0, 1] > 0.99


@pytest.mark.parametrize("modes", [{}, {"masks": "mlp+residual"}, {"attention": "frozen"}], ids=str)
def test_without_gradients_nothing_gets_worse(tiny: Any, modes: dict[str, str]) -> None:
    trace = sw.trace(tiny, PROMPT, "l2")
    found = trace.refine(60, gradients=False, **modes)
    assert area(found) == pytest.approx(area_of(found, **modes), abs=1e-5)
    assert area(found) <= area_of(trace, **modes) + 1e-5
    assert not found.refined.refinements[0].gradients
    again = trace.refine(60, gradients=False, **modes)
    for ours, theirs in zip(found.ranks, again.ranks, strict=True):
        np.testing.assert_array_equal(ours, theirs)
