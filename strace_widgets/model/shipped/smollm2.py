"""SmolLM2, a Llama with a byte-level tokenizer, from a GGUF file.

Everything is said outright that versions of transformers fill in differently: the rotary base under its old and its
new name, the tokenizer's class, its start and end tokens, and that it adds none of them to a prompt.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from .gguf_file import CONTROL, Content, Weight, opened, renamed, special_tokens

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PARTS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""GGUF's names of a Llama's parts, and Hugging Face's."""


def read(file: Path) -> Content:
    """Return what a file holds.

    Raises
    ------
    ValueError
        When that is another kind of model or tokenizer.
    """
    fields, tensors = opened(file, ("llama", "gpt2", "smollm"))
    weights = [_weight(tensor, fields) for tensor in tensors]
    tied = not any(weight.name.startswith("lm_head") for weight in weights)
    return Content(_config(fields, tied=tied), _tokenizer(fields), _tokenizer_config(fields), weights)


def _weight(tensor: Any, fields: dict[str, Any]) -> Weight:
    part, name = renamed(tensor.name, PARTS)
    count = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}.get(part)
    return Weight(name, tensor, None if count is None else partial(_one_half_after_the_other, n_heads=fields[count]))


def _one_half_after_the_other(values: NDArray[np.float32], n_heads: int) -> NDArray[np.float32]:
    """GGUF has the two halves that a rotation mixes side by side, Hugging Face one after the other."""
    halves = values.reshape(n_heads, -1, 2, values.shape[-1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)


def _config(fields: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    base = fields["llama.rope.freq_base"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "attention_bias": False,
        "hidden_act": "silu",
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "max_position_embeddings": fields["llama.context_length"],
        "mlp_bias": False,
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": base,  # read by transformers 4
        "rope_parameters": {"rope_theta": base, "rope_type": "default"},  # and by 5
        "tie_word_embeddings": tied,
        "vocab_size": fields["llama.vocab_size"],
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }


def _tokenizer(fields: dict[str, Any]) -> Tokenizer:
    """Return a tokenizer that adds no token to a text; digits stand alone, as they did when it was trained."""
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=special_tokens(fields)["unk_token"]))
    digits, pieces = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pieces])
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    controls = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in controls])
    return tokenizer


def _tokenizer_config(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_eos_token": False,
        "chat_template": fields["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": fields["llama.context_length"],
        **special_tokens(fields),
    }
