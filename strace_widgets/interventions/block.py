"""The walk through one block, step by step, in the order in which the model runs it.

This is the one place that knows how a block is put together: attention call, what the attention adds to the residual
stream, what the MLP adds. Everything else in this room says only what it does at each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .access import attention_call, attention_probabilities, attention_value, by_head, find, first

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Heads:
    """The step at which the attention heads are computed, before they are mapped to the residual stream.

    The attention call is read where it is asked for, and once: a run does not go back, and reading costs time.
    """

    layer: Any
    architecture: dict[str, Any]
    known: tuple[Any, Any] | None = None

    def value(self) -> Any:
        """Return the values (B, key-value heads, T, d)."""
        return attention_value(self.layer, self.architecture)

    def read(self) -> tuple[Any, Any]:
        """Return the values, and the attention probabilities (B, H, T, T) as [batch, head, target, source]."""
        if self.known is None:
            self.known = self.value(), attention_probabilities(self.layer, self.architecture)
        return self.known

    def output(self) -> Any:
        """Return what the heads say (B, H, T, d)."""
        output = attention_call(self.layer, self.architecture).output
        if self.architecture["written_out"] is not None:
            return by_head(output, self.architecture)
        return output[0] if self.architecture["heads_first"] else output[0].transpose(1, 2)

    def replace(self, heads: Any) -> None:
        """Let the heads say something else (B, H, T, d)."""
        call = attention_call(self.layer, self.architecture)
        heads = heads if self.architecture["heads_first"] else heads.transpose(1, 2).contiguous()
        if self.architecture["written_out"] is None:
            call.output = (heads, *call.output[1:])
        else:
            call.output = heads.view_as(call.output)


@dataclass
class Addition:
    """The step at which a sublayer, ``"attention"`` or ``"mlp"``, adds its output to the residual stream.

    Attributes
    ----------
    residual : (B, T, M) tensor
        The stream that passes by the sublayer.
    added : (B, T, M) tensor
        What the sublayer adds to it.
    handle : (tensor, float)
        A tensor of the run that the node moves with, by how much the factor says: what to differentiate by.
    """

    sublayer: str
    layer: Any
    architecture: dict[str, Any]
    residual: Any
    added: Any
    handle: tuple[Any, float]
    known: Any = None

    def node(self) -> Any:
        """Return the stream after the sublayer, (B, T, M); added up once, since it is large."""
        if self.known is None:
            self.known = self.residual + self.added
        return self.known

    def replace(self, added: Any) -> None:
        """Let the sublayer add something else (B, T, M)."""
        module, in_tuple = sublayer_module(self.layer, self.architecture, self.sublayer)
        before, scale = module.output, self.architecture[f"{self.sublayer}_scale"]
        output = first(before, in_tuple)
        value = (added if scale == 1 else added / scale).view_as(output).to(output.dtype)
        module.output = (value, *before[1:]) if in_tuple else value
        # As the block adds it up, rounded: what is left of a stream that was taken away is then taken away, too.
        if scale != 1:
            added = value.view_as(added) * scale
        self.added, self.handle, self.known = added, (added if scale == 1 else value, scale), None


def walk(layer: Any, architecture: dict[str, Any]) -> Iterator[Any]:
    """Yield the three steps of a block: `Heads`, then the attention's `Addition`, then the MLP's.

    A step is read, and replaced, before the next one is asked for. In a parallel block both additions enter one node:
    the residual of the MLP's is then the stream with what the attention has added.
    """
    stream = residual_past(layer, architecture, "attention", layer.input)
    yield Heads(layer, architecture)
    attention = addition(layer, architecture, "attention", stream)
    yield attention
    stream = attention.node()
    if not architecture["parallel"]:
        stream = residual_past(layer, architecture, "mlp", stream)
    yield addition(layer, architecture, "mlp", stream)


def residual_past(layer: Any, architecture: dict[str, Any], sublayer: str, stream: Any) -> Any:
    """Return what a block carries past a sublayer: the stream itself, or a module's reading of it."""
    path, scale = architecture[f"{sublayer}_residual"], architecture[f"{sublayer}_residual_scale"]
    if path is not None:
        stream = find(layer, path).output
    return stream if scale == 1 else stream * scale


def addition(layer: Any, architecture: dict[str, Any], sublayer: str, residual: Any) -> Addition:
    """Read what a sublayer adds, in the shape of the stream (some modules flatten batch and tokens)."""
    module, in_tuple = sublayer_module(layer, architecture, sublayer)
    output, scale = first(module.output, in_tuple), architecture[f"{sublayer}_scale"]
    # A copy: Falcon's block goes on to add the attention to the MLP's output in place.
    added = output.view_as(residual).clone() if scale == 1 else output.view_as(residual) * scale
    return Addition(sublayer, layer, architecture, residual, added, (output, scale))


def sublayer_module(layer: Any, architecture: dict[str, Any], sublayer: str) -> tuple[Any, bool]:
    """Return the module whose output is added to the stream, and whether that is the first of several outputs."""
    return find(layer, architecture[f"{sublayer}_write"]), architecture[f"{sublayer}_write_in_tuple"]
