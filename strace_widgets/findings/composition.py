"""What traces are made of: kinds of component, depth, and which heads and MLPs are used by many prompts."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - as in every signature here

import numpy as np

from ..extras import pd
from . import statistics
from .tables import Tables, batches, mean_over, nearest_size

SIZES = (0.001, 0.01, 0.1)
"""The sizes at which single components are counted unless others are given."""

USED = ["importance", "size", "layer", "kind", "head"]
"""What is counted once a prompt in `component_use`."""

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
    counted = map(_by_quarter, batches(study, "components", _COLUMNS))
    return mean_over(counted, ["importance", "size", "kind", "quarter"], ["share", "density"])


def _by_quarter(components: pd.DataFrame) -> pd.DataFrame:
    """Return the share and the density of each kind and quarter in the traces of some prompts."""
    n_layers = int(components["layer"].max()) + 1
    components = components.assign(quarter=components["layer"] * 4 // n_layers + 1)
    counted = components.groupby(["importance", "size", "kind", "quarter", "prompt_id"], observed=True)
    counted = counted[["n_edges", "n_total"]].sum().reset_index()
    in_all = counted.groupby(["importance", "size", "prompt_id"], observed=True)["n_edges"].transform("sum")
    return counted.assign(
        # A trace of no edge at all (int(s E) = 0) has no composition.
        share=counted["n_edges"] / in_all.where(in_all > 0),
        density=counted["n_edges"] / counted["n_total"],
    )


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
    used = (used_in(components, sizes) for components in batches(study, "components", _COLUMNS))
    return mean_over(used, USED, ["use", "density"])


def used_in(components: pd.DataFrame, sizes: Sequence[float]) -> pd.DataFrame:
    """Return the heads and MLPs of some prompts at the sizes nearest to these, with their `use` and `density`."""
    grid = sorted({nearest_size(components["size"], size) for size in sizes})
    components = components[components["size"].isin(grid) & (components["kind"] != "residual")]
    return components.assign(
        density=components["n_edges"] / components["n_total"], use=(components["n_edges"] > 0).astype(float)
    )


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
