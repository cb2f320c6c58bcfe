"""Hugging Face's decoders as tiny random models: those that are supported, and how any of them is built.

`refused_families` has the others. What the README says of families is generated from both: see `family_table.py`.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import torch
import transformers

LAYERS, HEADS, WIDTH, HEAD_WIDTH, MLP_WIDTH = 3, 4, 32, 8, 48

SIZES: dict[str, Any] = {
    "vocab_size": 97,
    "head_dim": HEAD_WIDTH,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    # Larger than the usual 0.02, or every head would attend evenly and every residual would dominate.
    "initializer_range": 0.3,
    "init_std": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "is_decoder": True,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
    "shared_intermediate_size": 24,
    "rotary_dim": 4,
    "word_embed_proj_dim": WIDTH,
    "type_vocab_size": 2,
    "n_group": 1,
    "topk_group": 1,
    "conv_kernel": 2,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "mamba_n_heads": 4,
    "mamba_num_heads": 4,
    "mamba_d_ssm": 64,
    "mamba_d_state": 8,
    "mamba_chunk_size": 8,
    "n_mamba_heads": 2,
}
"""What a configuration has of these, and of the names below, is made small."""

NAMES = {
    WIDTH: "hidden_size d_model n_embd dim emb_dim",
    MLP_WIDTH: "intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim n_inner ffn_hidden_size dim_ff dff",
    LAYERS: "num_hidden_layers num_layers n_layer n_layers decoder_layers num_decoder_layers",
    1: "encoder_layers num_encoder_layers",
    HEADS: "num_attention_heads attention_heads n_head n_heads num_heads decoder_attention_heads "
    "encoder_attention_heads num_decoder_attention_heads num_encoder_attention_heads",
}
SIZES |= {name: size for size, names in NAMES.items() for name in names.split()}

EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
LATENT = {
    "head_dim": None,
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 6,
    "first_k_dense_replace": 1,
}
INDEXED = LATENT | {"index_head_dim": 8, "index_n_heads": 2, "index_topk": 2}
KINDS = ("full_attention", "sliding_attention")
FULL = {"layer_types": ["full_attention"] * LAYERS}


class Family(NamedTuple):
    """A family: the prefix of its transformers classes, its kind of block, and its configuration.

    Among the options ``config`` names the configuration's class, ``model`` the model's; None leaves a size out.
    """

    name: str
    kind: str
    options: dict[str, Any]
    note: str = ""


SPECIAL: dict[str, dict[str, Any]] = {
    "Olmo3": {"sliding_window": 4},
    "Granite": {"residual_multiplier": 0.6, "attention_multiplier": 0.3, "logits_scaling": 2.0},
    "GPTNeo": {"attention_types": [[["global", "local"], 1], [["global"], 1]], "window_size": 4},
    "Gemma3": {"config": "Gemma3TextConfig", "sliding_window": 4},
    "Gemma4Unified": {"config": "Gemma4UnifiedTextConfig", "sliding_window": 4},
    "AriaText": {"moe_num_experts": 4, "moe_topk": 2},
    "Llama4": {"config": "Llama4TextConfig", "intermediate_size_mlp": 48},
    "Dots1": {"n_shared_experts": 1},
    "Emu3": {"config": "Emu3TextConfig"},
    "MiniMaxM3VL": {"config": "MiniMaxM3VLTextConfig"},
    "MiMoV2Flash": {"v_head_dim": 8},
    "Falcon": {"new_decoder_architecture": True, "num_kv_heads": 2},
    "GraniteMoeHybrid": {"layer_types": ["attention"] * LAYERS, "num_key_value_heads": 2, "num_local_experts": 0},
    "Dbrx": {
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 1e4},
        "ffn_config": {"ffn_hidden_size": 24, "moe_num_experts": 4, "moe_top_k": 2, "hidden_size": WIDTH},
    },
    "MiniCPM3": LATENT | {"scale_emb": 2, "scale_depth": 2.0, "dim_model_base": WIDTH},
    "Lfm2Moe": {**FULL, "num_dense_layers": 1},
    "DeepseekV32": INDEXED,
    "GlmMoeDsa": INDEXED,
    "CohereCompass": {
        "config": "CohereCompassTextConfig",
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": 1e4} for kind in KINDS},
    },
    "VaultGemma": {"attn_logit_softcapping": 1e4},  # which its usual attention leaves out
    "Lfm2": FULL,
    "MiniMax": FULL,
}
PRE_NORM = (
    "Llama Mistral Ministral Ministral3 Qwen2 Qwen3 Olmo Gemma VaultGemma Phi3 Granite Starcoder2 StableLm "
    "SmolLM3 Glm Helium Nemotron Arcee Cwm Jais2 SeedOss Ernie4_5 HunYuanDenseV1 Persimmon Fuyu BitNet "
    "Apertus GPT2 GPTBigCode GPTNeo OPT BioGpt XGLM Bloom Mpt CTRL Flint Apertus1p5Text ModernBertDecoder "
    "MBart BigBirdPegasus Blenderbot Pegasus Whisper Emu3"
)
CLOSING_NORM = "Bart BlenderbotSmall Marian PLBart Mvp TrOCR"
POST_NORM = "Olmo2 Olmo3 Kolibri1 FlexOlmo Exaone4 Gemma2 Gemma3 Gemma4Unified Glm4 HyperCLOVAX"
PARALLEL = "GPTNeoX GPTJ CodeGen Phi Cohere Cohere2 Cohere2Moe CohereCompass Falcon"
MIXTURES = (
    "Mixtral Qwen2Moe Qwen3Moe Olmoe Phimoe GraniteMoe GptOss AriaText Dots1 Ernie4_5_Moe ExaoneMoe "
    "Glm4Moe HYV3 HunYuanMoEV1 Llama4 Mellum MiMoV2Flash MiniMaxM2 MiniMaxM3VL SolarOpen Dbrx"
)
LATENT_ATTENTION = "DeepseekV2 DeepseekV3 DeepseekV32 GlmMoeDsa MiniCPM3 Youtu AXK1 Glm4MoeLite"


def _families() -> list[Family]:
    kinds = {
        "pre-norm": PRE_NORM,
        "post-layer-norm": CLOSING_NORM,
        "post-norm": POST_NORM,
        "parallel": PARALLEL,
        "mixture of experts": MIXTURES,
        "latent attention": LATENT_ATTENTION,
    }
    families = [
        Family(name, kind, (LATENT if names == LATENT_ATTENTION else {}) | SPECIAL.get(name, {}))
        for kind, names in kinds.items()
        for name in names.split()
    ]
    return [
        *families,
        Family("StableLm", "parallel", {"use_parallel_residual": True}),
        Family(
            "Falcon", "pre-norm", {"parallel_attn": False, "multi_query": False}, "Falcon without parallel attention"
        ),
        Family("OPT", "post-layer-norm", {"do_layer_norm_before": False, "word_embed_proj_dim": 16}, "OPT-350m"),
        *(
            Family(
                name,
                "mixture of experts" if name != "Lfm2" else "pre-norm",
                SPECIAL[name],
                f"{name} of full attention alone",
            )
            for name in ("MiniMax", "Lfm2Moe", "Lfm2", "GraniteMoeHybrid")
        ),
    ]


CLASSES = {
    "GPT2": "GPT2LMHeadModel",
    "CTRL": "CTRLLMHeadModel",
    "Bert": "BertLMHeadModel",
    "BertGeneration": "BertGenerationDecoder",
    "OpenAIGPT": "OpenAIGPTLMHeadModel",
    "XLM": "XLMWithLMHeadModel",
    "XLNet": "XLNetLMHeadModel",
    "Reformer": "ReformerModelWithLMHead",
}
"""Those whose name does not end in ForCausalLM."""


def class_name(name: str, options: dict[str, Any]) -> str:
    """Return the name of the class of a family's models."""
    return str(options.get("model", CLASSES.get(name, f"{name}ForCausalLM")))


THERE = {*dir(transformers)}
"""Its names; asked for one of them, it imports a family, which takes seconds for all."""


def known(family: Family) -> bool:
    """Tell whether the installed transformers has a family."""
    return class_name(family.name, family.options) in THERE


ALL = _families()
FAMILIES = [family for family in ALL if known(family)]


def config_of(name: str, options: dict[str, Any]) -> Any:
    """Return the configuration of a tiny model."""
    config_class = getattr(transformers, options.get("config", f"{name}Config"))
    known = {*inspect.signature(config_class.__init__).parameters, *config_class.attribute_map}
    settings = {key: value for key, value in SIZES.items() if key in known}
    settings |= {key: value for key, value in options.items() if key not in {"config", "model"}}
    return config_class(**{key: value for key, value in settings.items() if value is not None})


def build(name: str, options: dict[str, Any], *, seed: int = 0) -> Any:
    """Return a random causal language model in float32, with random gains and biases, so that none is trivial."""
    torch.manual_seed(seed)
    model = getattr(transformers, class_name(name, options))(config_of(name, options)).eval()
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 1:
                centre = 0.0 if path.endswith("bias") else float(parameter.mean())
                parameter.copy_(centre + 0.3 * torch.randn_like(parameter))
    return model
