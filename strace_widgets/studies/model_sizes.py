"""How many weights each part of a model has, counted on the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedArchitectureError

if TYPE_CHECKING:
    from ..model.model import Model


def dimensions(model: Model) -> dict[str, int]:
    """Return the sizes of a model from which `strace_widgets.findings.savings` counts operations and weights.

    Parameters
    ----------
    model : Model

    Returns
    -------
    dict
        ``n_layers`` and ``n_heads`` (L and H), ``n_key_value_heads``, ``d_model`` (of the residual stream), ``d_head``,
        and ``mlp_weights``: the entries of all matrices of one MLP. Biases and norms are not counted.

    Raises
    ------
    UnsupportedArchitectureError
        When an MLP's weights are not all used for every token (a mixture of experts), when layers differ, or when the
        attention's weights are not those of query, key, value and output maps split evenly among the heads.
    """
    a, module = model.architecture, model.nnsight._module
    config = module.config.get_text_config()
    d_model = int(config.hidden_size)
    d_head = int(getattr(config, "head_dim", None) or d_model // a.n_heads)
    if any("expert" in name for name, _ in module.named_parameters()):
        raise UnsupportedArchitectureError(
            f"{a.name} is a mixture of experts: which of its MLP weights a token uses is not counted."
        )
    layers = module.get_submodule(a.layers)
    attention = {_weights(layer.get_submodule(a.attention)) for layer in layers}
    mlp = {_weights(layer) - _weights(layer.get_submodule(a.attention)) for layer in layers}
    # d_model x d_head for each head's query and output, and for each key-value head's key and value.
    per_head = 2 * d_model * d_head
    n_key_value_heads, rest = divmod(max(attention) - a.n_heads * per_head, per_head)
    alike = len(attention) == len(mlp) == 1
    if not alike or rest or n_key_value_heads < 1 or a.n_heads % n_key_value_heads:
        raise UnsupportedArchitectureError(
            f"The layers of {a.name} cannot be counted: their attentions have {_listed(attention)} weights and their "
            f"MLPs {_listed(mlp)}, which is not {a.n_heads} heads of width {d_head} with shared keys and values "
            "in every layer."
        )
    return {
        "n_layers": a.n_layers,
        "n_heads": a.n_heads,
        "n_key_value_heads": n_key_value_heads,
        "d_model": d_model,
        "d_head": d_head,
        "mlp_weights": mlp.pop(),
    }


def _weights(module: Any) -> int:
    """Count the entries of a module's matrices: what multiplies a token."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.ndim > 1)


def _listed(counts: set[int]) -> str:
    return ", ".join(f"{count:,}" for count in sorted(counts))
