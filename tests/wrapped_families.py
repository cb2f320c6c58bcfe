"""Decoders inside models of pictures, sound and text, as tiny random models: their prompts are text."""

from __future__ import annotations

from typing import Any

import transformers
from families import Family, config_of, known

VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 8,
    "patch_size": 4,
}
TOWER = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 32}
PART = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48}
SOUND = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
TURNED = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}


def _text(config: str, **options: Any) -> dict[str, Any]:
    if not hasattr(transformers, config):  # in an older version, which lacks the wrapper as well
        return {}
    return dict(config_of("", {"config": config, **options}).to_dict())


def _family(name: str, vision: dict[str, Any] | None, text: dict[str, Any], **options: Any) -> Family:
    parts = {"text_config": text, **({} if vision is None else {"vision_config": vision})}
    model = f"{name}ForConditionalGeneration"
    return Family(name, "with pictures", {"config": f"{name}Config", "model": model, **parts, **options})


ALL_WRAPPED = [
    _family("Llava", VISION | {"model_type": "clip_vision_model"}, _text("LlamaConfig")),
    _family("Mistral3", VISION | {"model_type": "pixtral"}, _text("MistralConfig")),
    _family("Gemma3", VISION, _text("Gemma3TextConfig", sliding_window=4), mm_tokens_per_image=4),
    _family("Gemma4Unified", None, _text("Gemma4UnifiedTextConfig", sliding_window=4)),
    _family(
        "GotOcr2", VISION | {"mlp_dim": 16, "output_channels": 8, "global_attn_indexes": [0]}, _text("Qwen2Config")
    ),
    _family("Qwen2VL", TOWER | {"embed_dim": 16, "hidden_size": 32}, _text("Qwen2VLTextConfig", **TURNED)),
    _family("Qwen2_5_VL", TOWER, _text("Qwen2_5_VLTextConfig", **TURNED)),
    _family("Qwen3VL", TOWER | {"deepstack_visual_indexes": [0]}, _text("Qwen3VLTextConfig", **TURNED)),
    _family("Idefics3", VISION, _text("LlamaConfig"), scale_factor=1),
    _family("MossTranscribeDiarize", None, _text("Qwen3Config"), audio_config=SOUND),
    Family(
        "Phi4Multimodal",
        "with pictures",
        {
            "vision_config": VISION | {"crop_size": 8},
            "audio_config": {
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_blocks": 1,
                "num_attention_heads": 2,
                "nemo_conv_channels": 8,
                "ext_pw_out_channel": 16,
            },
        },
    ),
]
WRAPPED = [family for family in ALL_WRAPPED if known(family)]

PALI_GEMMA = _family("PaliGemma", VISION | {"model_type": "siglip_vision_model"}, _text("GemmaConfig"))
REFUSED = {
    "Gemma4": _family(
        "Gemma4",
        VISION | {"head_dim": 8, "num_key_value_heads": 2, "position_embedding_size": 16},
        _text("Gemma4TextConfig", vocab_size_per_layer_input=97, hidden_size_per_layer_input=8),
    ).options,
    "Gemma4Assistant": {
        "backbone_hidden_size": 32,
        "text_config": _text(
            "Gemma4TextConfig", vocab_size_per_layer_input=0, hidden_size_per_layer_input=0, num_kv_shared_layers=3
        ),
    },
    "Gemma4UnifiedAssistant": {
        "backbone_hidden_size": 32,
        "text_config": _text("Gemma4UnifiedTextConfig", num_kv_shared_layers=3),
    },
    "Blt": {
        "vocab_size": 260,
        "encoder_hash_byte_group_vocab": 20,
        "encoder_hash_byte_group_size": [3],
        "global_config": PART,
        "patcher_config": PART,
        "encoder_config": PART | {"hidden_size_global": 32},
        "decoder_config": PART | {"hidden_size_global": 32},
    },
}
"""Options of those of them that are refused: see `refused_families`."""
