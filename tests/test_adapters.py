"""Adapters of peft: each gives one linear map to the stream, which changes when they are switched or merged."""

from __future__ import annotations

from typing import Any

import held_models
import numpy as np
import peft
import pytest
import tiny_models
import torch
from held_models import PROMPT, dense, lora, merged, own_logits, variation

import strace_widgets as sw

pytestmark = pytest.mark.filterwarnings("ignore")
OUTPUT = ["o_proj"]


def other(kind: str, base: Any = None, **options: Any) -> Any:
    """A model under another kind of adapter than LoRA."""
    settings = getattr(peft, f"{kind}Config")(task_type="CAUSAL_LM", **({"target_modules": OUTPUT} | options))
    return held_models.adapted(settings, base)


KINDS: dict[str, Any] = {
    "LoRA": lora,
    "LoRA-everywhere": lambda: lora("all-linear"),
    "LoRA-dropout": lambda: lora(lora_dropout=0.5),
    "LoRA-one-layer": lambda: lora(layers_to_transform=[1]),
    "LoRA-biases": lambda: lora(("out_proj",), dense("OPT"), lora_bias=True),
    "LoRA-Conv1D": lambda: lora(("c_attn", "c_proj"), dense("GPT2")),
    "LoRA-embedding": lambda: lora(("embed_tokens", "o_proj")),
    "LoRA-post-norm": lambda: lora(base=dense("Olmo2"), modules_to_save=["post_attention_layernorm", "norm"]),
    "LoRA-latent-attention": lambda: lora("all-linear", dense("DeepseekV3", head_dim=None)),
    "DoRA": lambda: lora(("o_proj", "up_proj"), use_dora=True),
    "IA3": lambda: other("IA3", target_modules=["o_proj", "down_proj"], feedforward_modules=["o_proj", "down_proj"]),
    "LoHa": lambda: other("LoHa"),
    "LoKr": lambda: other("LoKr"),
    "OFT": lambda: other("OFT", oft_block_size=8),
    "VeRA": lambda: other("Vera"),
    "whole-projection": lambda: lora(("q_proj",), modules_to_save=["o_proj"]),
    "norms": lambda: other("LNTuning", target_modules=["input_layernorm", "norm"]),
    "nested": lambda: lora(("q_proj", "v_proj"), lora()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapted_model_is_traced_as_the_merged_one_is(kind: str) -> None:
    module = KINDS[kind]()
    model = sw.load_model(module)
    assert max(model.gaps.values()) <= 1e-4
    assert not model.architecture.rounds
    trace = sw.trace(model, PROMPT)
    assert variation(trace.full_logits, own_logits(module)) <= 1e-5
    assert trace.evaluate([0.3, 1.0]).total_variation[1] <= 1e-5
    whole = module if kind == "nested" else merged(module)
    expected = sw.trace(sw.load_model(whole), PROMPT)
    held_models.assert_same_weights(trace, expected, 1e-4)
    fisher, right = (sw.trace(one.model, PROMPT, importance="fisher") for one in (trace, expected))
    np.testing.assert_allclose(fisher.weights.attention, right.weights.attention, rtol=2e-2, atol=1e-3)


def test_an_adapter_on_quantized_weights() -> None:
    from optimum.quanto import freeze, qint8, quantize  # noqa: PLC0415 - changes what it is given

    base = dense()
    quantize(base, weights=qint8)
    freeze(base)
    module = dense()
    module.add_adapter(peft.LoraConfig(target_modules=OUTPUT, init_lora_weights=False))
    for layer, packed in zip(module.model.layers, base.model.layers, strict=True):
        layer.self_attn.o_proj.base_layer = packed.self_attn.o_proj
    model = sw.load_model(module.eval())
    assert max(model.gaps.values()) <= 1e-4
    trace = sw.trace(model, PROMPT)
    assert variation(trace.full_logits, own_logits(module)) <= 1e-5
    plain = dense()
    with torch.no_grad():
        for layer, held in zip(plain.model.layers, module.model.layers, strict=True):
            projection = held.self_attn.o_proj
            weight = projection.base_layer.weight.dequantize() + projection.get_delta_weight("default")
            layer.self_attn.o_proj.weight.copy_(weight)
    held_models.assert_same_weights(trace, sw.trace(sw.load_model(plain), PROMPT), 1e-5)


@pytest.mark.parametrize("family", ["Llama", "Olmo2"])
def test_adapters_may_be_switched_after_loading(family: str) -> None:
    """The model that was loaded gives what the module gives at that moment."""
    saved = {"modules_to_save": ["norm", "post_attention_layernorm"]}
    module = lora("all-linear", dense(family), **saved)
    model = sw.load_model(module, tokenizer=tiny_models.words())
    torch.manual_seed(1)
    module.add_adapter("second", peft.LoraConfig(task_type="CAUSAL_LM", target_modules=OUTPUT, init_lora_weights=False))
    module.eval()

    def weights() -> Any:
        trace = sw.trace(model, PROMPT)
        assert variation(trace.full_logits, own_logits(module)) <= 1e-5
        assert trace.evaluate([1.0, 0.2]).total_variation[0] <= 1e-5
        return trace.weights.attention

    first = weights()
    with module.disable_adapter():
        base = weights()
    np.testing.assert_allclose(base, sw.trace(sw.load_model(dense(family)), PROMPT).weights.attention, atol=1e-5)
    module.set_adapter("second")
    second = weights()
    module.set_adapter("default")
    module.merge_adapter()
    np.testing.assert_allclose(weights(), first, atol=1e-4)
    module.unmerge_adapter()
    np.testing.assert_allclose(weights(), first, atol=1e-4)
    gaps = [np.abs(one - another).max() for one, another in ((first, base), (second, base), (first, second))]
    assert min(gaps) > 1e-3


def test_a_trace_does_not_go_on_with_a_model_that_is_another_by_now() -> None:
    module = lora()
    trace = sw.trace(sw.load_model(module), PROMPT)
    before = trace.evaluate([0.5]).probabilities
    with module.disable_adapter(), pytest.raises(sw.errors.ModelChangedError, match="no longer what was traced"):
        trace.evaluate([0.5])
    np.testing.assert_array_equal(trace.random().random().evaluate([1.0]).total_variation <= 1e-5, [True])
    module.merge_adapter()
    with pytest.raises(sw.errors.ModelChangedError, match="an adapter was switched, merged or disabled"):
        trace.evaluate_mask(trace.mask(0.5))
    module.unmerge_adapter()
    np.testing.assert_allclose(trace.evaluate([0.5]).probabilities, before, atol=1e-5)


def test_a_trace_does_not_go_on_with_a_model_that_was_trained() -> None:
    module = dense()
    trace = sw.trace(sw.load_model(module), PROMPT)
    module(torch.tensor([PROMPT]), labels=torch.tensor([PROMPT])).loss.backward()
    assert trace.evaluate([1.0]).total_variation[0] <= 1e-5
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    with pytest.raises(sw.errors.ModelChangedError, match="its weights were trained"):
        trace.hidden_states([0.5])
    assert sw.trace(trace.model, PROMPT).evaluate([1.0]).total_variation[0] <= 1e-5


CHANGES: dict[str, Any] = {
    "unloaded": lambda module: lora(base=module).merge_and_unload(),
    "put-in": lambda module: lora(base=module),
    "quantized": lambda module: torch.ao.quantization.quantize_dynamic(module, {torch.nn.Linear}, inplace=True),
    "replaced": lambda module: module.model.layers.__setitem__(1, dense().model.layers[1]),
    "norm-replaced": lambda module: setattr(module.model, "norm", dense().model.norm),
}


@pytest.mark.parametrize("change", CHANGES)
def test_modules_replaced_after_loading_are_noticed(change: str) -> None:
    """What nnsight holds would be a part of the new module, or none of it: numbers of no model at all."""
    module = dense()
    model = sw.load_model(module)
    sw.trace(model, PROMPT)
    if change == "unloaded":
        module = lora(base=module)
        model = sw.load_model(module)
        module.merge_and_unload()
    else:
        CHANGES[change](module)
    with pytest.raises(sw.errors.ModelChangedError, match=r"is another module than when it was loaded .*load_model"):
        sw.trace(model, PROMPT)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PrefixTuning", {"num_virtual_tokens": 3}),
        ("PromptTuning", {"num_virtual_tokens": 3}),
        ("AdaptionPrompt", {"adapter_len": 3, "adapter_layers": 2}),
    ],
)
def test_adapters_that_add_tokens_are_refused_with_the_reason(kind: str, options: dict[str, Any]) -> None:
    settings = getattr(peft, f"{kind}Config")(task_type="CAUSAL_LM", **options)
    module = held_models.adapted(settings)
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match=r"adapter \(\w+ \w+\) adds virtual tokens"):
        sw.load_model(module)
