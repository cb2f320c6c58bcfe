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
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from ...errors import UnsupportedArchitectureError
from .parts import context_of, heads_of, inspect_model

if TYPE_CHECKING:
    from ..architecture import Architecture

HEAD_WIDTH = 16
"""Even after a partial rotary embedding of one quarter has taken its share."""

NARROW = {
    "vocab_size": 67,
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
        module = _made(narrowed(config)).float().eval()
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
    found = inspect_model(nnsight.NNsight(module), module)
    return replace(found, n_heads=heads_of(config), context=context_of(config))


def _made(config: Any) -> Any:
    """Return a random model of a configuration: a decoder, or one that reads pictures, too."""
    try:
        return AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    except ValueError:  # not among the decoders
        return AutoModelForImageTextToText.from_config(config, attn_implementation="eager")


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
        present = _stated(config, key)
        if isinstance(present, int) and not isinstance(present, bool):
            setattr(config, key, min(present, width))
    # As many query heads a key-value head as before; CodeGen has its heads in four groups.
    shared = next((key for key in ("num_key_value_heads", "num_kv_heads") if _stated(config, key)), None)
    n_key_value = n_heads if shared is None else getattr(config, shared)
    kept = min(2 if n_key_value < n_heads else 4, n_key_value)
    config.num_attention_heads = kept * (n_heads // n_key_value)
    if shared is not None:
        setattr(config, shared, kept)
    config.hidden_size = config.num_attention_heads * HEAD_WIDTH
    if getattr(config, "word_embed_proj_dim", None) is not None:
        config.word_embed_proj_dim = config.hidden_size
    if _stated(config, "head_dim") is not None and not isinstance(getattr(type(config), "head_dim", None), property):
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
    short = {"rope_theta", "partial_rotary_factor", "llama_4_scaling_beta"}
    kept = {key: value for key, value in rope.items() if key in short | {"original_max_position_embeddings"}}
    if "mrope_section" in rope:  # how many of a head's pairs turn with time, height and width
        third = HEAD_WIDTH // 6
        kept["mrope_section"] = [HEAD_WIDTH // 2 - 2 * third, third, third]
    return {**kept, "rope_type": "default"}


def _stated(config: Any, key: str) -> Any:
    """Return what a configuration says of all layers alike, or None."""
    try:
        return getattr(config, key, None)
    except Exception:  # noqa: BLE001 - transformers refuses to say where layers differ
        return None
