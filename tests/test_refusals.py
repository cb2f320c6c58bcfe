"""What cannot be proved is refused: by the name of the family, the layer, and what failed."""

from __future__ import annotations

from typing import Any

import families
import pytest
import torch
import transformers

import strace_widgets as sw

SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def test_linear_attention_layers_are_refused_with_the_layer() -> None:
    lfm = {"layer_types": ["conv", "full_attention"], "intermediate_size": 48, "num_key_value_heads": 2}
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError, match=r"Lfm2ForCausalLM .* layer 0 has no softmax attention"
    ):
        sw.load_model(transformers.Lfm2ForCausalLM(transformers.Lfm2Config(**(SMALL | lfm))))
    qwen = families.EXPERTS | {
        "layer_types": ["full_attention", "linear_attention"],
        "head_dim": 8,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "shared_expert_intermediate_size": 24,
    }
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError, match=r"Qwen3NextForCausalLM .* layer 1 has no softmax attention"
    ):
        sw.load_model(transformers.Qwen3NextForCausalLM(transformers.Qwen3NextConfig(**(SMALL | qwen))))
    mixed = {**families.EXPERTS, "layer_types": ["full_attention", "linear_attention", "full_attention"]}
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError, match=r"MiniMaxForCausalLM .* layer 1 has no softmax attention"
    ):
        sw.load_model(families.build("MiniMax", mixed))


def test_routed_attention_is_refused_with_the_part() -> None:
    """JetMoe mixes experts between the heads and the stream: neither linear nor a norm."""
    options = {"kv_channels": 8, "num_local_experts": 4, "num_experts_per_tok": 2}
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError, match=r"layer 0 of JetMoeForCausalLM: .*JetMoeParallelExperts"
    ):
        sw.load_model(families.build("JetMoe", options))


class Doubled(torch.nn.Module):
    """Stands after a sublayer and is no norm."""

    def forward(self, x: Any) -> Any:
        return 2 * x.tanh()


def test_a_layer_whose_stream_does_not_add_up_is_named() -> None:
    model = families.build("Llama", {})
    layer = model.model.layers[1]
    layer.register_forward_hook(lambda *args: args[-1] * args[-1].abs())
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError, match="layer 1 of LlamaForCausalLM: no two of its outputs add up"
    ):
        sw.load_model(model)


def test_something_non_linear_after_the_attention_is_named() -> None:
    model = families.build("Olmo2", {})
    for layer in model.model.layers:
        layer.post_attention_layernorm = Doubled()
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError,
        match=r"layer 0 of Olmo2ForCausalLM: 'post_attention_layernorm' \(Doubled\)",
    ):
        sw.load_model(model)


def test_what_stands_between_heads_and_projection_is_named_with_its_layer_and_gap() -> None:
    """Values that change on the way from the heads to the output projection: the names fit, the sums do not."""
    model = families.build("Llama", {})
    projection = model.model.layers[1].self_attn.o_proj
    projection.register_forward_pre_hook(lambda _, args: (args[0] * 1.5,))
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError,
        match=r"LlamaForCausalLM is not supported: the identity 'heads go to the stream' of layer 1 misses by 0\.\d+",
    ):
        sw.load_model(model)


class Rectified(torch.nn.Linear):
    """Is no linear map."""

    def forward(self, x: Any) -> Any:
        return super().forward(x).relu()


def test_an_identity_that_fails_is_named_with_its_layer_and_gap() -> None:
    """An output projection that does not do what its weight says."""
    model = families.build("Llama", {})
    model.model.layers[1].self_attn.o_proj.__class__ = Rectified
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError,
        match=r"LlamaForCausalLM is not supported: the identity 'attention edges' of layer 1 misses by \d",
    ):
        sw.load_model(model)


def test_layers_that_differ_are_named() -> None:
    model = families.build("Llama", {})
    other = families.build("Olmo2", {"rms_norm_eps": 1e-5})
    model.model.layers[2] = other.model.layers[2]
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match=r"layer 2 differs from layer 0 in .*outer_norm"):
        sw.load_model(model)
