"""A masked run begins where it differs from an earlier one: the numbers are those of a run from the first layer on."""

from __future__ import annotations

import gc
from typing import Any

import families
import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.graph.modes import CHOICES
from strace_widgets.model import local_proof, reuse

PROMPT = [5, 17, 3, 88, 41, 2]
PLACES = [f"{layer}.{part}" for layer in range(families.LAYERS) for part in (*range(families.HEADS), "mlp")]
ENTERING = [f"{layer}@{token}" for layer in range(families.LAYERS) for token in (2, 5)] + ["1.2@1>3", "2.mlp@5"]
some_toggles = st.dictionaries(st.sampled_from([*PLACES, *ENTERING]), st.sampled_from(["on", "off"]), max_size=3)
some_modes = st.fixed_dictionaries({}, optional={name: st.sampled_from(choices) for name, choices in CHOICES.items()})
some_runs = st.lists(
    st.tuples(st.sampled_from([0.1, 0.5, 0.52]), st.lists(some_toggles, min_size=1, max_size=3), some_modes),
    min_size=2,
    max_size=12,
)


def afresh(trace: sw.STrace, *args: Any, **modes: Any) -> Any:
    """What a run says that has no other to begin with; what there is stays."""
    passes = list(trace.model._reuse.passes)
    trace.model._reuse.passes.clear()
    try:
        return trace.evaluate(*args, **modes).probabilities
    finally:
        trace.model._reuse.passes[:] = passes


def layers_run(trace: sw.STrace, *args: Any, **modes: Any) -> int:
    """How many layers a run has not taken from another."""
    begun = []
    begin = reuse.Reuse.begin
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reuse.Reuse, "begin", lambda *given: begun.append(begin(*given)) or begun[-1])
        trace.evaluate(*args, **modes)
    return families.LAYERS - (begun[-1].start if begun else 0)


def traced(module: Any = None) -> sw.STrace:
    trace = sw.trace(sw.load_model(module or tiny_models.tiny()), PROMPT, counterfactual=[5, 17, 3, 9, 41, 2])
    trace.evaluate([0.4])
    return trace


@pytest.fixture(scope="module")
def kept() -> sw.STrace:
    return traced()


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(some_runs)
def test_any_run_after_any_others_is_a_run_by_itself(kept: sw.STrace, runs: Any) -> None:
    for size, toggles, modes in runs:
        rows = [{}] if modes.get("masks") == "mlp+residual" else toggles
        sizes = [size] * len(rows)
        expected = afresh(kept, sizes, rows, **modes)
        np.testing.assert_allclose(kept.evaluate(sizes, rows, **modes).probabilities, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", families.FAMILIES, ids=lambda family: family.name)
def test_every_family_begins_in_the_layer_that_differs(family: Any) -> None:
    model = sw.load_model(families.build(family.name, family.options))
    trace = sw.trace(model, PROMPT)
    trace.evaluate([0.5])
    if not model._by_hooks:
        return
    for layer in (1, families.LAYERS - 1):
        toggles = {f"{layer}.mlp": "off", f"{layer}.0": "on"}
        expected = afresh(trace, [0.5], toggles)
        trace.evaluate([0.5])
        assert layers_run(trace, [0.5], toggles) <= families.LAYERS - layer
        np.testing.assert_allclose(trace.evaluate([0.5], toggles).probabilities, expected, atol=1e-5)


def test_toggles_run_from_their_layer_on(kept: sw.STrace) -> None:
    kept.evaluate([0.5])
    assert layers_run(kept, [0.5], {"2.0": "off", "2.mlp": "off"}) == 1
    assert layers_run(kept, [0.5], {"1.1": "off", "1.mlp": "off"}) == 2
    assert layers_run(kept, [0.5], {"2@5": "off"}) == 1
    assert layers_run(kept, [0.5], {"0@5": "off"}) == 3
    kept.evaluate([0.5])
    assert layers_run(kept, [0.5, 0.5], [{"2.mlp": "off"}, {"1.mlp": "off"}]) == 2
    assert layers_run(kept, [0.5]) == 0


def test_what_reads_other_rows_or_another_prompt_runs_whole(kept: sw.STrace) -> None:
    for modes in ({"attention": "frozen"}, {"ablation": "patch"}, {"ablation": "mean"}, {"inverse": True}):
        kept.evaluate([0.5])
        assert layers_run(kept, [0.5], {"2.mlp": "off"}, **modes) == 3
    kept.evaluate([0.5])
    other = sw.trace(kept.model, PROMPT[::-1])
    assert layers_run(other, [0.5]) == 3


def trained(module: Any) -> None:
    with torch.no_grad():
        module.model.layers[0].mlp.up_proj.weight.mul_(1.5)


def frozen_then_changed(module: Any) -> None:
    module.requires_grad_(requires_grad=False)
    trained(module)


def put_in_place(module: Any) -> None:
    module.model.layers[0].mlp.up_proj.weight.data = module.model.layers[0].mlp.up_proj.weight.data * 2


@pytest.mark.parametrize("change", [trained, frozen_then_changed, put_in_place])
def test_changed_weights_run_whole(change: Any) -> None:
    trace = traced()
    model, arguments = trace.model, (trace.token_ids, trace.ranks, np.array([trace.n_edges // 2]))
    before = model.evaluate(*arguments)
    change(model.nnsight._module)
    after = model.evaluate(*arguments)
    assert np.abs(after - before).max() > 1e-3
    model._reuse.passes.clear()
    np.testing.assert_array_equal(model.evaluate(*arguments), after)


def test_a_layer_that_writes_over_its_input_is_not_taken_for_it() -> None:
    stream = torch.zeros(1, 2, 3)
    said = reuse.Said(stream, stream._version, 0)
    assert said.lasts()
    stream.add_(1)
    assert not said.lasts()


def test_the_module_is_left_as_it_was_even_after_an_error(kept: sw.STrace) -> None:
    module = kept.model.nnsight._module
    kept.evaluate([0.5])
    before = [sorted(part.__dict__) for part in module.modules()]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("strace_widgets.model.local_evaluation.mask_mlp", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            kept.evaluate([0.5], {"2.mlp": "off"})
    assert [sorted(part.__dict__) for part in module.modules()] == before
    assert local_proof.untouched(module)


def test_the_streams_of_a_run_are_bounded(kept: sw.STrace, monkeypatch: pytest.MonkeyPatch) -> None:
    one = len(PROMPT) * kept.model.d_model * 4
    monkeypatch.setattr(reuse, "MOST_BYTES", 2 * one)  # of three layers: those after every second
    kept.model._reuse.passes.clear()
    kept.evaluate([0.5])
    assert [sorted(each.says) for each in kept.model._reuse.passes] == [[1]]
    assert layers_run(kept, [0.5], {"2.mlp": "off"}) == 1
    assert layers_run(kept, [0.5], {"1.mlp": "off"}) == 3
    assert len(kept.model._reuse.passes) == 2


def test_many_traces_leave_nothing(kept: sw.STrace) -> None:
    def some(n_traces: int) -> int:
        for number in range(n_traces):
            trace = sw.trace(kept.model, [1 + number % 7, *PROMPT])
            trace.evaluate([0.1, 0.5])
            trace.evaluate([0.5], {"2.mlp": "off"})
        del trace
        gc.collect()
        return len(gc.get_objects())

    some(5)
    before = some(5)
    assert some(20) - before < 20  # an object a trace would be a leak
