"""How well subgraphs reconstruct the full model's prediction, and how large they must be."""

from __future__ import annotations

import numpy as np

from ..errors import FindingError
from ..extras import pd
from . import statistics
from .tables import Tables, spread, table

CONSTRUCTION = (1e-4, 1e-2)
"""The sizes in which the paper sees the prediction take shape."""

REFINEMENT = (1e-2, 1.0)
"""The sizes in which it sees it approach the full model's."""

_CURVE = ["importance", "masks", "subgraph"]


def error_by_size(study: Tables) -> pd.DataFrame:
    """Average the reconstruction error over prompts, at each size, for traces and baselines.

    Parameters
    ----------
    study : Study

    Returns
    -------
    DataFrame
        `importance`, `masks`, `subgraph` ("trace", "inverse", "random", "random-residual-kept"), `size`, `n_prompts`,
        and of the total variation, in [0, 1]: `mean`, `lower`, `median`, `upper`.

    Notes
    -----
    The paper's reconstruction curves.
    """
    points = table(study, "points", ["prompt_id", *_CURVE, "size", "total_variation"])
    return spread(points, [*_CURVE, "size"], "total_variation")


def phases(study: Tables, *, seed: int = 0) -> pd.DataFrame:
    """Compare the construction phase with the refinement phase, and fit where one becomes the other.

    A line of two segments over log10 s is fitted to the mean error (`statistics.two_segments`); its interval is
    bootstrapped over prompts.

    Parameters
    ----------
    study : Study
    seed : int
        The seed of the bootstrap.

    Returns
    -------
    DataFrame
        `importance`, `masks`, `subgraph`, `n_prompts`; how much total variation the mean loses over each phase,
        `construction` (s from 1e-4 to 1e-2) and `refinement` (1e-2 to 1), interpolated in log10 s, NaN where the sizes
        do not reach so far; the bend `size` with `low` and `high` (95 %, NaN with one prompt); and the segments'
        slopes, `before` and `after`, in total variation per decade of s.

    Raises
    ------
    FindingError
        When there are fewer than 5 sizes to fit a bend to.

    Notes
    -----
    The paper's two phases of computation: a sparse one that builds the head of the prediction, and a dense one that
    refines it.
    """
    points = table(study, "points", ["prompt_id", *_CURVE, "size", "total_variation"])
    rows = []
    for names, group in points.groupby(_CURVE, observed=True):
        curves = group.pivot_table("total_variation", "prompt_id", "size", observed=True)
        sizes = curves.columns.to_numpy(dtype=np.float64)
        if len(sizes) < 5:  # noqa: PLR2004 - as in two_segments
            raise FindingError(f"Two phases need at least 5 sizes to tell apart; the study has {len(sizes)}.")
        x = np.log10(sizes)
        bend, low, high = statistics.bend_interval(x, curves.to_numpy(), seed=seed)
        mean = curves.mean().to_numpy()
        drops = [
            -np.diff(np.interp(np.log10(ends), x, mean, left=np.nan, right=np.nan)).item()
            for ends in (CONSTRUCTION, REFINEMENT)
        ]
        rows.append(
            {
                **dict(zip(_CURVE, names, strict=True)),
                "n_prompts": len(curves),
                "construction": drops[0],
                "refinement": drops[1],
                "size": 10 ** bend.at.item(),
                "low": 10**low,
                "high": 10**high,
                "before": bend.left_slope.item(),
                "after": bend.right_slope.item(),
            }
        )
    return pd.DataFrame(rows)


def nucleus_sizes(study: Tables) -> pd.DataFrame:
    """Say how large a trace must be to recover each nucleus for good.

    Parameters
    ----------
    study : Study

    Returns
    -------
    DataFrame
        `importance`, `masks`, `nucleus` (per cent), `n_prompts`, and of the necessary size: `mean`, `lower`, `median`,
        `upper`; `whole` is the share of prompts that need the whole graph, whose necessary size is 1.

    Raises
    ------
    FindingError
        When the study has no nucleus criterion.

    Notes
    -----
    The paper's sizes at which nuclei of the full model's distribution are recovered.
    """
    needed = table(study, "necessary", ["prompt_id", "importance", "masks", "criterion", "size"])
    needed = needed[needed["criterion"].astype(str).str.startswith("nucleus")]
    if needed.empty:
        raise FindingError("The study's table 'necessary' has no nucleus criterion, such as 'nucleus60'.")
    needed = needed.assign(
        nucleus=needed["criterion"].astype(str).str.removeprefix("nucleus").astype(int),
        whole=(needed["size"] == 1).astype(float),
    )
    by = ["importance", "masks", "nucleus"]
    whole = needed.groupby(by, observed=True)["whole"].mean().reset_index()
    return spread(needed, by, "size").merge(whole, on=by)
