"""Toggles: components that are switched on or off, whatever the trace says.

A component is an attention head, written ``"21.4"`` (layer 21, head 4), or the MLP of a layer, ``"21.mlp"``. Residual
edges belong to no component. A person gives toggles as a plain dict from components to ``"on"``, ``"off"`` or
``"auto"`` (left to the trace), in which ``"21"`` stands for the whole layer. `parse` checks such a dict once, where it
enters the package; from there on it travels as a `Toggles` value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ToggleError
from .edges import Array, Edges, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATES = {"on": 1, "off": -1, "auto": 0}


@dataclass(frozen=True)
class Toggles:
    """Toggles of a model with L layers and H heads, as `parse` returns them. Equal toggles are equal, and hash alike.

    Attributes
    ----------
    n_layers, n_heads : int
        L and H.
    components : tuple of pairs
        Each component that is switched, with ``"on"`` or ``"off"``: layer by layer, heads before the MLP.
    """

    n_layers: int
    n_heads: int
    components: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.components)

    def plain(self) -> dict[str, str]:
        """Return the same as a dict, in which layers are written out as components and *auto* is left out."""
        return dict(self.components)

    def arrays(self) -> tuple[Array, Array]:
        """Return heads (L, H) and MLPs (L,) as int8: 1 switched on, -1 switched off, 0 left to the trace."""
        heads = np.zeros((self.n_layers, self.n_heads), dtype=np.int8)
        mlps = np.zeros(self.n_layers, dtype=np.int8)
        for component, state in self.components:
            layer, part = component.split(".")
            if part == "mlp":
                mlps[int(layer)] = STATES[state]
            else:
                heads[int(layer), int(part)] = STATES[state]
        return heads, mlps

    def apply(self, mask: Edges) -> Edges:
        """Return a mask with the edges of the components that are on added, and of those that are off removed.

        Parameters
        ----------
        mask : Edges of bool
        """
        heads, mlps = self.arrays()
        exists = Graph(mask.n_layers, mask.n_heads, mask.n_tokens).exists()
        heads, mlps = heads[:, :, None, None], mlps[:, None]
        return mask._replace(
            attention=(mask.attention | (exists.attention & (heads > 0))) & (heads >= 0),
            mlp=(mask.mlp | (exists.mlp & (mlps > 0))) & (mlps >= 0),
        )


def parse(toggles: Mapping[str, str] | Toggles | None, n_layers: int, n_heads: int) -> Toggles:
    """Return toggles as a value: checked, layers written out as components, *auto* left out.

    Parameters
    ----------
    toggles : dict, Toggles or None
        A later entry of a dict overrides an earlier one: ``{"1": "off", "1.1": "auto"}`` leaves head 1 to the trace.
    n_layers, n_heads : int
        L and H of the model.

    Raises
    ------
    ToggleError
        When a component or a state does not exist; names what does.
    """
    if isinstance(toggles, Toggles):
        if (toggles.n_layers, toggles.n_heads) != (n_layers, n_heads):
            raise ToggleError(
                f"These toggles are of a model with {toggles.n_layers} layers of {toggles.n_heads} heads; this one has "
                f"{n_layers} of {n_heads}."
            )
        return toggles
    states: dict[tuple[int, int], str] = {}
    for name, state in (toggles or {}).items():
        if not isinstance(state, str) or state not in STATES:
            raise ToggleError(f"{name!r} cannot be {state!r}: a component is 'on', 'off' or 'auto'.")
        states |= dict.fromkeys(_components(name, n_layers, n_heads), state)
    # A layer's MLP sorts behind its heads: it counts as part H.
    switched = ((part, state) for part, state in sorted(states.items()) if state != "auto")
    return Toggles(
        n_layers,
        n_heads,
        tuple((f"{layer}.{'mlp' if part == n_heads else part}", state) for (layer, part), state in switched),
    )


def stacked(toggles: Toggles | Sequence[Toggles]) -> tuple[Array, Array]:
    """Return the arrays of toggles with one more axis in front, R: heads (R, L, H) and MLPs (R, L), int8.

    Parameters
    ----------
    toggles : Toggles or sequence of R Toggles
        One stands for all masks (R = 1).
    """
    each = [toggles] if isinstance(toggles, Toggles) else toggles
    heads, mlps = (np.stack(kind) for kind in zip(*(one.arrays() for one in each), strict=True))
    return heads, mlps


def _components(name: Any, n_layers: int, n_heads: int) -> list[tuple[int, int]]:
    """Return the components that a name stands for, as layer and part; the MLP is part H."""
    layer, dot, part = str(name).partition(".")
    if not layer.isdecimal() or (dot and part != "mlp" and not part.isdecimal()):
        raise ToggleError(
            f"{name!r} is no component: write '21.4' for head 4 of layer 21, '21.mlp' for its MLP, '21' for all of it."
        )
    if int(layer) >= n_layers:
        raise ToggleError(f"There is no layer {int(layer)}: this model's layers are 0 to {n_layers - 1}.")
    if not dot:
        return [(int(layer), each) for each in range(n_heads + 1)]
    if part == "mlp":
        return [(int(layer), n_heads)]
    if int(part) >= n_heads:
        raise ToggleError(
            f"There is no head {int(part)} in layer {int(layer)}: this model's heads are 0 to {n_heads - 1}."
        )
    return [(int(layer), int(part))]
