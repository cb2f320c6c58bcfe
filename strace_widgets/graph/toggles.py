"""Toggles: components, positions and edges that are switched on or off, whatever the trace says.

A component is an attention head, written ``"21.4"`` (layer 21, head 4), or the MLP of a layer, ``"21.mlp"``. Residual
edges belong to no component. A position, ``"21@3"``, is token 3 in layer 21: all edges into it there, residual ones
included. Of these, ``"21.4@3"`` are those of head 4, ``"21@1>3"`` those of all heads from token 1, ``"21.4@1>3"`` is
one edge, and so are ``"21.mlp@3"``, ``"21.attention_residual@3"`` and ``"21.mlp_residual@3"``.

A person gives toggles as a plain dict from such names to ``"on"``, ``"off"`` or ``"auto"`` (left to the trace), in
which ``"21"`` stands for the whole layer. What is said of fewer edges holds over what is said of more: an edge's own
toggle over its position's, and that over its component's. `parse` checks a dict once, where it enters the package; from
there on it travels as a `Toggles` value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ToggleError
from .edges import Array, Edges, Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

STATES = {"on": 1, "off": -1, "auto": 0}
NAME = re.compile(r"(\d+)(?:\.(\w+))?@(?:(\d+)>)?(\d+)", re.ASCII)
"""A position or some of the edges into it."""

LONGEST_NAME = 100
"""In characters; Python does not read numbers of thousands of digits."""

ALL = -1
"""Every part, or every source."""


class Entering(NamedTuple):
    """Edges into one token in one layer.

    Attributes
    ----------
    layer, target : int
    part : int
        0..H-1 is a head, H the residual edge past the attention, H + 1 the MLP, H + 2 the residual edge past it;
        -1 is all of them, or with a source all heads.
    source : int
        -1 for all.
    """

    layer: int
    part: int
    target: int
    source: int

    def place(self) -> tuple[int, ...]:
        """Return where it stands among others: the fewer edges, the later."""
        given = (self.part != ALL) + (self.source != ALL)
        return given, self.layer, self.target, self.source, self.part

    def name(self, n_heads: int) -> str:
        """Return the name that a person gives it."""
        edge = n_heads <= self.part and Edges._fields[1 + self.part - n_heads]
        part = "" if self.part == ALL else f".{edge or self.part}"
        return f"{self.layer}{part}@{'' if self.source == ALL else f'{self.source}>'}{self.target}"


@dataclass(frozen=True)
class Toggles:
    """Toggles of a model with L layers and H heads, as `parse` returns them. Equal toggles are equal, and hash alike.

    Attributes
    ----------
    n_layers, n_heads : int
        L and H.
    components : tuple of pairs
        Each component that is switched, with ``"on"`` or ``"off"``: layer by layer, heads before the MLP.
    edges : tuple of pairs
        The same for positions and edges, an `Entering` each: those that stand for fewer edges later.
    """

    n_layers: int
    n_heads: int
    components: tuple[tuple[str, str], ...] = ()
    edges: tuple[tuple[Entering, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.components or self.edges)

    @property
    def n_tokens(self) -> int:
        """How many tokens there have to be, at least."""
        return max((edges.target + 1 for edges, _ in self.edges), default=0)

    def plain(self) -> dict[str, str]:
        """Return the same as a dict, in which layers are written out as components and *auto* is left out."""
        return dict(self.components) | {edges.name(self.n_heads): state for edges, state in self.edges}

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

    def rows(self) -> Array:
        """Return the positions and edges (N, 5), int32: layer, part, target, source, and 1 for on or -1 for off."""
        rows = [(*edges, STATES[state]) for edges, state in self.edges]
        return np.array(rows, dtype=np.int32).reshape(-1, 5)

    def apply(self, mask: Edges, graph: Graph) -> Edges:
        """Return a mask with the edges that are on added, and those that are off removed.

        Parameters
        ----------
        mask : Edges of bool
        graph : Graph
        """
        heads, mlps = self.arrays()
        exists = graph.exists()
        heads, mlps = heads[:, :, None, None], mlps[:, None]
        mask = mask._replace(
            attention=(mask.attention | (exists.attention & (heads > 0))) & (heads >= 0),
            mlp=(mask.mlp | (exists.mlp & (mlps > 0))) & (mlps >= 0),
        )
        if not self.edges:
            return mask
        mask = Edges(*(kind.copy() for kind in mask))
        for layer, part, target, source, state in self.rows().tolist():
            if part < self.n_heads:
                every = slice(None)
                where = layer, every if part == ALL else part, target, every if source == ALL else source
                mask.attention[where] = (state > 0) & exists.attention[where]
            for index, (kind, there) in enumerate(zip(mask[1:], exists[1:], strict=True), self.n_heads):
                if source == ALL and part in (ALL, index):
                    kind[layer, target] = (state > 0) & there[layer, target]
        return mask


def parse(
    toggles: Mapping[str, str] | Toggles | None, n_layers: int, n_heads: int, n_tokens: int | None = None
) -> Toggles:
    """Return toggles as a value: checked, layers written out as components, *auto* left out.

    Parameters
    ----------
    toggles : dict, Toggles or None
        A later entry of a dict overrides an earlier one: ``{"1": "off", "1.1": "auto"}`` leaves head 1 to the trace.
    n_layers, n_heads : int
        L and H of the model.
    n_tokens : int, optional
        T; where it is not known, a position is not looked up.

    Raises
    ------
    ToggleError
        When a component, a position or a state does not exist; names what does.
    """
    if isinstance(toggles, Toggles):
        if (toggles.n_layers, toggles.n_heads) != (n_layers, n_heads):
            raise ToggleError(
                f"These toggles are of a model with {toggles.n_layers} layers of {toggles.n_heads} heads; this one has "
                f"{n_layers} of {n_heads}."
            )
        if n_tokens is not None and toggles.n_tokens > n_tokens:
            raise ToggleError(f"There is no token {toggles.n_tokens - 1}: this prompt's are 0 to {n_tokens - 1}.")
        return toggles
    if toggles is not None and not isinstance(toggles, Mapping):
        raise ToggleError(f"Toggles are a dict such as {{'21.4': 'off'}}; this is {type(toggles).__name__}.")
    states: dict[tuple[int, int], str] = {}
    edges: dict[Entering, str] = {}
    for name, state in (toggles or {}).items():
        if isinstance(name, str) and len(name) > LONGEST_NAME:
            raise ToggleError(f"{name[:20]!r}… is no component: no name has {len(name):,} characters.")
        if not isinstance(state, str) or state not in STATES:
            raise ToggleError(f"{name!r} cannot be {state!r}: a component is 'on', 'off' or 'auto'.")
        if "@" in str(name):
            edges[_entering(name, n_layers, n_heads, n_tokens)] = state
        else:
            states |= dict.fromkeys(_components(name, n_layers, n_heads), state)
    # A layer's MLP sorts behind its heads: it counts as part H.
    switched = ((part, state) for part, state in sorted(states.items()) if state != "auto")
    return Toggles(
        n_layers,
        n_heads,
        tuple((f"{layer}.{'mlp' if part == n_heads else part}", state) for (layer, part), state in switched),
        tuple((each, edges[each]) for each in sorted(edges, key=Entering.place) if edges[each] != "auto"),
    )


def stacked(toggles: Toggles | Sequence[Toggles]) -> tuple[Array, Array, Array]:
    """Return the arrays of toggles with one more axis in front, R: heads (R, L, H) and MLPs (R, L), int8.

    The third are positions and edges, (N, 6) int32: `Toggles.rows`, behind the number of the mask, 0 to R - 1.

    Parameters
    ----------
    toggles : Toggles or sequence of R Toggles
        One stands for all masks (R = 1).
    """
    each = [toggles] if isinstance(toggles, Toggles) else toggles
    heads, mlps = (np.stack(kind) for kind in zip(*(one.arrays() for one in each), strict=True))
    return heads, mlps, np.concatenate([np.insert(one.rows(), 0, row, axis=1) for row, one in enumerate(each)])


def _entering(name: Any, n_layers: int, n_heads: int, n_tokens: int | None) -> Entering:
    """Return the edges into a token that a name stands for."""
    found = NAME.fullmatch(str(name))
    others = {kind: n_heads + index for index, kind in enumerate(Edges._fields[1:])}
    if found is None or not (found[2] is None or found[2].isdecimal() or (found[2] in others and found[3] is None)):
        raise ToggleError(
            f"{name!r} is no position and no edge: write '21@3' for token 3 in layer 21, '21.4@1>3' for what head 4 "
            f"reads there from token 1, '21.mlp@3' for its MLP's edge; besides, there are {', '.join(others)}."
        )
    layer, part, source, target = found.groups()
    numbers = [int(token) for token in (source, target) if token is not None]
    if numbers != sorted(numbers):
        raise ToggleError(f"{name!r} is no edge: no token reads a later one.")
    if n_tokens is not None and numbers[-1] >= n_tokens:
        raise ToggleError(f"There is no token {numbers[-1]}: this prompt's are 0 to {n_tokens - 1}.")
    _components(layer if part is None or part in others else f"{layer}.{part}", n_layers, n_heads)
    number = ALL if part is None else others[part] if part in others else int(part)
    return Entering(int(layer), number, numbers[-1], ALL if source is None else int(source))


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
