"""Gemma 3, with its tokenizer put together as it was trained, from a GGUF file.

The file has the tokens and their scores, but not the byte-pair merges that a fast tokenizer needs; transformers takes
the scores for those of a unigram model instead, and "capital" falls into letters. The merges follow from the two.
Tokens for runs of spaces, tabs and line ends, and for HTML's tags, come before all merges.

The configuration is the one that transformers 4 writes, since 5 reads it, too; 4 does not read that of 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from tokenizers.processors import TemplateProcessing

from ..text.vocabulary import SPACE
from .gguf_file import CONTROL, GIVEN, NORMAL, Content, Weight, opened, renamed, special_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PARTS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k": "self_attn.k_proj",
    "attn_k_norm": "self_attn.k_norm",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
"""GGUF's names of the parts, and Hugging Face's."""
LOCAL_ROTARY_BASE = 10_000.0
GLOBAL_EVERY = 6
"""Of six layers, five look at a window: this and the base of their rotation are the family's, and not in the file."""


def read(file: Path) -> Content:
    """Return what a file holds.

    Raises
    ------
    ValueError
        When that is another kind of model or tokenizer.
    """
    fields, tensors = opened(file, ("gemma3", "llama", "default"))
    return Content(_config(fields), _tokenizer(fields), _tokenizer_config(fields), [_weight(each) for each in tensors])


def _weight(tensor: Any) -> Weight:
    part, name = renamed(tensor.name, PARTS)
    return Weight(name, tensor, _less_one if part.endswith("norm") else None)


def _less_one(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """GGUF has what a norm multiplies with, Hugging Face what that is more than one."""
    return values - np.float32(1)


def _config(fields: dict[str, Any]) -> dict[str, Any]:
    n_layers = fields["gemma3.block_count"]
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "dtype": "float32",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "head_dim": fields["gemma3.attention.key_length"],
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": fields["gemma3.embedding_length"],
        "intermediate_size": fields["gemma3.feed_forward_length"],
        "layer_types": [
            "sliding_attention" if layer % GLOBAL_EVERY else "full_attention" for layer in range(1, n_layers + 1)
        ],
        "max_position_embeddings": fields["gemma3.context_length"],
        "num_attention_heads": fields["gemma3.attention.head_count"],
        "num_hidden_layers": n_layers,
        "num_key_value_heads": fields["gemma3.attention.head_count_kv"],
        "query_pre_attn_scalar": fields["gemma3.attention.key_length"],
        "rms_norm_eps": fields["gemma3.attention.layer_norm_rms_epsilon"],
        "rope_theta": fields["gemma3.rope.freq_base"],
        "rope_local_base_freq": LOCAL_ROTARY_BASE,
        "sliding_window": fields["gemma3.attention.sliding_window"],
        "tie_word_embeddings": True,
        "use_bidirectional_attention": False,
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }


def _tokenizer(fields: dict[str, Any]) -> Tokenizer:
    """Return a tokenizer that puts the start token before a text, as the file asks."""
    kinds = fields["tokenizer.ggml.token_type"]
    # The file has the runs of spaces as spaces; in the model's own vocabulary they are written as all spaces are.
    tokens = [
        token.replace(" ", SPACE) if kind == GIVEN else token
        for token, kind in zip(fields["tokenizer.ggml.tokens"], kinds, strict=True)
    ]
    special = special_tokens(fields)
    ids = {token: number for number, token in enumerate(tokens)}
    words = merges(tokens, kinds, fields["tokenizer.ggml.scores"])
    tokenizer = Tokenizer(models.BPE(ids, words, unk_token=special["unk_token"], fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    by_kind = {kind: [token for token, each in zip(tokens, kinds, strict=True) if each == kind] for kind in {*kinds}}
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in by_kind[CONTROL]])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in by_kind[GIVEN]])
    start = special["bos_token"]
    tokenizer.post_processor = TemplateProcessing(single=f"{start} $A", special_tokens=[(start, ids[start])])
    return tokenizer


def merges(tokens: Sequence[str], kinds: Sequence[int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """Return the byte-pair merges that a SentencePiece vocabulary stands for.

    SentencePiece joins the two neighbours whose joint token has the best score. So every way to cut a token into two
    others is a merge; that of a better token comes first, then the one with the longer beginning. Runs of spaces and
    line ends, which the file gives no score, have the best, 0.

    Parameters
    ----------
    tokens : sequence of str
    kinds : sequence of int
        GGUF's kinds of tokens.
    scores : sequence of float
    """
    known = {*tokens}
    found = [
        (0.0 if kind == GIVEN else -score, -cut, cut - len(token), token[:cut], token[cut:])
        for token, kind, score in zip(tokens, kinds, scores, strict=True)
        if kind in (NORMAL, GIVEN)
        for cut in range(1, len(token))
        if token[:cut] in known and token[cut:] in known
    ]
    found.sort(key=lambda merge: merge[:3])
    return [(beginning, rest) for *_, beginning, rest in found]


def _tokenizer_config(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": fields["gemma3.context_length"],
        **special_tokens(fields),
    }
