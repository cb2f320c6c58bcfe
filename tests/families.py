"""Every family of decoders that Hugging Face routes through its shared attention call, as tiny random models.

What the README says of families is generated from here: see `test_families.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import transformers

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 32,
    # Larger than the usual 0.02, or every head would attend evenly and every residual would dominate.
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
LATENT = {
    "head_dim": None,
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 6,
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "first_k_dense_replace": 1,
}


class Family(NamedTuple):
    """A family: the prefix of its transformers classes, its kind of block, and its configuration."""

    name: str
    kind: str
    options: dict[str, Any]


def _families() -> list[Family]:
    pre_norm = (
        "Llama Mistral Ministral Qwen2 Qwen3 Olmo Gemma Phi3 Granite Starcoder2 StableLm SmolLM3 Glm Helium Nemotron "
        "Arcee SeedOss Ernie4_5 HunYuanDenseV1 Persimmon BitNet Apertus GPT2 GPTBigCode OPT BioGpt"
    )
    special: dict[str, dict[str, Any]] = {
        "OPT": {"ffn_dim": 48, "word_embed_proj_dim": 32},
        "Olmo3": {"sliding_window": 4},
        "Granite": {"residual_multiplier": 0.6, "attention_multiplier": 0.3, "logits_scaling": 2.0},
    }
    families = [Family(name, "pre-norm", special.get(name, {})) for name in pre_norm.split()]
    families += [
        Family(name, "post-norm", special.get(name, {})) for name in ["Olmo2", "Olmo3", "Exaone4", "Gemma2", "Glm4"]
    ]
    families += [
        Family("Gemma3", "post-norm", {"config": "Gemma3TextConfig", "sliding_window": 4}),
        Family("StableLm", "parallel", {"use_parallel_residual": True}),
    ]
    families += [Family(name, "parallel", {}) for name in ["GPTNeoX", "Phi", "Cohere", "Cohere2"]]
    families += [
        Family(name, "mixture of experts", EXPERTS)
        for name in ["Mixtral", "Qwen2Moe", "Qwen3Moe", "Olmoe", "Phimoe", "GraniteMoe", "GptOss"]
    ]
    families += [
        Family("GPTJ", "parallel", {"rotary_dim": 4}),
        Family("CodeGen", "parallel", {"rotary_dim": 4}),
        Family(
            "GPTNeo", "pre-norm", {"attention_types": [[["global", "local"], 1], [["global"], 1]], "window_size": 4}
        ),
    ]
    families += [Family("MiniMax", "mixture of experts", {**EXPERTS, "layer_types": ["full_attention"] * 3})]
    families += [Family(name, "latent attention", LATENT) for name in ("DeepseekV2", "DeepseekV3")]
    return families


FAMILIES = _families()


def build(name: str, options: dict[str, Any], *, seed: int = 0) -> Any:
    """Return a random causal language model in float32, with random gains and biases, so that none is trivial."""
    settings = SIZES | {key: value for key, value in options.items() if key != "config"}
    settings = {key: value for key, value in settings.items() if value is not None}
    config = getattr(transformers, options.get("config", f"{name}Config"))(**settings)
    torch.manual_seed(seed)
    model = getattr(transformers, name + ("LMHeadModel" if name == "GPT2" else "ForCausalLM"))(config).eval()
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 1:
                centre = 0.0 if path.endswith("bias") else float(parameter.mean())
                parameter.copy_(centre + 0.3 * torch.randn_like(parameter))
    return model
