"""Where a family's parts are and what its sizes are, as plain data: found by looking at the model, proved before use.

Nothing is decided by a model's name. `describe` looks for the parts; `strace_widgets.models` then proves on a short
input that the edges sum to the nodes, and refuses what it cannot prove.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .errors import UnsupportedArchitectureError

SUPPORTED = "Llama-like blocks (Llama, SmolLM2, Mistral, Qwen2, Qwen3)"


@dataclass(frozen=True)
class Architecture:
    """A model's parts, as dotted paths, and its sizes.

    Attributes
    ----------
    name : str
        The model class, for messages.
    layers, final_norm : str
        Paths from the model.
    attention, output_projection, mlp : str
        Paths from a layer.
    attention_call : str
        The operation in the attention's source that computes the heads.
    final_norm_epsilon : float
    n_layers, n_heads, n_key_value_heads, context : int
        L, H (query heads), key-value heads, and the longest prompt in tokens.
    """

    name: str
    layers: str
    final_norm: str
    attention: str
    output_projection: str
    mlp: str
    attention_call: str
    final_norm_epsilon: float
    n_layers: int
    n_heads: int
    n_key_value_heads: int
    context: int

    def places(self) -> dict[str, Any]:
        """Return the same as a plain dict, the form that travels to a server."""
        return asdict(self)


LLAMA_LIKE = {
    "layers": "model.layers",
    "final_norm": "model.norm",
    "attention": "self_attn",
    "output_projection": "self_attn.o_proj",
    "mlp": "mlp",
}


def describe(module: Any, operations: Any) -> Architecture:
    """Look for the parts of a Hugging Face causal language model.

    Parameters
    ----------
    module : torch.nn.Module
    operations : callable
        Given the path of a module, returns the names of the operations in its source.

    Raises
    ------
    UnsupportedArchitectureError
        When a part is missing; names the model class and the part.
    """
    name = type(module).__name__
    config = module.config.get_text_config()
    for part in ("layers", "final_norm"):
        _need(module, name, LLAMA_LIKE[part])
    first_layer = f"{LLAMA_LIKE['layers']}.0"
    for part in ("attention", "output_projection", "mlp"):
        _need(module, name, f"{first_layer}.{LLAMA_LIKE[part]}")
    attention = f"{first_layer}.{LLAMA_LIKE['attention']}"
    calls = [operation for operation in operations(attention) if operation.startswith("attention_interface_")]
    if not calls:
        raise UnsupportedArchitectureError(
            f"{name} computes its attention without the shared call that this version can reach. "
            f"Supported so far: {SUPPORTED}."
        )
    norm = module.get_submodule(LLAMA_LIKE["final_norm"])
    epsilon = getattr(norm, "variance_epsilon", None)
    if epsilon is None:
        raise UnsupportedArchitectureError(
            f"The final norm of {name} is a {type(norm).__name__}, not the RMSNorm that this version can linearise. "
            f"Supported so far: {SUPPORTED}."
        )
    return Architecture(
        name=name,
        **LLAMA_LIKE,
        attention_call=calls[-1],
        final_norm_epsilon=float(epsilon),
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        n_key_value_heads=getattr(config, "num_key_value_heads", None) or config.num_attention_heads,
        context=config.max_position_embeddings,
    )


def _need(module: Any, name: str, path: str) -> None:
    try:
        module.get_submodule(path)
    except AttributeError as missing:
        raise UnsupportedArchitectureError(
            f"{name} has no part named {path!r}, so its edges cannot be told apart. Supported so far: {SUPPORTED}."
        ) from missing
