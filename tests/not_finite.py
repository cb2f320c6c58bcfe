"""Models that hold or make numbers which are not finite, each at a place that is known."""

from __future__ import annotations

import math
from typing import Any

import tiny_models
import torch

import strace_widgets as sw

PROMPT = "w5 w17 w3 w88 w41 w2"
WITHOUT = "w5 w17 w3 w88 w2"
"""The prompt without the token whose embedding `one_token` spoils."""


def loaded(module: Any) -> Any:
    return sw.load_model(module, tokenizer=tiny_models.words())


def spoilt(name: str, value: float = math.nan, **overrides: Any) -> Any:
    """A tiny module one of whose weights is not finite: of a matrix one in row 2."""
    module = tiny_models.tiny(**overrides)
    with torch.no_grad():
        weight = dict(module.named_parameters())[name]
        weight[(2, 3)[: weight.ndim]] = value
    return module


def one_token(value: float = math.nan) -> Any:
    """A tiny module that no short proof finds fault with: only the prompts with token 41 are not finite."""
    module = tiny_models.tiny()
    with torch.no_grad():
        module.model.embed_tokens.weight[41] = value
    return module


def outgrowing(dtype: torch.dtype = torch.float16) -> Any:
    """A tiny module whose MLP 0 takes away what attention 1 adds: without it MLP 1 leads beyond float16."""
    module = tiny_models.tiny(attention_bias=True, mlp_bias=True)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        layers = module.model.layers
        layers[0].mlp.down_proj.bias[0] = -40_000
        layers[1].self_attn.o_proj.bias[0] = 40_000
        layers[1].mlp.down_proj.bias[0] = 40_000
        layers[2].self_attn.o_proj.bias[0] = -40_000
    return module.to(dtype)


def suppressing(ids: slice = slice(10, 20)) -> Any:
    """A tiny module whose unembedding gives some tokens the logit minus infinity."""
    module = tiny_models.tiny()
    head = torch.nn.Linear(module.lm_head.in_features, module.lm_head.out_features)
    with torch.no_grad():
        head.weight.copy_(module.lm_head.weight)
        head.bias.zero_()
        head.bias[ids] = -math.inf
    module.lm_head = head
    return module
