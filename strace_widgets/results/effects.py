"""What each head and MLP does to the prediction: how it changes when that one alone is switched off.

`strace_widgets.results.switching_off` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .display import html_table, pandas

if TYPE_CHECKING:
    import pandas as pd

    from ..graph.edges import Array
    from ..graph.modes import Modes
    from ..graph.order import Order, SavedOrder
    from .sweep import TopToken

By = Literal["head", "mlp", "component", "layer"]
"""What is switched off at a time: a head, an MLP, either of them, or all of a layer but its residual edges."""

Whole = Literal["component", "layer"]
"""What is kept: those of heads and of MLPs are columns of those of components."""

ARRAYS = ("total_variation", "logit_change", "known")
"""What there is of each component."""

SHOWN = 10
"""Rows that the table of effects shows."""


class Kept(NamedTuple):
    """Under what the effects of a trace are kept: in the whole graph under any order."""

    order: Order | SavedOrder | None
    n_edges: int
    modes: Modes
    by: Whole


@dataclass(frozen=True, repr=False, eq=False)
class Effects:
    """What a subgraph predicts once a component is switched off: one value for each component.

    Arrays are (L, H) of heads, (L,) of MLPs or of layers, and (L, H + 1) of components: each layer's heads and then its
    MLP. Two of them are equal only if they are the same object.

    Attributes
    ----------
    by : {"head", "mlp", "component", "layer"}
    size : float
        The relative size s of the subgraph in which they are switched off.
    n_edges : int
        Its edges.
    modes : Modes
    answer, rival : TopToken
        The trace's target and foil (the first of several); without them the full model's most probable next token, and
        the one after it.
    total_variation : float64 array
        TV between the full model's prediction and the subgraph's without the component, in [0, 1]: as
        `strace_widgets.STrace.evaluate` has it under a toggle. NaN where that subgraph overflows.
    logit_change : float64 array
        By how much the logit of the answer above that of its rival changes as the component is switched off, in nats:
        below 0 where it speaks for the answer. Of several answers or rivals the probabilities are added.
    known : array of bool
        Which of them were run; the others are NaN.
    subgraph_total_variation, subgraph_logit_difference : float
        The same of the subgraph with nothing switched off: its TV, and the answer's logit less its rival's.
    """

    by: By
    size: float
    n_edges: int
    modes: Modes
    answer: TopToken
    rival: TopToken
    total_variation: Array
    logit_change: Array
    known: Array
    subgraph_total_variation: float = float("nan")
    subgraph_logit_difference: float = float("nan")

    @property
    def components(self) -> list[str]:
        """Their names as toggles have them, in the order of the flat arrays: ``"21.4"``, ``"21.mlp"``, ``"21"``."""
        return [_name(self.by, self.total_variation, place) for place in np.ndindex(self.total_variation.shape)]

    def largest(self, n: int = SHOWN) -> list[str]:
        """Return the components without which the prediction is furthest from the full model's, the furthest first.

        Parameters
        ----------
        n : int
            How many at most.
        """
        names = self.components
        return [names[place] for place in self._falling()[:n]]

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with a row a component, in the order of `components`.

        Returns
        -------
        pandas.DataFrame
            ``component``, ``layer``, ``head`` (missing for MLPs and layers), ``total_variation`` and ``logit_change``.

        Raises
        ------
        MissingPackageError
            When pandas is not installed.
        """
        pd = pandas()
        parts = [name.partition(".") for name in self.components]
        heads = [int(part) if part.isdecimal() else None for _, _, part in parts]
        return pd.DataFrame(
            {
                "component": self.components,
                "layer": [int(layer) for layer, _, _ in parts],
                "head": pd.array(heads, dtype="Int64"),
                "total_variation": self.total_variation.ravel(),
                "logit_change": self.logit_change.ravel(),
            }
        )

    def __repr__(self) -> str:
        done, total = int(self.known.sum()), self.known.size
        what = f"Effects of {self.by}s switched off one by one at s = {self.size:.3g}: "
        what += f"{total}" if done == total else f"{done} of {total} are known"
        order = self._falling()
        if not len(order):
            return what
        most, change = self.total_variation.flat[order[0]], self.logit_change.flat[order[0]]
        return f"{what}; without {self.components[order[0]]} TV {most:.3f}, logit {change:+.2f}"

    def _repr_html_(self) -> str:
        order, names = self._falling()[:SHOWN], self.components
        title = f"{self!r}. Logits are those of {self.answer.token!r} above {self.rival.token!r}."
        columns = {
            "switched off": [names[place] for place in order],
            "TV": [f"{self.total_variation.flat[place]:.3f}" for place in order],
            "change of logit": [f"{self.logit_change.flat[place]:+.2f}" for place in order],
        }
        return html_table(title, columns, texts=())

    def places_of(self, by: By) -> Array:
        """Return the flat places of heads, of MLPs or of either, from those of components."""
        places = np.arange(self.known.size).reshape(self.known.shape)
        chosen: Array = places[_columns(by)].ravel()
        return chosen

    def of(self, by: By) -> Effects:
        """Return those of heads alone or of MLPs alone, from those of components."""
        return replace(self, by=by, **{name: getattr(self, name)[_columns(by)] for name in ARRAYS})

    def _falling(self) -> Array:
        """Return the flat places of those that have a value, the largest total variation first."""
        found = self.total_variation.ravel()
        return np.argsort(-found, kind="stable")[: int(np.isfinite(found).sum())]


def _columns(by: By) -> Any:
    """Return which columns of (L, H + 1) components are of a kind."""
    return {"head": np.s_[:, :-1], "mlp": np.s_[:, -1]}.get(by, np.s_[:])


def _name(by: By, like: Array, place: tuple[int, ...]) -> str:
    if by == "layer":
        return str(place[0])
    is_mlp = by == "mlp" or (by == "component" and place[1] == like.shape[1] - 1)
    return f"{place[0]}.{'mlp' if is_mlp else place[1]}"
