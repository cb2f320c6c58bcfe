"""Hugging Face's decoders that are refused, by what the refusal says, and those that are not built at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import transformers
import wrapped_families
from families import HEAD_WIDTH, INDEXED, LATENT, LAYERS, Family, known


class Reason(NamedTuple):
    """Why families are refused: in the README's words, and a pattern of what `load_model` says."""

    words: str
    says: str


LAYER = r"layer \d+ "
OUTSIDE = Reason(
    "the map from the heads to the stream lies outside the attention module",
    LAYER + r"of \w+: 'attention\.output\.dense', the linear map from the heads to the stream, is not a part",
)
NO_ATTENTION = Reason(
    "no softmax attention in a form that can be reached", "no module of it computes softmax attention in a form"
)
SOME_LAYERS = Reason("some layers have no softmax attention", LAYER + "has no softmax attention")
GATE = Reason(
    "a gate, a convolution or a second softmax stands between the heads and their map to the stream",
    "'heads go to the stream' of " + LAYER,
)
SCALED = Reason("a sink scales what the heads say", "'heads = attention · values' of " + LAYER)
ROUTED = Reason("experts or a convolution stand where only a norm may", r"'[\w.]+' \(\w+\) stands between")
SUMS = Reason(
    "what a layer hands on is no sum of the stream, one attention and one MLP", LAYER + r"of \w+: no two of its outputs"
)
NOT_TEXT = Reason("a forward that does not run on token ids alone", "its forward does not run on token ids alone")
NO_MAP = Reason("no linear map follows the heads", "the attention has no linear map from its heads")
NO_NUMBER = Reason(
    "no one number of heads for all layers", "does not state the number of attention heads of one decoder"
)
AHEAD = Reason("attention reads later tokens", "'attention looks back only' of " + LAYER)
OTHER_TOKENS = Reason("values or MLPs read more than their own token", "'values and MLP read one token' of " + LAYER)
TWICE = Reason("layers run several times in a pass", LAYER + r"of \w+ runs several times")
NORM_TWICE = Reason("the final norm runs elsewhere, too", "its final norm, runs elsewhere")
NO_LIST = Reason("the layers are not modules of one list", "is not in a list of layers")
ASKED = Reason("attention keeps its probabilities to itself", "keeps its attention probabilities to itself")

BERT = (
    "Bert Camembert Data2VecText Electra Ernie MegatronBert RemBert Roberta RobertaPreLayerNorm RoCBert "
    "RoFormer XLMRoberta XLMRobertaXL Xmod BertGeneration Git"
)
MIXED = {"layer_types": ["linear_attention", "full_attention", "full_attention"]}
PER_LAYER = {"vocab_size_per_layer_input": 97, "hidden_size_per_layer_input": 8}
INDEXER = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 4,
    "indexer_compress_ratio": 1,
}
MAMBA = {"layers_block_type": ["mamba", "hybrid", "mamba"]}
VISION = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 8}
OPTIONS: dict[str, dict[str, Any]] = {
    "Bamba": {"attn_layer_indices": [1]},
    "BertGeneration": {"model": "BertGenerationDecoder"},
    "RoCBert": {
        "pronunciation_embed_dim": 8,
        "pronunciation_vocab_size": 9,
        "shape_embed_dim": 8,
        "shape_vocab_size": 9,
    },
    "Xmod": {"default_language": "en_XX"},
    "Mamba2": {"head_dim": 16, "n_groups": 1},
    "XLNet": {"d_head": HEAD_WIDTH, "d_inner": 48},
    "Reformer": {"axial_pos_embds": False, "attn_layers": ["local"] * LAYERS, "attention_head_size": 8},
    "Jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "Qwen3Next": MIXED,
    "Qwen3_5": {"config": "Qwen3_5TextConfig", **MIXED},
    "Qwen3_5Moe": {"config": "Qwen3_5MoeTextConfig", **MIXED},
    "Zamba": {"layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"], "num_hidden_layers": 4},
    "Zamba2": MAMBA,
    "Zaya": {"num_experts_per_tok": 1},
    "Lfm2": {"layer_types": ["conv", "full_attention", "conv"]},
    "Lfm2Moe": {"layer_types": ["conv", "full_attention", "conv"], "num_dense_layers": 1},
    "NemotronH": {"ssm_state_size": 8, "mamba_head_dim": 8, "n_groups": 1},
    "CpmAnt": {"dim_head": HEAD_WIDTH, "vocab_size": 2000},
    "Inkling": {"config": "InklingTextConfig"},
    "Gemma3n": {
        "config": "Gemma3nTextConfig",
        "layer_types": ["full_attention"] * LAYERS,
        "num_kv_shared_layers": 0,
        **PER_LAYER,
    },
    "Gemma4": {"config": "Gemma4TextConfig", **PER_LAYER},
    "LongcatFlash": LATENT | {"head_dim": 4},
    "AXK2": INDEXED,
    "Musicgen": {"config": "MusicgenDecoderConfig"},
    "MusicgenMelody": {"config": "MusicgenMelodyDecoderConfig"},
    "Qwen4Exp": {
        "config": "Qwen4ExpTextConfig",
        **MIXED,
        "ngram_vocab_size_base": 50,
        "split_ngram_parts": 2,
        "hc_lowrank": 8,
        **INDEXER,
    },
    "KimiLinear": LATENT | MIXED | {"linear_head_dim": 8, "linear_num_heads": 4},
    "BailingHybrid": LATENT | MIXED,
    "Lfm3": {"layer_types": ["conv", "full_attention", "conv"]},
    "LaraMini": MIXED,
    "Dots3Note": {"config": "Dots3NoteTextConfig"} | LATENT,
    "Dory": {"n_input_layers": 1, "n_output_layers": 1, "n_recurrent_layers": 1},
    "HYV4": INDEXED,
    "Inkling2": {"config": "Inkling2TextConfig"},
    "Inkling2Loop": {"config": "Inkling2LoopTextConfig"},
    "Mllama": {"config": "MllamaTextConfig", "cross_attention_layers": [1]},
    "Gemma4Pictures": wrapped_families.REFUSED["Gemma4"],
    **{name: wrapped_families.REFUSED[name] for name in ("Gemma4Assistant", "Gemma4UnifiedAssistant", "Blt")},
    "Git": {"vision_config": VISION | {"patch_size": 4}},
}
BY_REASON: dict[Reason, str] = {
    OUTSIDE: BERT,
    NO_ATTENTION: "Mamba Mamba2 FalconMamba Rwkv xLSTM XLNet Reformer BigBird ProphetNet",
    SOME_LAYERS: "Mllama KimiLinear BailingHybrid Lfm3 LaraMini Qwen4Exp Bamba Jamba NemotronH OlmoHybrid Qwen3Next "
    "Qwen3_5 Qwen3_5Moe RecurrentGemma Zamba Zamba2 Lfm2 Lfm2Moe MiniMax",
    GATE: "Beam AXK2 Afmoe Laguna DiffLlama",
    SCALED: "GraniteSWA",
    ROUTED: "JetMoe Inkling CpmAnt",
    SUMS: "Dory HYV4 Gemma4Pictures Zaya Doge GraniteMoeShared GraniteMoeSWA GPTNeoXJapanese DeepseekV4 FalconH1 "
    "Gemma3n Gemma4 LongcatFlash",
    AHEAD: "Moshi",
    NOT_TEXT: "Musicgen MusicgenMelody Gemma4Assistant Gemma4UnifiedAssistant",
    TWICE: "HrmText",
    NO_MAP: "Inkling2 Inkling2Loop",
    NO_NUMBER: "Dots3Note Blt",
    NORM_TWICE: "NanoChat",
    NO_LIST: "XLM",
    ASKED: "OpenAIGPT",
}


class Refused(NamedTuple):
    """A family that is refused, and why."""

    family: Family
    reason: Reason


ALL_REFUSED = [
    Refused(Family(name, "refused", OPTIONS.get(name, {})), reason)
    for reason, names in BY_REASON.items()
    for name in names.split()
]
MENDED = {"Moshi": (5, 16)}
"""What is no longer refused from a version of transformers on."""

VERSION = tuple(int(part) for part in transformers.__version__.split(".")[:2])
REFUSED = [each for each in ALL_REFUSED if known(each.family) and not MENDED.get(each.family.name, (9, 0)) <= VERSION]

NOT_BUILT = {
    "Gemma3nForConditionalGeneration": "its picture encoder is timm's, another package; its decoder is refused",
}
"""Classes of the auto-mapping that are not built, and why."""
