"""Where a model's parts are and what its sizes are, as plain data that can travel to a server.

`discovery` fills it by looking at a model at work; `loading` has it proved before use.
Nothing is decided by a model's name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

UNLIMITED = 2**31 - 1
"""The context of a model that reads prompts of any length."""


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
    keywords : dict
        What the model's forward is called with besides token ids.
    layers : str
        The list of layers, from the model.
    head : str or None
        The unembedding, from the model; None where it is no module that runs once.
    final_norm : Norm or None
    attention, output_projection : str
        From a layer: the attention, and the linear map from its heads to the stream.
    attention_call : str
        The operation in the attention's source that computes the heads; its second output is the probabilities.
    value_argument : int or None
        Which of its arguments holds the values.
    written_out : (str, str) or None
        Where the attention is written out: the operations that assign the values, and the probabilities. That of
        ``attention_call`` then assigns the heads.
    heads_first : bool
        Whether the heads' output is (batch, H, T, d) rather than (batch, T, H, d).
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
    closing_norm : Norm or None
        Through which a layer passes its last node on to the next (a post-layer-norm block, as in OPT-350m); None where
        the node itself is the stream.
    projection_read : {"stored", "transposed", "asked"}
        How the projection's map is had: its weight as it is stored, (out, in); transposed; or what the module answers
        to unit inputs, where its weight is packed into few bits or lies under an adapter.
    rounds, rows_apart, no_gradients
        What its modules do besides multiplying: see `strace_widgets.model.discovery.matrices.Arithmetic`.
    parallel : bool
        Whether attention and MLP read the same stream and enter one node.
    n_layers, n_heads, context : int
        L, H (query heads), and the longest prompt in tokens, or `UNLIMITED`.
    """

    name: str
    keywords: dict[str, Any]
    layers: str
    head: str | None
    final_norm: Norm | None
    attention: str
    output_projection: str
    attention_call: str
    value_argument: int | None
    written_out: tuple[str, str] | None
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
    closing_norm: Norm | None
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

    def sizes(self) -> str:
        """Return how many layers and heads there are, and how long a prompt may be, in words."""
        length = "prompts of any length" if self.context == UNLIMITED else f"up to {self.context:,} tokens"
        return f"{self.n_layers} layers of {self.n_heads} heads, {length}"

    def described(self) -> dict[str, str]:
        """Return what was found, in words, a line a part."""
        block = "attention and MLP in parallel" if self.parallel else "attention, then MLP"
        return {
            "sizes": self.sizes(),
            "block": f"{block}; attention added by {self.attention_write!r}, MLP by {self.mlp_write!r}",
            "norms": f"inside the attention: {_named(self.inner_norm)}; after it: {_named(self.outer_norm)}; "
            f"after each layer: {_named(self.closing_norm)}; final: {_named(self.final_norm)}",
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
