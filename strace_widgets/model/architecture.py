"""Where a model's parts are and what its sizes are, as plain data that can travel to a server.

`discovery` fills it by looking at a model at work; `loading` has it proved before use.
Nothing is decided by a model's name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Norm:
    """A norm between a sublayer and the stream, to be linearised at its true input.

    Held fixed at an input y it multiplies by ``gain * rsqrt(mean(y^2) + epsilon)``, after centring y (and every
    vector) if it is a LayerNorm. Its bias belongs to no edge.

    Attributes
    ----------
    path : str
        From the layer, or from the model for the final norm.
    centred : bool
        LayerNorm rather than RMSNorm.
    gain : {"none", "weight", "1 + weight", "asked"}
        What of it multiplies; asked: what it answers to ones, since it holds no plain weight.
    epsilon : float
    """

    path: str
    centred: bool
    gain: str
    epsilon: float


class AttentionCall(NamedTuple):
    """A call in an attention's source that returns (the heads' output, the attention probabilities).

    Attributes
    ----------
    source : str
        How the call is written.
    operation : str
        What nnsight names it, up to its number.
    value_argument : int
    heads_first : bool
    flag : str
        The attribute of the attention under which this call is the one that runs; empty where nothing is asked.
    """

    source: str
    operation: str
    value_argument: int
    heads_first: bool
    flag: str = ""


ATTENTION_CALLS = (
    AttentionCall(  # GPT-2, as some train it
        "self._upcast_and_reordered_attn(",
        "self__upcast_and_reordered_attn_",
        value_argument=2,
        heads_first=False,
        flag="reorder_and_upcast_attn",
    ),
    AttentionCall("attention_interface(", "attention_interface_", value_argument=3, heads_first=False),
    AttentionCall("self._attn(", "self__attn_", value_argument=2, heads_first=True),  # GPT-J, GPT-Neo, CodeGen
)
"""The calls through which attention probabilities can be read and replaced; the first that fits is taken."""


PROJECTIONS = {
    "stored": "by its weight",
    "transposed": "by its weight, transposed",
    "asked": "asked on unit inputs, since its weight is packed or under an adapter",
}
"""How the map from a layer's heads to the stream is read, in words."""


@dataclass(frozen=True)
class Architecture:
    """A model's parts, as dotted paths, and its sizes.

    Attributes
    ----------
    name : str
        The model class, for messages.
    layers : str
        The list of layers, from the model.
    final_norm : Norm or None
    attention, output_projection : str
        From a layer: the attention, and the linear map from its heads to the stream.
    attention_call : str
        The operation in the attention's source that computes the heads: see `AttentionCall`.
    value_argument : int
        Which of its arguments holds the values.
    heads_first : bool
        Whether its first output is (batch, H, T, d) rather than (batch, T, H, d).
    attention_write, mlp_write : str
        From a layer: the module whose output is added to the stream.
    attention_write_in_tuple, mlp_write_in_tuple, layer_in_tuple : bool
        Whether that output is the first of several.
    attention_scale, mlp_scale : float
        What the output is multiplied by before it is added (a residual multiplier; usually 1).
    attention_residual, mlp_residual : str or None
        From a layer: the module whose output the block carries on as the stream; None for the stream itself.
    attention_residual_scale, mlp_residual_scale : float
    inner_norm, outer_norm : Norm or None
        Between the heads and the output projection, and between that and the stream.
    projection_read : {"stored", "transposed", "asked"}
        How the projection's map is had: its weight as it is stored, (out, in); transposed; or what the module answers
        to unit inputs, where its weight is packed into few bits or lies under an adapter.
    rounds, rows_apart, no_gradients
        What its modules do besides multiplying: see `strace_widgets.model.matrices.Arithmetic`.
    parallel : bool
        Whether attention and MLP read the same stream and enter one node.
    n_layers, n_heads, context : int
        L, H (query heads), and the longest prompt in tokens.
    """

    name: str
    layers: str
    final_norm: Norm | None
    attention: str
    output_projection: str
    attention_call: str
    value_argument: int
    heads_first: bool
    attention_write: str
    mlp_write: str
    attention_write_in_tuple: bool
    mlp_write_in_tuple: bool
    layer_in_tuple: bool
    attention_scale: float
    mlp_scale: float
    attention_residual: str | None
    mlp_residual: str | None
    attention_residual_scale: float
    mlp_residual_scale: float
    inner_norm: Norm | None
    outer_norm: Norm | None
    projection_read: str
    parallel: bool
    n_layers: int
    n_heads: int
    context: int
    rounds: bool = False
    rows_apart: bool = False
    no_gradients: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the same as a plain dict, the form that travels to a server."""
        return asdict(self)

    def described(self) -> dict[str, str]:
        """Return what was found, in words, a line a part."""
        block = "attention and MLP in parallel" if self.parallel else "attention, then MLP"
        return {
            "sizes": f"{self.n_layers} layers of {self.n_heads} heads, up to {self.context:,} tokens",
            "block": f"{block}; attention added by {self.attention_write!r}, MLP by {self.mlp_write!r}",
            "norms": f"inside the attention: {_named(self.inner_norm)}; after it: {_named(self.outer_norm)}; "
            f"final: {_named(self.final_norm)}",
            "projection": PROJECTIONS[self.projection_read]
            + ("; some modules round what they are given" if self.rounds else "")
            + ("; what runs beside a prompt changes its numbers, so masks run one by one" if self.rows_apart else ""),
            "scales": f"attention {self.attention_scale:g}, MLP {self.mlp_scale:g}, residual "
            f"{self.attention_residual_scale:g} and {self.mlp_residual_scale:g}",
        }


def _named(norm: Norm | None) -> str:
    if norm is None:
        return "none"
    return f"{'LayerNorm' if norm.centred else 'RMSNorm'} {norm.path!r}"
