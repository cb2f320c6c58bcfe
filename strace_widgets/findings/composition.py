"""What traces are made of: kinds of component, depth, and which heads and MLPs are used by many prompts."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - as in every signature here

import numpy as np

from ..extras import pd
from . import statistics
from .tables import Tables, nearest_size, table

SIZES = (0.001, 0.01, 0.1)
"""The sizes at which single components are counted unless others are given."""

_COLUMNS = ["prompt_id", "importance", "size", "layer", "kind", "head", "n_edges", "n_total"]


def composition(study: Tables) -> pd.DataFrame:
    """Say what share of the trace's edges each kind of component and each quarter of the depth has.

    Parameters
    ----------
    study : Study

    Returns
    -------
    DataFrame
        `importance`, `size`, `kind` ("attention", "mlp", "residual"), `quarter` (1, the first layers, to 4),
        `n_prompts`; `share` of the trace's edges, which adds up to 1 over kinds and quarters; and `density`, the share
        of these components' edges that are in the trace. Both are means over prompts.

    Notes
    -----
    The paper's composition of the trace: early layers first, then later ones and increasingly attention heads.
    """
    components = table(study, "components", _COLUMNS)
    n_layers = int(components["layer"].max()) + 1
    components = components.assign(quarter=components["layer"] * 4 // n_layers + 1)
    counted = components.groupby(["importance", "size", "kind", "quarter", "prompt_id"], observed=True)
    counted = counted[["n_edges", "n_total"]].sum().reset_index()
    in_all = counted.groupby(["importance", "size", "prompt_id"], observed=True)["n_edges"].transform("sum")
    counted = counted.assign(
        # A trace of no edge at all (int(s E) = 0) has no composition.
        share=counted["n_edges"] / in_all.where(in_all > 0),
        density=counted["n_edges"] / counted["n_total"],
    )
    grouped = counted.groupby(["importance", "size", "kind", "quarter"], observed=True)
    return grouped.agg(n_prompts=("share", "count"), share=("share", "mean"), density=("density", "mean")).reset_index()


def component_use(study: Tables, sizes: Sequence[float] = SIZES) -> pd.DataFrame:
    """Say how often each head and each MLP is used.

    Parameters
    ----------
    study : Study
    sizes : floats
        The sizes of the study's grid nearest to these.

    Returns
    -------
    DataFrame
        `importance`, `size`, `layer`, `kind` ("attention", "mlp"), `head` (missing for an MLP), `n_prompts`; `use`, the
        share of prompts in whose trace the component has an edge; and `density`, the mean share of its edges there.
    """
    return use_of(table(study, "components", _COLUMNS), sizes)


def use_of(components: pd.DataFrame, sizes: Sequence[float]) -> pd.DataFrame:
    """Return `component_use` of some rows of a study's components."""
    grid = sorted({nearest_size(components["size"], size) for size in sizes})
    components = components[components["size"].isin(grid) & (components["kind"] != "residual")]
    components = components.assign(
        density=components["n_edges"] / components["n_total"], use=(components["n_edges"] > 0).astype(float)
    )
    grouped = components.groupby(["importance", "size", "layer", "kind", "head"], observed=True, dropna=False)
    return grouped.agg(n_prompts=("use", "count"), use=("use", "mean"), density=("density", "mean")).reset_index()


def use_inequality(study: Tables, sizes: Sequence[float] = (*SIZES, 1.0)) -> pd.DataFrame:
    """Say how unevenly heads and MLPs are used: a Lorenz curve over their mean `density` at each size.

    Parameters
    ----------
    study : Study
    sizes : floats
        The sizes of the study's grid nearest to these.

    Returns
    -------
    DataFrame
        `importance`, `size`, `components` (the share of all heads and MLPs, least used first), `held` (their share of
        all use), and the curve's `gini`: 0 if all are used equally, near 1 if a few have nearly all of the use.
    """
    use = component_use(study, sizes)
    curves = []
    for (importance, size), group in use.groupby(["importance", "size"], observed=True):
        density = group["density"].to_numpy(dtype=np.float64)
        holders, held = statistics.lorenz(density)
        curves.append(
            pd.DataFrame(
                {
                    "importance": importance,
                    "size": size,
                    "components": holders,
                    "held": held,
                    "gini": statistics.gini(density),
                }
            )
        )
    return pd.concat(curves, ignore_index=True)
