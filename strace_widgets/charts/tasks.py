"""Tasks with a target: how much of it subgraphs have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from .curves import SERIES, prompt_count
from .style import ORANGE, chosen, plain, styled

if TYPE_CHECKING:
    import pandas as pd

TITLES = {
    "cmd": "CMD: mean of |1 - f| over sizes, less is better",
    "cpr": "CPR: mean of f over sizes, more is better",
}


def faithfulness(table: pd.DataFrame, score: str = "cmd", *, masks: str | None = None) -> Any:
    """Return a chart of `findings.faithfulness`: each task's score by each measure, with its 95 % interval.

    Parameters
    ----------
    table : DataFrame
    score : {"cmd", "cpr"}
    masks : str, optional
        The masks mode to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), score=score, masks=masks)
    measures = list(rows["importance"].unique())
    colours = [ORANGE, *(colour for colour, _ in SERIES)]
    base = alt.Chart(rows).encode(
        y=alt.Y("kind:N").sort(None).title(None).axis(labelLimit=200, ticks=False),
        yOffset=alt.YOffset("importance:N").sort(measures),
        color=alt.Color("importance:N", legend=alt.Legend(orient="bottom", title=None, symbolOpacity=1)).scale(
            domain=measures, range=[colours[place % len(colours)] for place in range(len(measures))]
        ),
        tooltip=[
            "kind:N",
            "importance:N",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("mean", "low", "high", "median")),
            "n_prompts:Q",
        ],
    )
    spans = base.mark_rule(strokeWidth=4, opacity=0.35).encode(x=alt.X("low:Q").title(TITLES[score]), x2="high:Q")
    points = base.mark_point(size=80, filled=True, opacity=1).encode(
        x=alt.X("mean:Q").title(TITLES[score]),
        shape=alt.Shape("importance:N", legend=alt.Legend(orient="bottom", title=None)).scale(domain=measures),
    )
    return styled(
        (spans + points).properties(width=440, height=alt.Step(14 * max(2, len(measures)))),
        "How much of the target subgraphs have",
        f"{which}; up to {prompt_count(rows)} a task; point: mean, bar: its 95 % interval",
    )
