"""Translate between this project's arrays and the naive reference's dictionaries of single edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from strace_widgets.graph.edges import Edges, Graph


def as_dict(values: Edges, graph: Graph) -> dict[Any, float]:
    """Return the value of every edge in the graph, by edge as the naive reference writes it."""
    result: dict[Any, float] = {}
    for kind, there in zip(Edges._fields, graph.exists(), strict=True):
        for place in np.argwhere(there).tolist():
            if kind == "attention":
                layer, head, target, source = place
            else:
                (layer, target), head = place, -1
                source = target
            result[kind, layer, target, source, head] = float(getattr(values, kind)[tuple(place)])
    return result


def value_of(values: Edges, edge: Any) -> Any:
    """Return one edge's value."""
    kind, layer, target, source, head = edge
    return getattr(values, kind)[(layer, head, target, source) if kind == "attention" else (layer, target)]
