"""Evaluation modes, baselines and the other extractions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from conftest import PROMPT

import strace_widgets as sw
from strace_widgets.graph.ranking import entering, output_node
from strace_widgets.interventions import mean_ablation
from strace_widgets.model.text.reference_text import N_TOKENS
from strace_widgets.studies.prompts import shipped_prompts


def test_modes_change_what_they_say(tiny_trace: sw.STrace) -> None:
    size = [0.5]
    everything = tiny_trace.evaluate(size).probabilities[0]
    for modes in (
        {"masks": "mlp+residual"},
        {"attention": "frozen"},
        {"inverse": True},
        {"ablation": "mean"},
    ):
        assert np.abs(tiny_trace.evaluate(size, **modes).probabilities[0] - everything).max() > 1e-4, modes
    for modes in (
        {"masks": "mlp+residual"},
        {"attention": "frozen"},
        {"residual": "kept"},
        {"ablation": "mean"},
        {"ablation": "mean", "attention": "frozen"},
    ):
        assert tiny_trace.evaluate([1.0], **modes).total_variation[0] <= 1e-6, modes


def test_kept_residuals_differ_where_the_order_drops_them(tiny_trace: sw.STrace) -> None:
    random = tiny_trace.random(seed=2)
    kept, traced = (random.evaluate([0.3], residual=mode).probabilities[0] for mode in ("kept", "traced"))
    assert np.abs(kept - traced).max() > 1e-4


def test_the_inverse_of_everything_leaves_residuals_only(tiny_trace: sw.STrace) -> None:
    off = {str(layer): "off" for layer in range(3)}
    inverse = tiny_trace.evaluate([1.0], inverse=True).probabilities[0]
    np.testing.assert_allclose(inverse, tiny_trace.evaluate([1.0], off).probabilities[0], atol=1e-5)


def test_frozen_attention_is_the_full_models(tiny: Any) -> None:
    """With frozen attention the first layer's mask cannot change what the second layer attends to."""
    trace = sw.trace(tiny, [5, 17, 3, 88, 41])
    captured, _ = tiny.capture_vectors(trace.token_ids)
    mask = trace.mask(1.0)
    mask.attention[0] = False
    frozen = trace.evaluate_mask(mask, attention="frozen")
    recomputed = trace.evaluate_mask(mask)
    assert np.abs(frozen.probabilities - recomputed.probabilities).max() > 1e-5
    assert captured.factors.shape == trace.weights.attention.shape


def test_a_head_under_mean_ablation_writes_what_it_writes_on_average(tiny_trace: sw.STrace) -> None:
    """Against the model itself, with the head's values exchanged before the attention reads them."""
    model = tiny_trace.model
    values, _ = model.means()[0]
    module = model.nnsight._module.model.layers[1].self_attn
    rows = values[1, 0].repeat_interleave(torch.tensor([1, len(tiny_trace.tokens) - 1]), dim=0)

    def exchanged(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows[None], output[..., 8:]], dim=-1)  # the first of two key-value heads

    hook = module.v_proj.register_forward_hook(exchanged)
    try:
        truth = sw.trace(model, tiny_trace.token_ids).full_logits
    finally:
        hook.remove()
    sharing = {"1.0": "off", "1.1": "off"}
    expected = np.exp(truth - truth.max()) / np.exp(truth - truth.max()).sum()
    np.testing.assert_allclose(
        tiny_trace.evaluate([1.0], sharing, ablation="mean").probabilities[0], expected, atol=1e-5
    )


def test_all_ways_to_evaluate_know_mean_ablation(tiny_trace: sw.STrace) -> None:
    mean: dict[str, Any] = {"ablation": "mean"}
    size = tiny_trace.standard_sizes()[20]
    one = tiny_trace.evaluate([size], **mean).probabilities[0]
    mask = tiny_trace.evaluate_mask(tiny_trace.mask(size), **mean).probabilities[0]
    np.testing.assert_allclose(mask, one, atol=1e-6)
    np.testing.assert_allclose(tiny_trace.sweep(**mean).probabilities[20], one, atol=1e-6)
    head = tiny_trace.model.nnsight._module.lm_head.weight.detach().numpy()
    logits = tiny_trace.hidden_states([size], **mean)[0] @ head.T
    np.testing.assert_allclose(np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum(), one, atol=1e-5)
    off = {str(layer): "off" for layer in range(3)}
    for inverse in (False, True):
        every = tiny_trace.evaluate([1.0], off, inverse=inverse, residual="kept", **mean)
        nothing = tiny_trace.evaluate([1.0], off, inverse=inverse, residual="kept")
        assert np.abs(every.probabilities - nothing.probabilities).max() > 1e-4


def test_the_whole_model_is_untouched_by_the_means(tiny_trace: sw.STrace) -> None:
    zero, mean = (tiny_trace.hidden_states([0.3], ablation=ablation) for ablation in ("zero", "mean"))
    assert (zero[0] != mean[0]).any()
    np.testing.assert_array_equal(zero[1], mean[1])


def test_the_reference_text_is_run_once_and_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    model = sw.load_model(tiny_models.tiny())
    runs = []
    means = mean_ablation.reference_means
    monkeypatch.setattr(mean_ablation, "reference_means", lambda *args, **run: runs.append(1) or means(*args, **run))
    trace = sw.trace(model, [5, 17, 3, 88])
    trace.evaluate([0.5])
    assert not runs
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: trace.evaluate([0.5], ablation="mean").probabilities, range(2)))
    trace.sweep(ablation="mean")
    assert len(runs) == 1
    np.testing.assert_array_equal(*answers)


def test_the_reference_text_is_the_shipped_prompts_or_random(smollm2: Any) -> None:
    ids = smollm2.reference_ids()
    assert len(ids) == N_TOKENS
    text = "\n".join(prompt["text"] for prompt in shipped_prompts())
    assert text.startswith(smollm2.tokenizer.decode(ids))
    model = sw.load_model(tiny_models.tiny())
    assert model.tokenizer is None
    ids = model.reference_ids()
    assert len(ids) == model.architecture.context
    assert len(set(ids.tolist())) > 10
    np.testing.assert_array_equal(ids, model.reference_ids())


def test_mean_ablation_through_the_imitation_of_a_server() -> None:
    imitated, here = (sw.load_model(tiny_models.tiny(), remote=remote) for remote in ("local", False))
    theirs, ours = (sw.trace(model, [5, 17, 3, 88]).evaluate([0.2, 0.6], ablation="mean") for model in (imitated, here))
    assert imitated.simulated
    np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-6)


@pytest.mark.parametrize("like_authors", [False, True])
def test_random_baselines_are_connected_nested_and_seeded(tiny_trace: sw.STrace, like_authors: bool) -> None:
    first, again, other = (tiny_trace.random(seed, like_authors=like_authors) for seed in (4, 4, 5))
    graph = tiny_trace.graph
    for one, two in zip(first.ranks, again.ranks, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(first.ranks, other.ranks, strict=True))
    for size in (0.05, 0.3, 0.9):
        mask = first.mask(size)
        assert mask.n_kept == int(size * graph.n_edges)
        assert_connected(mask, tiny_trace)


def assert_connected(mask: sw.Edges, trace: sw.STrace) -> None:
    """Walking back from the output along kept edges meets every kept edge."""
    waiting, seen, met = [output_node(trace.graph)], set(), 0
    while waiting:
        node = waiting.pop()
        if node in seen or node.graph_layer == 0:
            continue
        seen.add(node)
        edges = entering(mask, trace.graph, node)
        met += int(edges.weights.sum())
        kept = np.flatnonzero(edges.weights)
        waiting += [type(node)(node.graph_layer - 1, edges.sources[edge]) for edge in kept]
    assert met == mask.n_kept


def test_authors_order_takes_a_node_with_all_its_edges(tiny_trace: sw.STrace) -> None:
    ranks = tiny_trace.random(0, like_authors=True).ranks
    for layer in range(3):
        for target in range(6 if layer < 2 else 0):
            node = np.concatenate(
                [[ranks.attention_residual[layer, target]], ranks.attention[layer, :, target, : target + 1].ravel()]
            )
            assert sorted(node) == list(range(node.min(), node.min() + len(node)))
            assert node[0] == node.min()


def test_nucleus_and_threshold_extraction(tiny_trace: sw.STrace) -> None:
    whole = tiny_trace.nucleus_mask(1.0)
    assert whole.n_kept == tiny_trace.n_edges
    assert_connected(whole, tiny_trace)
    smaller = tiny_trace.nucleus_mask(0.6)
    assert_connected(smaller, tiny_trace)
    assert smaller.n_kept < whole.n_kept
    into = entering(tiny_trace.weights, tiny_trace.graph, output_node(tiny_trace.graph)).weights
    chosen = entering(smaller, tiny_trace.graph, output_node(tiny_trace.graph)).weights.astype(bool)
    assert into[chosen].sum() >= 0.6 - 1e-6
    assert into[chosen].sum() - into[chosen].min() < 0.6  # without its lightest edge it would not suffice
    heavy = tiny_trace.threshold_mask(0.05)
    assert_connected(heavy, tiny_trace)
    assert all((weight[kept] > 0.05).all() for weight, kept in zip(tiny_trace.weights, heavy, strict=True))
    assert tiny_trace.threshold_mask(2.0).n_kept == 0
    assert tiny_trace.evaluate_mask(whole).total_variation[0] <= 1e-6
    assert tiny_trace.evaluate_mask(heavy).n_edges[0] == heavy.n_kept


def test_connection_to_the_prompt(tiny_trace: sw.STrace) -> None:
    entered = min(int(tiny_trace.ranks.attention[0].min()), int(tiny_trace.ranks.attention_residual[0].min()))
    n_edges = tiny_trace.n_edges
    assert not tiny_trace.connected((entered + 0.5) / n_edges)
    assert tiny_trace.connected((entered + 1.5) / n_edges)


def test_random_is_worse_than_the_trace(smollm2: Any) -> None:
    trace = sw.trace(smollm2, "The capital of France is", importance="l2")
    sizes = [0.3, 0.5]
    random = np.mean([trace.random(seed).evaluate(sizes).total_variation for seed in range(3)], axis=0)
    assert (trace.evaluate(sizes).total_variation < random).all()


def test_a_measure_that_depends_on_the_modes_is_traced_under_each(tiny: Any, tmp_path: Path) -> None:
    modes = {"attention": "frozen", "ablation": "mean"}
    options: dict[str, Any] = {"importance": ("l1", "refined"), "masks": ("all", "mlp+residual"), "sizes": (0.1, 0.5)}
    done = sw.study(tiny, [PROMPT], tmp_path, baselines=(), keep_traces=True, progress=False, **options, **modes)
    found = done.points.query("importance == 'refined' and size < 1").groupby("masks", observed=True)["total_variation"]
    traces = {masks: sw.trace(tiny, PROMPT, "refined", masks=masks, **modes) for masks in options["masks"]}
    for masks, trace in traces.items():
        sweep = trace.evaluate(options["sizes"], masks=masks, **modes)
        assert found.get_group(masks).to_numpy() == pytest.approx(sweep.total_variation, abs=1e-6)
    first, second = (trace.ranks for trace in traces.values())
    assert any((one != other).any() for one, other in zip(first, second, strict=True)), "each has its own"
    _, kept = done.edges("0", "refined")
    assert all((one == other).all() for one, other in zip(kept, first, strict=True)), "kept is the first masks mode's"
