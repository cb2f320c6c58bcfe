"""Forcing components on and off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.errors import ToggleError
from strace_widgets.graph.toggles import parse

COMPONENTS = [f"{layer}.{part}" for layer in range(3) for part in (*range(4), "mlp")]
some_toggles = st.dictionaries(st.sampled_from(COMPONENTS), st.sampled_from(["on", "off"]))


def test_a_layer_stands_for_all_its_components() -> None:
    assert parse({"1": "off"}, 3, 2).plain() == {"1.0": "off", "1.1": "off", "1.mlp": "off"}
    assert parse({"1": "off", "1.1": "auto"}, 3, 2).plain() == {"1.0": "off", "1.mlp": "off"}


@given(some_toggles)
def test_toggles_are_a_value(toggles: dict[str, str]) -> None:
    """The order and the way in which they were written make no difference; what was parsed is not parsed again."""
    once = parse(toggles, 3, 4)
    again = parse({"2": "auto"} | dict(reversed(toggles.items())), 3, 4)
    assert (again == once, hash(again) == hash(once)) == (True, True)
    assert once.plain() == toggles
    assert bool(once) == bool(toggles)
    assert parse(once, 3, 4) is once
    heads, mlps = once.arrays()
    assert (np.count_nonzero(heads) + np.count_nonzero(mlps)) == len(toggles)
    with pytest.raises(ToggleError, match="of a model with 3 layers of 4 heads; this one has 2 of 4"):
        parse(once, 2, 4)


@pytest.mark.parametrize(
    ("toggles", "part_of_message"),
    [
        ({"7.0": "off"}, "layers are 0 to 2"),
        ({"0.4": "off"}, "heads are 0 to 3"),
        ({"0.0": "maybe"}, "'on', 'off' or 'auto'"),
        ({"L0H0": "off"}, "write '21.4'"),
        ({"0.": "off"}, "write '21.4'"),
        ({"": "off"}, "write '21.4'"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(toggles: dict[str, str], part_of_message: str) -> None:
    with pytest.raises(ToggleError, match=part_of_message.replace(".", r"\.")):
        parse(toggles, 3, 4)


def test_mask_and_evaluation_agree_on_what_a_toggle_drops(tiny_trace: sw.STrace) -> None:
    off = tiny_trace.mask(1.0, {"1.2": "off"})
    assert not off.attention[1, 2].any()
    assert off.n_kept == tiny_trace.n_edges - tiny_trace.mask(1.0).attention[1, 2].sum()
    assert tiny_trace.evaluate([1.0], {"1.2": "off"}).n_edges_kept[0] == off.n_kept


def test_all_on_at_any_size_adds_every_attention_and_mlp_edge(tiny_trace: sw.STrace) -> None:
    everything = {str(layer): "on" for layer in range(3)}
    mask, whole = tiny_trace.mask(0.01, everything), tiny_trace.mask(1.0)
    np.testing.assert_array_equal(mask.attention, whole.attention)
    np.testing.assert_array_equal(mask.mlp, whole.mlp)
    residual_on = tiny_trace.evaluate([1.0], everything)
    assert residual_on.total_variation[0] <= 1e-6


@given(toggles=some_toggles, size=st.floats(0.01, 1.0))
def test_evaluation_runs_exactly_the_mask(tiny: Any, toggles: dict[str, str], size: float) -> None:
    """The masked pass under size and toggles equals a pass whose ranks spell the same mask out edge by edge."""
    trace = sw.trace(tiny, [5, 17, 3, 88, 41])
    mask = trace.mask(size, toggles)
    spelled_out = sw.Edges(*(np.where(kept, 0, 1).astype(np.int32) for kept in mask))
    logits = tiny.evaluate(trace.token_ids, spelled_out, np.array([1]))[0]
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(trace.evaluate([size], toggles).probabilities[0], probabilities, atol=1e-5)


def test_a_head_that_is_switched_off_contributes_nothing(tiny_trace: sw.STrace) -> None:
    """Against the model itself, with the head's columns of the output projection set to zero."""
    module = tiny_trace.model.nnsight._module
    projection = module.model.layers[1].self_attn.o_proj.weight
    kept = projection.detach().clone()
    switched_off = tiny_trace.evaluate([1.0], {"1.2": "off"})
    try:
        projection.data[:, 2 * 8 : 3 * 8] = 0
        truth = sw.trace(tiny_trace.model, tiny_trace.token_ids).full_logits
    finally:
        projection.data.copy_(kept)
    expected = np.exp(truth - truth.max()) / np.exp(truth - truth.max()).sum()
    np.testing.assert_allclose(switched_off.probabilities[0], expected, atol=1e-5)


@pytest.mark.parametrize("attention", ["recomputed", "frozen"])
def test_toggles_of_a_row_are_those_of_the_row_alone(
    tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch, attention: str
) -> None:
    monkeypatch.setattr("strace_widgets.model.request_estimates.rows_a_pass", lambda *_: 2)
    sizes, toggles = [0.3, 0.6, 0.6], [{"1.2": "off"}, {}, {"0.mlp": "on", "2": "off"}]
    together = tiny_trace.evaluate(sizes, toggles, attention=attention)
    for row, (size, each) in enumerate(zip(sizes, toggles, strict=True)):
        alone = tiny_trace.evaluate([size], each, attention=attention)
        np.testing.assert_allclose(together.probabilities[row], alone.probabilities[0], atol=1e-6)
        assert together.n_edges_kept[row] == alone.n_edges_kept[0]
    assert together.total_variation[1] != together.total_variation[2]
    with pytest.raises(ValueError, match="3 sizes but 2 sets of toggles"):
        tiny_trace.evaluate(sizes, toggles[:2])
