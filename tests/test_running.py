"""What users give is left as it was: only while it runs is a model in evaluation mode and its attention eager."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import families
import numpy as np
import pytest
import tiny_models
import torch

import strace_widgets as sw
from strace_widgets.model.running import running

PROMPT = [5, 17, 3, 88, 41, 2]
DROPOUT = {
    "Llama": {"attention_dropout": 0.5},
    "GPT2": {"resid_pdrop": 0.3, "attn_pdrop": 0.3, "embd_pdrop": 0.3},
    "GPTNeoX": {"hidden_dropout": 0.4, "attention_dropout": 0.2},
    "OPT": {"ffn_dim": 48, "word_embed_proj_dim": 32, "dropout": 0.3},
}


@pytest.mark.parametrize("name", DROPOUT)
def test_a_model_in_training_gives_the_numbers_of_evaluation_and_stays_in_training(name: str) -> None:
    module = families.build(name, DROPOUT[name])
    with torch.no_grad():
        logits = module(torch.tensor([PROMPT])).logits[0, -1].numpy()
    module.train()
    model = sw.load_model(module)
    for importance in ("l1", "fisher"):
        trace = sw.trace(model, PROMPT, importance)
        np.testing.assert_allclose(trace.full_logits, logits, atol=1e-4)
        np.testing.assert_array_equal(trace.weights.attention, sw.trace(model, PROMPT, importance).weights.attention)
        assert trace.evaluate([1.0]).total_variation[0] < 1e-6
        assert trace.evaluate([1.0], ablation="mean").total_variation[0] < 1e-6
    assert all(part.training for part in module.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())


def test_a_model_that_is_set_to_training_later_gives_the_same_numbers() -> None:
    module = tiny_models.tiny(attention_dropout=0.5)
    model = sw.load_model(module)
    before = sw.trace(model, PROMPT)
    module.train()
    np.testing.assert_array_equal(sw.trace(model, PROMPT).weights.attention, before.weights.attention)
    assert before.evaluate([1.0]).total_variation[0] < 1e-6


def test_parts_frozen_in_evaluation_stay_so() -> None:
    module = tiny_models.tiny().train()
    module.model.layers[1].eval()
    before = [part.training for part in module.modules()]
    sw.trace(sw.load_model(module), PROMPT)
    assert [part.training for part in module.modules()] == before


def test_a_run_that_fails_leaves_the_model_as_it_was() -> None:
    module = tiny_models.tiny().train()
    model = sw.load_model(module)
    hook = module.lm_head.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sw.trace(model, PROMPT)
    hook.remove()
    assert module.training
    refused = tiny_models.tiny(is_causal=False).train()
    with pytest.raises(sw.errors.UnsupportedArchitectureError):
        sw.load_model(refused)
    assert refused.training
    assert refused.config._attn_implementation == "sdpa"


def test_the_attention_implementation_of_a_held_model_stays() -> None:
    module = tiny_models.tiny()
    assert module.config._attn_implementation == "sdpa"
    model = sw.load_model(module)
    trace = sw.trace(model, PROMPT)
    assert module.config._attn_implementation == "sdpa"
    module.set_attn_implementation("eager")
    np.testing.assert_array_equal(sw.trace(model, PROMPT).weights.attention, trace.weights.attention)
    assert module.config._attn_implementation == "eager"


def test_the_tokenizer_the_generator_and_the_weights_of_a_held_model_stay() -> None:
    module, tokenizer = tiny_models.tiny(), tiny_models.words()
    weights, settings = copy.deepcopy(module.state_dict()), module.generation_config.to_dict()
    random = torch.get_rng_state()
    padding = (tokenizer.pad_token, tokenizer.padding_side)
    sw.trace(sw.load_model(module, tokenizer=tokenizer), "w5 w17 w3", "fisher").evaluate([0.1])
    assert (tokenizer.pad_token, tokenizer.padding_side) == padding
    assert module.generation_config.to_dict() == settings
    assert torch.equal(torch.get_rng_state(), random)
    after: dict[str, Any] = module.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in weights.items())
    assert torch.is_grad_enabled()


def changed_weights(module: Any) -> None:
    """Past torch's count of changes; for those that it counts, see `test_adapters.py`."""
    module.model.layers[1].mlp.down_proj.weight.data.mul_(1.5)


def a_hook(module: Any) -> None:
    module.model.layers[1].register_forward_hook(lambda *args: args[-1] + 0.5)


@pytest.mark.parametrize("change", [changed_weights, a_hook])
def test_a_trace_of_a_model_that_has_changed_since_says_so(change: Any) -> None:
    module = tiny_models.tiny()
    trace = sw.trace(sw.load_model(module), PROMPT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace.evaluate([0.1, 1.0])
        trace.evaluate([1.0], inverse=True)
        trace.evaluate([1.0], {"1.2": "off"})
    change(module)
    with pytest.warns(UserWarning, match=r"no longer predicts what was traced \(TV 0\.\d+\)"):
        trace.evaluate([0.1, 1.0])


def test_an_interrupt_between_two_switches_leaves_derivatives_on() -> None:
    def interrupted() -> None:
        with running(tiny_models.tiny()):
            torch.set_grad_enabled(False)  # its block has not begun
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.is_grad_enabled()
