"""Tiny random models of several families, made in memory, and a tokenizer of words for them."""

from __future__ import annotations

from typing import Any

import families
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

VOCABULARY = families.SIZES["vocab_size"]
FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3")


def tiny(family: str = "Llama", *, seed: int = 0, **overrides: Any) -> Any:
    """Return a random causal language model in float32; overrides go to its configuration."""
    torch.manual_seed(seed)
    # Without a padding token: its vector would be zero, and a stream of zeros has no weights to share out.
    config = families.config_of(family, {"pad_token_id": None} | overrides)
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()


def words(pattern: str = "w{}") -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows w0 ... w96, or words of another pattern."""
    known = {pattern.format(i): i for i in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token=next(iter(known))))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=next(iter(known)))


def without_gradients() -> Any:
    """Return a tiny Llama whose head passes no gradients, as the kernels of quantized weights do not."""
    module = tiny()
    head = module.lm_head

    class Closed(torch.nn.Module):
        weight = head.weight

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return head(states)

    module.lm_head = Closed()
    return module
