"""How much of a target's figure subgraphs have: circuit scores by task and importance measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import FindingError
from ..extras import pd
from ..results import metrics
from . import statistics
from .tables import table

if TYPE_CHECKING:
    from ..graph.edges import Array
    from .tables import Tables

_RUN = ["importance", "masks"]


def faithfulness(study: Tables, axis: metrics.Axis = "s") -> pd.DataFrame:
    """Score the traces of prompts with a target by task: CPR and CMD, the means of f and of abs(1 - f) over sizes.

    Parameters
    ----------
    study : Study
        Of prompts with a ``target``, such as `strace_widgets.shipped_pairs`.
    axis : {"s", "log10 s"}
        See `strace_widgets.results.metrics.mean_over_sizes`.

    Returns
    -------
    DataFrame
        `kind` (the task), `importance`, `masks`, `score` ("cpr" or "cmd"), `n_prompts`, and over prompts the `mean`
        with its 95 % interval, `low` to `high` (bootstrap; NaN with one prompt), and the `median`, which one prompt
        whose figure hardly differs from nothing's moves less.

    Raises
    ------
    FindingError
        When no prompt of the study has a target.

    Notes
    -----
    `strace_widgets.results.sweep.Sweep` has the definitions.
    """
    points = table(study, "points", ["prompt_id", *_RUN, "subgraph", "size", "faithfulness"])
    points = points[(points["subgraph"] == "trace") & points["faithfulness"].notna()]
    if points.empty:
        raise FindingError("No prompt of the study has a target: give prompts with one, such as sw.shipped_pairs.")
    kinds = study.prompts.set_index("prompt_id")["kind"].astype(str)
    scores = [
        {**dict(zip(["prompt_id", *_RUN], names, strict=True)), **_scores(group["size"], group["faithfulness"], axis)}
        for names, group in points.groupby(["prompt_id", *_RUN], observed=True)
    ]
    wide = pd.DataFrame(scores).assign(kind=lambda rows: rows["prompt_id"].map(kinds))
    long = wide.melt(["kind", "prompt_id", *_RUN], ["cpr", "cmd"], "score")
    rows = []
    for names, group in long.groupby(["kind", *_RUN, "score"], observed=True, sort=False):
        found = statistics.mean(group["value"])
        rows.append(
            {
                **dict(zip(["kind", *_RUN, "score"], names, strict=True)),
                "n_prompts": len(group),
                "mean": found.value,
                "low": found.low,
                "high": found.high,
                "median": float(group["value"].median()),
            }
        )
    return pd.DataFrame(rows)


def _scores(sizes: Array, shares: Array, axis: metrics.Axis) -> dict[str, float]:
    sizes, shares = np.asarray(sizes, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    return {
        "cpr": metrics.mean_over_sizes(sizes, shares, axis, at_nothing=0.0),
        "cmd": metrics.mean_over_sizes(sizes, np.abs(1 - shares), axis, at_nothing=1.0),
    }
