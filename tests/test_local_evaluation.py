"""Masks evaluated by hooks of torch: the numbers are nnsight's, what cannot matter is left out, nothing stays."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import both_ways
import families
import numpy as np
import pytest
import test_switches
import tiny_models
import torch
from huggingface_hub.errors import StrictDataclassError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.graph.modes import CHOICES, Modes
from strace_widgets.graph.toggles import Toggles, parse
from strace_widgets.interventions import masked
from strace_widgets.model import local_evaluation, local_proof
from strace_widgets.model.local_evaluation import Layer

CASES = 8
PROMPT = [5, 17, 3, 88, 41, 2]
some_modes = st.builds(
    Modes, inverse=st.booleans(), **{name: st.sampled_from(choices) for name, choices in CHOICES.items()}
)


@st.composite
def some_rows(draw: st.DrawFn) -> list[tuple[float, dict[str, str]]]:
    """Return sizes, each with toggles of its own."""
    parts = [f"{layer}.{part}" for layer in range(families.LAYERS) for part in (*range(families.HEADS), "mlp")]
    toggles = st.dictionaries(st.sampled_from(parts), st.sampled_from(["on", "off"]), max_size=4)
    size = st.one_of(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(0.0, 0.2), st.floats(0.0, 1.0))
    return draw(st.lists(st.tuples(size, toggles), min_size=1, max_size=4))


some_cases = st.lists(st.tuples(some_rows(), some_modes, st.booleans()), min_size=CASES, max_size=CASES)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(test_switches.switched(), some_cases, st.integers(0, 9))
def test_both_ways_agree_on_random_models_sizes_toggles_and_modes(case: Any, cases: Any, order: int) -> None:
    """On 200 cases: 8 of each of 25 models."""
    name, options, seed, training, prompt = case
    assume(not test_switches.reads_past_the_graph(name, options))
    try:
        module = families.build(name, options, seed=seed).train(training)
        model = sw.load_model(module)
    except (ValueError, RuntimeError, TypeError, KeyError, StrictDataclassError, sw.errors.StraceError):
        assume(condition=False)  # a configuration that transformers, or the proof, refuses
    assert model._by_hooks == (not options.get("reorder_and_upcast_attn"))
    assume(model._by_hooks)
    trace = sw.trace(model, prompt)
    trace = trace.random(order) if order % 2 else trace
    for rows, modes, states in cases:
        sizes = [-1 if size < 0 else int(size * trace.n_edges) for size, _ in rows]
        toggles = [parse(each, families.LAYERS, families.HEADS) for _, each in rows]
        assert both_ways.largest_gap(model, trace, sizes, toggles, modes, states=states) <= 1e-5
    assert module.training == training


def test_an_evaluation_goes_by_hooks_once_they_are_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hooks = []
    evaluate = local_evaluation.evaluate
    monkeypatch.setattr(local_evaluation, "evaluate", lambda *args, **how: by_hooks.append(1) or evaluate(*args, **how))
    trace = sw.trace(sw.load_model(tiny_models.tiny()), PROMPT)
    trace.evaluate([0.5])
    trace.evaluate([0.5], {"1.2": "off"}, attention="frozen")
    assert len(by_hooks) == 2
    imitated = sw.trace(sw.load_model(tiny_models.tiny(), remote="local"), PROMPT)
    imitated.evaluate([0.5])
    assert len(by_hooks) == 2


def test_all_edges_are_the_model_to_the_bit(smollm2: Any) -> None:
    trace = sw.trace(smollm2, "The capital of France is")
    assert smollm2._by_hooks
    logits = smollm2.evaluate(trace.token_ids, trace.ranks, np.array([trace.n_edges]))
    np.testing.assert_array_equal(logits[0], trace.full_logits)


@pytest.mark.parametrize("wrong", ["another number", "an exception"])
def test_what_is_not_proved_goes_by_nnsight(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a family whose own eager function cannot be found, or is another one than it runs with."""
    expected = sw.trace(sw.load_model(tiny_models.tiny()), PROMPT).evaluate([0.1, 0.5]).probabilities

    def other(_attention: Any) -> Any:
        if wrong == "an exception":
            raise KeyError("eager_attention_forward")
        return lambda _, query, key, *__, **___: (None, (query @ key.repeat_interleave(2, 1).mT).softmax(-1))

    monkeypatch.setattr(local_evaluation, "eager_of", other)
    model = sw.load_model(tiny_models.tiny())
    found = sw.trace(model, PROMPT).evaluate([0.1, 0.5]).probabilities
    assert not model._by_hooks
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("mask_residual", lambda *_: None),
        ("mask_mlp", lambda step, keep, _, means: masked.mask_mlp(step, keep, None, means)),
        ("mask_mlp", lambda step, keep, keep_residual, _: masked.mask_mlp(step, keep, keep_residual)),
        ("mask_heads", lambda step, _, frozen, mean: masked.mask_heads(step, None, frozen, mean)),
        ("Layer", lambda *args: Layer(*args[:4], frozen=False, means=args[5])),
        ("mask_heads", lambda step, keep, frozen, _: masked.mask_heads(step, keep, frozen)),
        ("token_masks", lambda ranks, kept, _, modes: masked.token_masks(ranks, kept, [0, None], modes)),
    ],
    ids=["residual", "MLP residual", "mean of MLPs", "heads", "frozen", "mean of heads", "toggles"],
)
def test_the_proof_sees_each_kind_of_error(name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sw.load_model(tiny_models.tiny())._by_hooks
    monkeypatch.setattr(local_evaluation, name, wrong)
    assert not sw.load_model(tiny_models.tiny())._by_hooks


def parts_of(module: Any) -> list[Any]:
    """Return all that a run might leave behind."""
    return [
        (
            sorted(part.__dict__),
            list(part._forward_hooks),
            list(part._forward_pre_hooks),
            part.training,
            getattr(getattr(part, "config", None), "_attn_implementation", None),
        )
        for part in module.modules()
    ]


def test_a_module_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    module = tiny_models.tiny().train()
    model = sw.load_model(module)
    trace = sw.trace(model, PROMPT)
    trace.evaluate([0.5])
    before = parts_of(module)
    trace.evaluate([0.1, 0.5])
    assert parts_of(module) == before
    assert module.config._attn_implementation == "sdpa"
    monkeypatch.setattr(local_evaluation, "mask_mlp", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trace.evaluate([0.5])
    assert parts_of(module) == before


def test_hooks_of_others_see_all_positions() -> None:
    """A person's own hook on a part of the model may count on its shape: then nothing is left out."""
    module = tiny_models.tiny()
    model = sw.load_model(module)
    trace = sw.trace(model, PROMPT)
    before = trace.evaluate([0.1]).probabilities
    assert model._by_hooks
    shapes = []
    hook = module.model.layers[1].mlp.register_forward_hook(lambda *args: shapes.append(args[-1].shape))
    trace.evaluate([0.1])
    assert set(shapes) == {(1, len(PROMPT), families.WIDTH)}
    hook.remove()
    np.testing.assert_array_equal(trace.evaluate([0.1]).probabilities, before)
    forward = module.model.layers[1].mlp.forward
    module.model.layers[1].mlp.forward = partial(forward)
    assert not local_proof.untouched(module)


def test_an_mlp_runs_where_its_edge_is_kept_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = sw.trace(sw.load_model(tiny_models.tiny()), PROMPT)
    trace.evaluate([0.5])
    positions, linear = Counter[int](), torch.nn.functional.linear
    layers = trace.model.nnsight._module.model.layers
    place = {id(layer.mlp.up_proj.weight): number for number, layer in enumerate(layers)}

    def counted(x: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> torch.Tensor:
        positions[place.get(id(weight), -1)] += x.shape[:-1].numel()
        return linear(x, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", counted)
    for n_edges in (3, 12, 40):
        positions.clear()
        trace.evaluate([n_edges / trace.n_edges])
        kept = trace.mask(n_edges / trace.n_edges).mlp.sum(axis=1)
        assert [min(positions[layer], 1) for layer in range(len(layers))] == np.minimum(kept, 1).tolist()
        assert all(positions[layer] <= kept[layer] for layer in range(len(layers)))
    positions.clear()
    trace.evaluate([1.0])
    assert [positions[layer] for layer in range(len(layers))] == [len(PROMPT)] * 3  # the model itself


def test_rows_that_keep_no_attention_do_not_attend(monkeypatch: pytest.MonkeyPatch) -> None:
    model = sw.load_model(tiny_models.tiny())
    trace = sw.trace(model, PROMPT)
    trace.evaluate([0.5])
    rows, eager = [], local_evaluation.eager_of

    def counted(attention: Any) -> Any:
        def attend(*args: Any, **options: Any) -> Any:
            rows.append(len(args[1]))
            return eager(attention)(*args, **options)

        return attend

    monkeypatch.setattr(local_evaluation, "eager_of", counted)
    every, none = Toggles(3, 4), parse({f"{layer}.{head}": "off" for layer in range(3) for head in range(4)}, 3, 4)
    model.evaluate(trace.token_ids, trace.ranks, np.full(3, trace.n_edges), [every, none, none])
    assert rows == [1, 1, 1]
