"""Find the parts of a model whose weights stay on a server, from its configuration alone.

`discovery` has to watch a model at work. Which module hands what to whom does not depend on how wide a
model is, so a narrow random model of the same configuration is watched instead: same class, same number of layers,
same kinds of attention. What was found is proved afterwards on the server, on the real weights.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nnsight
import torch
from transformers import AutoModelForCausalLM

from ..errors import UnsupportedArchitectureError
from ..interventions import access
from .discovery import inspect_model

if TYPE_CHECKING:
    from .architecture import Architecture

HEAD_WIDTH = 16
"""Even after a partial rotary embedding of one quarter has taken its share."""

NARROW = {
    "vocab_size": 64,
    "intermediate_size": 48,
    "ffn_dim": 48,
    "n_inner": 48,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
    "max_position_embeddings": 64,
    "rotary_dim": 8,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": HEAD_WIDTH,
    "qk_rope_head_dim": 8,
    "v_head_dim": HEAD_WIDTH,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
}
"""Widths that no wiring depends on; each only where the configuration has it, and never widened."""


def describe(config: Any) -> Architecture:
    """Return a model's parts and sizes from its Hugging Face configuration.

    Raises
    ------
    UnsupportedArchitectureError
        When no narrow model of the kind can be made, or its parts cannot be found.
    """
    name = (getattr(config, "architectures", None) or [type(config).__name__])[0]
    torch_state = torch.random.get_rng_state()
    try:
        torch.manual_seed(0)
        # Eager at the call: a model class may ignore what its configuration says.
        module = AutoModelForCausalLM.from_config(narrowed(config), attn_implementation="eager").float().eval()
        with torch.no_grad():
            for parameter in module.parameters():
                # Gains of one and biases of zero would hide themselves from the one who looks for them.
                parameter.add_(0.1 * torch.randn_like(parameter))
    except Exception as reason:
        raise UnsupportedArchitectureError(
            f"{name} is not supported on a server: no narrow model of its configuration could be made to find its "
            f"parts in ({type(reason).__name__}: {reason})."
        ) from reason
    finally:
        torch.random.set_rng_state(torch_state)
    wrapped = nnsight.NNsight(module)
    found = inspect_model(module, lambda path: access.find(wrapped, path).source.names)
    text = config.get_text_config()
    return replace(found, n_heads=text.num_attention_heads, context=text.max_position_embeddings)


def narrowed(config: Any) -> Any:
    """Return a copy of a configuration with narrow layers, as many of them as before."""
    small = copy.deepcopy(config)
    for part in (small, *(getattr(small, key) for key in getattr(small, "sub_configs", {}))):
        if part is not None:
            _narrow(part)
    return small


def _narrow(config: Any) -> None:
    n_heads = getattr(config, "num_attention_heads", None)
    if not isinstance(n_heads, int):
        return
    for key, width in NARROW.items():
        present = getattr(config, key, None)
        if isinstance(present, int) and not isinstance(present, bool):
            setattr(config, key, min(present, width))
    # As many query heads a key-value head as before.
    n_key_value = getattr(config, "num_key_value_heads", None) or n_heads
    kept = min(2, n_key_value)
    config.num_attention_heads = kept * (n_heads // n_key_value)
    if getattr(config, "num_key_value_heads", None) is not None:
        config.num_key_value_heads = kept
    config.hidden_size = config.num_attention_heads * HEAD_WIDTH
    if getattr(config, "word_embed_proj_dim", None) is not None:
        config.word_embed_proj_dim = config.hidden_size
    if getattr(config, "head_dim", None) is not None:
        config.head_dim = HEAD_WIDTH if getattr(config, "kv_lora_rank", None) is None else config.qk_rope_head_dim
    _forget_long_contexts(config)
    for key in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if getattr(config, key, None) is not None:
            setattr(config, key, 0)


def _forget_long_contexts(config: Any) -> None:
    """Take away the factors for long contexts, which have the length of the true rotary embedding."""
    rope = getattr(config, "rope_parameters", None)
    if isinstance(rope, dict):
        by_kind = {key: _plain(value) for key, value in rope.items() if isinstance(value, dict)}
        config.rope_parameters = by_kind or _plain(rope)
    elif isinstance(getattr(config, "rope_scaling", None), dict):  # transformers 4
        config.rope_scaling = None


def _plain(rope: dict[str, Any]) -> dict[str, Any]:
    """Return rotary parameters without a rule for longer contexts."""
    kept = {key: value for key, value in rope.items() if key in {"rope_theta", "partial_rotary_factor"}}
    return {**kept, "rope_type": "default"}
