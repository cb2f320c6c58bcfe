"""Tiny random models of several families, made in memory, and a tokenizer of words for them."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 97
FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3")


def tiny(family: str = "Llama", *, seed: int = 0, **overrides: Any) -> Any:
    """Return a random causal language model in float32; overrides go to its configuration."""
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 32,
        # Larger than the default 0.02, or every head would attend evenly and every residual would dominate.
        "initializer_range": 0.3,
    }
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(**(sizes | overrides))
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()


def words() -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows w0 ... w96."""
    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="w0")
