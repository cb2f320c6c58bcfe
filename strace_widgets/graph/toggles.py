"""Components that a person forces on or off, whatever the trace says.

A component is written ``"21.4"`` (layer 21, head 4) or ``"21.mlp"``; ``"21"`` stands for the whole layer. Toggles are
a plain dict from components to ``"on"`` or ``"off"``: it serialises as it is, and a component that is absent is left
to the trace (*auto*). Residual edges belong to no component.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ToggleError
from .edges import Edges, Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES = {"on": 1, "off": -1, "auto": 0}


def normalise(toggles: Mapping[str, str] | None, n_layers: int, n_heads: int) -> dict[str, str]:
    """Return toggles with layers written out as components and *auto* left out.

    Raises
    ------
    ToggleError
        When a component or a state does not exist; names what does.
    """
    result: dict[str, str] = {}
    for name, state in (toggles or {}).items():
        if state not in STATES:
            raise ToggleError(f"{name!r} cannot be {state!r}: a component is 'on', 'off' or 'auto'.")
        for component in _components(name, n_layers, n_heads):
            result.pop(component, None)
            if state != "auto":
                result[component] = state
    return result


def forced(
    toggles: Mapping[str, str], n_layers: int, n_heads: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return heads (L, H) and MLPs (L,) as int8: 1 forced on, -1 forced off, 0 left to the trace."""
    heads, mlps = np.zeros((n_layers, n_heads), dtype=np.int8), np.zeros(n_layers, dtype=np.int8)
    for component, state in normalise(toggles, n_layers, n_heads).items():
        layer, part = component.split(".")
        if part == "mlp":
            mlps[int(layer)] = STATES[state]
        else:
            heads[int(layer), int(part)] = STATES[state]
    return heads, mlps


def apply(mask: Edges, toggles: Mapping[str, str]) -> Edges:
    """Return the mask with the forced components' edges added or removed."""
    heads, mlps = forced(toggles, mask.n_layers, mask.n_heads)
    exists = Graph(mask.n_layers, mask.n_heads, mask.n_tokens).exists()
    heads, mlps = heads[:, :, None, None], mlps[:, None]
    return mask._replace(
        attention=(mask.attention | (exists.attention & (heads > 0))) & (heads >= 0),
        mlp=(mask.mlp | (exists.mlp & (mlps > 0))) & (mlps >= 0),
    )


def _components(name: str, n_layers: int, n_heads: int) -> list[str]:
    """Return the components that a name stands for."""
    layer, dot, part = str(name).partition(".")
    if not layer.isdecimal() or (dot and part != "mlp" and not part.isdecimal()):
        raise ToggleError(
            f"{name!r} is no component: write '21.4' for head 4 of layer 21, '21.mlp' for its MLP, '21' for all of it."
        )
    if int(layer) >= n_layers:
        raise ToggleError(f"There is no layer {int(layer)}: this model's layers are 0 to {n_layers - 1}.")
    if not dot:
        return [f"{int(layer)}.{head}" for head in range(n_heads)] + [f"{int(layer)}.mlp"]
    if part == "mlp":
        return [f"{int(layer)}.mlp"]
    if int(part) >= n_heads:
        raise ToggleError(
            f"There is no head {int(part)} in layer {int(layer)}: this model's heads are 0 to {n_heads - 1}."
        )
    return [f"{int(layer)}.{int(part)}"]
