"""Read a Llama model from a GGUF file into a folder in Hugging Face's format, the same for every transformers.

Everything is said outright that versions fill in differently: the rotary base under its old and its new name, the
tokenizer's class, its start and end tokens, and that it adds none of them to a prompt.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

NAMES = {
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
CONTROL = 3
"""GGUF's kind of a token that stands for no text."""


def unpack(file: Path, folder: Path) -> Iterator[Callable[[], None]]:
    """Write a Llama with a byte-level tokenizer into a folder, in steps; each is to be called.

    Raises
    ------
    ValueError
        When the file holds another kind of model or tokenizer.
    """
    reader = gguf.GGUFReader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    kinds = fields["general.architecture"], fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"]
    if kinds != ("llama", "gpt2", "smollm"):
        raise ValueError(f"{file} holds a model, a tokenizer and a splitting of text of the kinds {kinds}.")
    weights = {tensor.name: tensor for tensor in reader.tensors}
    yield lambda: _write_config(fields, folder, tied="output.weight" not in weights)
    yield lambda: _write_tokenizer(fields, folder)
    yield lambda: save_file(
        dict(_weight(tensor, fields) for tensor in weights.values()),
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


def _weight(tensor: Any, fields: dict[str, Any]) -> tuple[str, NDArray[np.float32]]:
    """Return a weight under its name in Hugging Face's models, in float32."""
    *layer, part, kind = tensor.name.removeprefix("blk.").split(".")
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
    n_heads = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}.get(part)
    if n_heads is not None:
        # GGUF has the two halves that a rotation mixes side by side, Hugging Face one after the other.
        halves = values.reshape(fields[n_heads], -1, 2, values.shape[-1])
        values = np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)
    return ".".join([*(f"model.layers.{number}" for number in layer), NAMES[part], kind]), values


def _write_config(fields: dict[str, Any], folder: Path, *, tied: bool) -> None:
    base = fields["llama.rope.freq_base"]
    config = {
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
    (folder / "config.json").write_text(json.dumps(config, indent=2, allow_nan=False), encoding="utf-8")


def _write_tokenizer(fields: dict[str, Any], folder: Path) -> None:
    """Write a tokenizer that adds no token to a text; digits stand alone, as they did when it was trained."""
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    special = {
        name: tokens[fields[f"tokenizer.ggml.{key}_token_id"]]
        for name, key in (
            ("bos_token", "bos"),
            ("eos_token", "eos"),
            ("unk_token", "unknown"),
            ("pad_token", "padding"),
        )
    }
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=special["unk_token"]))
    digits, pieces = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pieces])
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    controls = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in controls])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False,
        "add_eos_token": False,
        "chat_template": fields["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": fields["llama.context_length"],
        **special,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, allow_nan=False), encoding="utf-8")
