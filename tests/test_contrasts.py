"""Why this token rather than that one, and against another prompt: patching, faithfulness, and EAP that asks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import naive_attribution
import naive_case
import naive_masked
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.model.text.contrasts import Contrast
from strace_widgets.results import metrics

PROMPT, OTHER = [5, 17, 3, 88, 41, 2], [5, 20, 3, 9, 41, 7]
PATCHES = ("patch", "patch values")


@pytest.fixture(scope="module")
def asked(tiny: Any) -> sw.STrace:
    return sw.trace(tiny, PROMPT, target=11, foil=[12, 13], counterfactual=OTHER)


@pytest.mark.parametrize("ablation", PATCHES)
@pytest.mark.parametrize("size", [0.05, 0.3, 0.7])
def test_patching_is_that_of_every_edge(pair: tuple[Any, Any], ablation: str, size: float) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT, counterfactual=OTHER)
    kept = {edge for edge, is_kept in naive_case.as_dict(trace.mask(size), trace.graph).items() if is_kept}
    # Edges that lead nowhere are in no mask, and what they carry is of no account.
    naive = naive_masked.patched_logits(module, PROMPT, OTHER, kept, values_only=ablation == "patch values")
    found = trace.evaluate([size], ablation=ablation).probabilities[0]
    np.testing.assert_allclose(found, naive.softmax(-1).numpy(), atol=1e-5)


@pytest.mark.parametrize("ablation", PATCHES)
@pytest.mark.parametrize("attention", ["recomputed", "frozen"])
def test_with_all_edges_it_is_the_prompts_run_and_with_none_the_counterfactuals(
    pair: tuple[Any, Any], ablation: str, attention: str
) -> None:
    _, model = pair
    trace, other = sw.trace(model, PROMPT, target=11, counterfactual=OTHER), sw.trace(model, OTHER)
    modes = {"ablation": ablation, "attention": attention}
    assert trace.evaluate([1.0], **modes).total_variation[0] <= 1e-6
    if ablation == "patch" and attention == "recomputed":
        found = trace.evaluate([0.5], **modes)
        assert found.empty_figure == pytest.approx(float(trace.contrast.of(other.full_logits)), abs=1e-5)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["0.1", "1.mlp", "2", "1@3", "0.2@1>4"]), st.sampled_from(["on", "off"])),
    st.sampled_from(PATCHES),
    st.sampled_from(["all", "mlp+residual"]),
    st.sampled_from(["recomputed", "frozen"]),
)
def test_rows_do_not_know_of_each_other(
    asked: sw.STrace, sizes: list[float], toggles: Any, ablation: str, masks: str, attention: str
) -> None:
    """Each size by itself gives what all of them give together, whatever is switched, by hooks or by nnsight."""
    modes = {"ablation": ablation, "masks": masks, "attention": attention}
    together = asked.evaluate(sizes, toggles, **modes)
    for row, size in enumerate(sizes):
        alone = asked.evaluate([size], toggles, **modes)
        np.testing.assert_allclose(alone.probabilities[0], together.probabilities[row], atol=1e-5)
        np.testing.assert_allclose(alone.faithfulness[0], together.faithfulness[row], atol=1e-4)
    different = [toggles, *[{}] * (len(sizes) - 1)]
    np.testing.assert_allclose(
        asked.evaluate(sizes, different, **modes).probabilities[0], together.probabilities[0], atol=1e-5
    )


def test_the_figure_is_the_logit_difference_of_the_sums(asked: sw.STrace, tiny: Any) -> None:
    sweep = asked.evaluate([0.1, 0.5, 1.0])
    p = sweep.probabilities.astype(np.float64)
    np.testing.assert_allclose(sweep.figure, np.log(p[:, 11]) - np.log(p[:, 12] + p[:, 13]), atol=1e-4)
    assert sweep.faithfulness[-1] == pytest.approx(1, abs=1e-5)
    alone = sw.trace(tiny, PROMPT, target=11).evaluate([0.5, 1.0])
    np.testing.assert_allclose(alone.figure, np.log(alone.probabilities[:, 11].astype(np.float64)), atol=1e-4)
    # Without an edge the model knows nothing: what it then says is measured.
    nothing = tiny.evaluate(asked.token_ids, asked.ranks, np.array([0]))[0]
    assert sweep.empty_figure == pytest.approx(float(asked.contrast.of(nothing)), abs=1e-5)
    frame = sweep.to_frame()
    np.testing.assert_array_equal(frame["faithfulness"], sweep.faithfulness)


def test_cpr_and_cmd_are_what_paper_and_pencil_say(asked: sw.STrace) -> None:
    """f = 0.5 at s = 0.1, 1.2 at 0.5 and 1 at 1, and 0 at 0: areas of three trapezoids each."""
    sweep = asked.evaluate([0.1, 0.5, 1.0])
    drawn = replace(sweep, figure=np.array([3.0, 5.8, 5.0]), full_figure=5.0, empty_figure=1.0)
    np.testing.assert_allclose(drawn.faithfulness, [0.5, 1.2, 1.0])
    assert drawn.cpr() == pytest.approx(0.1 * 0.25 + 0.4 * 0.85 + 0.5 * 1.1)
    assert drawn.cmd() == pytest.approx(0.1 * 0.75 + 0.4 * 0.35 + 0.5 * 0.1)
    decades = np.log10([5, 2])
    assert drawn.cpr("log10 s") == pytest.approx(decades @ [0.85, 1.1])
    assert drawn.cmd("log10 s") == pytest.approx(decades @ [0.35, 0.1])
    assert np.isnan(metrics.faithfulness(np.array([1.0]), 1.0, 1.0)).all()


def test_a_size_that_suffices_for_the_target(asked: sw.STrace) -> None:
    for ablation in ("zero", "patch"):
        size = asked.smallest(logit_difference=0.9, ablation=ablation)
        assert asked.evaluate([size], ablation=ablation).faithfulness[0] >= 0.9 - 1e-6
    with pytest.raises(ValueError, match="target"):
        sw.trace(asked.model, PROMPT).smallest(logit_difference=0.9)


def test_eap_asks_for_the_difference_and_what_the_other_prompt_would_change(pair: tuple[Any, Any]) -> None:
    module, model = pair
    _, _, own = naive_attribution.run_with_multipliers(module, PROMPT)
    _, _, others = naive_attribution.run_with_multipliers(module, OTHER)
    change = {edge: vector - others[edge] for edge, vector in own.items()}
    for counterfactual, carried in ((None, own), (OTHER, change)):
        logits, multipliers, _ = naive_attribution.run_with_multipliers(module, PROMPT, carried=carried)
        figure = logits[11] - logits[[12, 13]].logsumexp(-1)
        naive = {edge: abs(float(slope)) for edge, slope in naive_attribution.slopes(figure, multipliers).items()}
        trace = sw.trace(model, PROMPT, "eap", target=11, foil=[12, 13], counterfactual=counterfactual)
        largest = max(naive.values())
        for edge, weight in naive_case.as_dict(trace.weights, trace.graph).items():
            assert weight == pytest.approx(naive[edge], rel=1e-5, abs=1e-5 * largest), edge


def test_eap_ig_fades_to_the_other_prompt(pair: tuple[Any, Any]) -> None:
    module, model = pair
    _, _, own = naive_attribution.run_with_multipliers(module, PROMPT)
    _, _, others = naive_attribution.run_with_multipliers(module, OTHER)
    change, steps = {edge: vector - others[edge] for edge, vector in own.items()}, 3
    total: dict[Any, float] = {}
    for step in range(1, steps + 1):
        run = naive_attribution.run_with_multipliers(module, PROMPT, step / steps, change, OTHER)
        for edge, slope in naive_attribution.slopes(run[0][11] - run[0][12], run[1]).items():
            total[edge] = total.get(edge, 0.0) + float(slope) / steps
    trace = sw.trace(model, PROMPT, "eap-ig", steps=steps, target=11, foil=12, counterfactual=OTHER)
    largest = max(map(abs, total.values()))
    for edge, weight in naive_case.as_dict(trace.weights, trace.graph).items():
        assert weight == pytest.approx(abs(total[edge]), rel=1e-5, abs=1e-5 * largest), edge


def test_a_saved_trace_keeps_its_question(asked: sw.STrace, tmp_path: Path) -> None:
    asked.sweep(), asked.sweep(ablation="patch")
    loaded = sw.load_trace(asked.save(tmp_path / "asked.strace"))
    assert loaded.contrast == asked.contrast
    for modes in ({}, {"ablation": "patch"}):
        np.testing.assert_array_equal(loaded.sweep(**modes).figure, asked.sweep(**modes).figure)
        assert loaded.sweep(**modes).cmd() == asked.sweep(**modes).cmd()
    live = loaded.with_model(asked.model)
    for each in (live, asked):
        each.evaluate([1.0], ablation="patch")  # the first run has a row more, that of no edge, and rounds otherwise
    again, before = (each.evaluate([0.4], ablation="patch").faithfulness for each in (live, asked))
    np.testing.assert_allclose(again, before)


def test_a_server_patches_in_one_request(remote_tiny: Any, ndif: Any, tiny: Any) -> None:
    how: dict[str, Any] = {"target": 11, "foil": 12, "counterfactual": OTHER}
    for importance in ("l1", "eap"):
        there, here = (sw.trace(model, PROMPT, importance, **how) for model in (remote_tiny, tiny))
        for ours, theirs in zip(there.weights, here.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
        before = len(ndif.posted)
        found = there.evaluate([0.1, 0.5, 1.0], ablation="patch")
        assert len(ndif.posted) == before + 1
        expected = here.evaluate([0.1, 0.5, 1.0], ablation="patch")
        np.testing.assert_allclose(found.faithfulness, expected.faithfulness, atol=1e-4)


def test_effects_and_submitted_sweeps_patch_from_the_counterfactual_too(
    asked: sw.STrace, remote_tiny: Any, tiny: Any
) -> None:
    found = asked.effects(0.5, "mlp", ablation="patch", progress=False)
    each = [asked.evaluate([0.5], {name: "off"}, ablation="patch").total_variation[0] for name in found.components]
    np.testing.assert_allclose(found.total_variation, each, atol=1e-5)
    there, here = (sw.trace(model, PROMPT, counterfactual=OTHER) for model in (remote_tiny, tiny))
    submitted = there.submit([0.3, 1.0], ablation="patch").result()
    expected = here.evaluate([0.3, 1.0], ablation="patch")
    np.testing.assert_allclose(submitted.total_variation, expected.total_variation, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target": "w5 w6"}, "'w5' + 'w6'"),
        ({"target": "w5", "foil": "w5"}, "both target and foil"),
        ({"foil": "w5"}, "give a target"),
        ({"target": []}, "no target in the list"),
        ({"target": 10_000}, "Token ids"),
        ({"counterfactual": "w5 w17 w3"}, "→'w88'←"),
        ({"counterfactual": "w5 w17 w3 w88 w41 w2"}, "the prompt itself"),
        ({"counterfactual": {7: "w5"}}, "positions of the prompt go from 0 to 5"),
    ],
)
def test_what_cannot_be_asked_is_said(tiny: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(sw.errors.PromptError, match=says.replace("+", r"\+")):
        sw.trace(tiny, "w5 w17 w3 w88 w41 w2", **options)


def test_patching_needs_another_prompt_and_refining_cannot_patch(tiny: Any, asked: sw.STrace) -> None:
    with pytest.raises(sw.errors.PromptError, match="needs another prompt"):
        sw.trace(tiny, PROMPT).evaluate([0.5], ablation="patch")
    with pytest.raises(ValueError, match="cannot patch"):
        asked.refine(30, ablation="patch")


def test_a_target_that_the_model_does_not_prefer_is_warned_of(tiny: Any) -> None:
    logits = sw.trace(tiny, PROMPT).full_logits
    high, low = int(logits.argmax()), int(logits.argmin())
    with pytest.warns(UserWarning, match="does not prefer"):
        trace = sw.trace(tiny, PROMPT, target=low, foil=high)
    assert trace.evaluate([1.0]).figure[0] < 0


def test_tokens_are_replaced_in_place(tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT, counterfactual={1: 20, (3, 5): 9})
    assert trace.contrast.counterfactual == (5, 20, 3, 9, 9, 2)
    assert Contrast().plain() == {}


def test_what_rounds_by_the_batch_cannot_patch(tiny: Any) -> None:
    model = replace(tiny, architecture=replace(tiny.architecture, rows_apart=True))
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match="ablation='patch'"):
        sw.trace(model, PROMPT, counterfactual=OTHER).evaluate([0.5], ablation="patch")
