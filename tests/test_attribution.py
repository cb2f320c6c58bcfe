"""The field's attribution methods as measures, against the derivative with respect to a multiplier of every edge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import families
import naive_attribution
import naive_case
import numpy as np
import pytest
import tiny_models
import torch

import strace_widgets as sw
from strace_widgets.graph.measures import ATTRIBUTED
from strace_widgets.interventions import attribution
from strace_widgets.model.running import running

PROMPT = [5, 17, 3, 88, 41, 2]


def agree(ours: dict[Any, float], naive: dict[Any, float]) -> None:
    """Check every edge: the derivative is missing where the output does not depend on it, and the graph ends there."""
    assert ours.keys() <= naive.keys()
    largest = max(naive.values())
    assert largest > 0
    for edge, weight in ours.items():
        # Processors add float32 numbers up in different orders.
        assert weight == pytest.approx(naive[edge], rel=2e-5, abs=2e-5 * largest), edge


def test_eap_is_the_derivative_by_each_edge(pair: tuple[Any, Any]) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT, importance="eap")
    agree(naive_case.as_dict(trace.weights, trace.graph), naive_attribution.patched(module, PROMPT))


@pytest.mark.parametrize("steps", [2, 5])
def test_eap_ig_is_the_mean_derivative_over_faded_inputs(pair: tuple[Any, Any], steps: int) -> None:
    module, model = pair
    trace = sw.trace(model, PROMPT, importance="eap-ig", steps=steps)
    agree(naive_case.as_dict(trace.weights, trace.graph), naive_attribution.integrated(module, PROMPT, steps))
    assert trace.probing.steps == steps


def test_faded_inputs_enter_the_first_block_with_their_positions() -> None:
    """Where positions are added to the embeddings, both are scaled: what is integrated is the stream."""
    module = families.build("GPT2", {}, seed=3)
    trace = sw.trace(sw.load_model(module), PROMPT, importance="eap-ig", steps=3)
    blocks, added = module.transformer.h, [[] for _ in module.transformer.h]
    full = module(torch.tensor([PROMPT])).logits[0, -1].detach()
    total = 0.0
    for step in (1, 2, 3):
        hooks = [
            blocks[0].register_forward_pre_hook(lambda _, args, step=step: (args[0] * (step / 3), *args[1:])),
            *(
                block.mlp.register_forward_hook(lambda _, __, output, kept=kept: kept.append(output))
                for block, kept in zip(blocks, added, strict=True)
            ),
        ]
        logits = module(torch.tensor([PROMPT])).logits[0, -1]
        divergence = torch.nn.functional.kl_div(logits.log_softmax(-1), full.softmax(-1), reduction="sum")
        total = total + torch.autograd.grad(divergence, added[1][-1])[0] / 3
        for hook in hooks:
            hook.remove()
    expected = (total * added[1][-1]).sum(-1)[0].abs().detach()  # the last step's MLP output is the model's own
    np.testing.assert_allclose(trace.weights.mlp[1], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "family", families.FAMILIES, ids=lambda family: f"{family.name}-{family.kind}".replace(" ", "-")
)
def test_every_family(family: families.Family) -> None:
    model = sw.load_model(families.build(family.name, family.options))
    for measure in ATTRIBUTED:
        trace = sw.trace(model, PROMPT, importance=measure)
        exists = trace.graph.exists()
        assert all(np.isfinite(kind).all() for kind in trace.weights)
        assert all((kind[there] > 0).any() for kind, there in zip(trace.weights, exists, strict=True) if there.any())
        assert trace.evaluate([1.0]).total_variation[0] < 1e-5
    assert all(parameter.grad is None for parameter in model.nnsight._module.parameters())


@pytest.mark.parametrize("measure", ATTRIBUTED)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype, measure: str) -> None:
    """Gradients neither vanish nor overflow; what is lost is the model's own rounding.

    A divergence has the difference of two predictions as its slope, which rounds worse than either.
    """
    exact, half = (
        sw.trace(sw.load_model(tiny_models.tiny().to(kind)), PROMPT, importance=measure).weights
        for kind in (torch.float32, dtype)
    )
    gap = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(exact, half, strict=True)))
    bound = 0.25 if (dtype, measure) == (torch.bfloat16, "eap-ig") else 0.1
    assert gap <= bound * np.sqrt(sum((kind**2).sum() for kind in exact))


@pytest.mark.parametrize("measure", ATTRIBUTED)
def test_a_sure_prediction_keeps_its_gradients_in_half_precision(measure: str) -> None:
    """Where the token is all but certain, the slopes are far below what float16 can hold."""
    weights = []
    for dtype in (torch.float32, torch.float16):
        module = tiny_models.tiny(tie_word_embeddings=False)
        prediction = sw.trace(sw.load_model(module), PROMPT).top[0].id
        with torch.no_grad():
            # Its row is what the last state is; every other token is left behind by far.
            states = module.model(torch.tensor([PROMPT])).last_hidden_state[0, -1]
            module.lm_head.weight[prediction] += 14 * states / states.norm() ** 2
        weights.append(sw.trace(sw.load_model(module.to(dtype)), PROMPT, importance=measure).weights)
    exact, half = (np.concatenate([kind.ravel() for kind in each]) for each in weights)
    assert 0 < exact.max() < 1e-3
    assert np.linalg.norm(exact - half) <= 0.1 * np.linalg.norm(exact)


def test_an_imitated_server_and_parts_of_layers_give_the_same(tiny: Any) -> None:
    simulated = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words(), remote="local")
    places = tiny.architecture.plain()
    for measure in ATTRIBUTED:
        here, there = (sw.trace(model, PROMPT, importance=measure) for model in (tiny, simulated))
        for ours, theirs in zip(here.weights, there.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        asked = (tiny.nnsight, places, torch.tensor([PROMPT]), here.probing.plain(measure))
        with running(tiny.nnsight._module):
            parts = [attribution.capture_attributed(*asked, layers) for layers in ((0, 1), (1, places["n_layers"]))]
        scores, _ = tiny.joined_scores(parts)
        for ours, theirs, there_is in zip(here.weights, scores, here.graph.exists(), strict=True):
            np.testing.assert_allclose(ours[there_is], theirs[there_is], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("measure", ATTRIBUTED)
def test_a_model_without_gradients_says_so(measure: str) -> None:
    module = tiny_models.without_gradients()
    with pytest.raises(sw.errors.NoGradientsError, match=rf"gives no gradients.*'{measure}'.*choose another measure"):
        sw.trace(sw.load_model(module), PROMPT, importance=measure)


@pytest.mark.parametrize("steps", [1, 0, -3])
def test_too_few_steps(tiny: Any, steps: int) -> None:
    with pytest.raises(ValueError, match=f"at least two steps.*steps={steps}"):
        sw.trace(tiny, PROMPT, importance="eap-ig", steps=steps)


def test_what_was_asked_is_kept(tiny: Any, tmp_path: Path) -> None:
    trace = sw.trace(tiny, PROMPT, importance="eap-ig", steps=3)
    assert trace.options == {"steps": 3}
    assert sw.load_trace(trace.save(tmp_path / "x.strace")).options == trace.options
    explorer = trace.explore()
    assert "importance='eap-ig', steps=3)" in explorer.code()["strace_widgets"]
    assert set(ATTRIBUTED) <= set(explorer.choices["importance"])
    session = explorer.session
    for settings in ({"position": 3}, {"importance": "eap"}, {"importance": "l1"}):
        there = session.with_settings(replace(session.settings, **settings)).trace
        assert there.options == ({"steps": 3} if "position" in settings else {})
    explorer.close()
    assert sw.trace(tiny, PROMPT, importance="eap").options == {}
    for measure in ATTRIBUTED:  # one pass forward, one backward; the steps are rows
        assert sw.estimate(tiny, PROMPT, importance=measure).passes == sw.estimate(tiny, PROMPT).passes + 1
