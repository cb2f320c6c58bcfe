"""Curves over the size of the subgraph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import numpy as np

from ..token_text import names
from .style import (
    BLUE,
    DASHED,
    DOTTED,
    GREY,
    HEIGHT,
    INK,
    ORANGE,
    SOLID,
    WIDTH,
    chosen,
    line_legend,
    necessary_axis,
    plain,
    size_axis,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ..results.sweep import Sweep

SERIES = (
    (BLUE, SOLID),
    ("#1d8a7a", (10, 2)),
    ("#6d7fe0", (12, 3, 2, 3)),
    ("#5a8f2a", (6, 2)),
)
"""Colour and dash of the traces, one an importance measure."""

BASELINES = {
    "inverse": (ORANGE, DASHED),
    "random": (GREY, DOTTED),
    "random-residual-kept": ("#9a6fb0", (2, 2, 8, 2)),
}
"""The same of the baselines."""

SHALLOW_AND_FULL = {"unigram frequency": "unigram frequency", "full model": "the full model"}

GEOMETRY = {
    "cosine": "cosine to the full state",
    "distance": "distance to it ÷ its norm",
    "cka": "linear CKA across prompts",
    "speed": "speed (norms per decade)",
    "turn": "turn (degrees)",
}


def reconstruction(sweep: Sweep, title: str = "Reconstruction error against size") -> alt.LayerChart:
    """Return a chart of total variation against size, on a log axis (the paper's reconstruction curve).

    A filled point marks a size whose most probable token agrees with the full model's.

    Parameters
    ----------
    sweep : Sweep
    title : str
    """
    chart: alt.LayerChart = styled(error_curve(sweep).properties(width=WIDTH, height=HEIGHT), title)
    return chart


def error_curve(sweep: Sweep) -> Any:
    """Return the marks of `reconstruction`, to be part of another chart.

    Parameters
    ----------
    sweep : Sweep
    """
    tops = names([top[0].token for top in sweep.top])
    rows = [
        {
            "size": float(sweep.sizes[row]),
            "edges": int(sweep.n_edges[row]),
            "total variation": float(sweep.total_variation[row]),
            "top token": tops[row],
            "probability": sweep.top[row][0].probability,
            "top-1": "agrees" if sweep.top1[row] else "differs",
        }
        for row in range(len(sweep))
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=size_axis(),
        y=alt.Y("total variation:Q").scale(domain=[0, 1]).title("total variation from the full model"),
    )
    line = base.mark_line(color=BLUE, strokeWidth=2)
    points = base.mark_point(color=BLUE, size=45, opacity=1).encode(
        fill=alt.Fill("top-1:N", legend=alt.Legend(orient="bottom"))
        .scale(domain=["agrees", "differs"], range=[BLUE, "transparent"])
        .title("most probable token"),
        tooltip=[
            alt.Tooltip("size:Q", format=".3g"),
            alt.Tooltip("edges:Q", format=","),
            alt.Tooltip("total variation:Q", format=".3f"),
            alt.Tooltip("top token:N"),
            alt.Tooltip("probability:Q", format=".3f"),
        ],
    )
    return line + points


def error_by_size(table: pd.DataFrame, phases: pd.DataFrame | None = None, *, masks: str | None = None) -> Any:
    """Return a chart of `findings.error_by_size`: the mean error, a band between quartiles, and the two phases.

    Parameters
    ----------
    table : DataFrame
    phases : DataFrame, optional
        From `findings.phases`: marks the bend of the first trace, and its interval.
    masks : str, optional
        The masks mode to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), masks=masks)
    layers = []
    subtitle = [f"{which}; {prompt_count(rows)}; line: mean, band: quartiles over prompts"]
    if phases is not None:
        bend = chosen(plain(phases), masks=which.removeprefix("masks "), subgraph="trace")[0].iloc[0]
        # With one prompt there is no interval, and on a straight line no bend.
        if bend["low"] == bend["low"]:
            layers.append(alt.Chart(_row(bend, "low", "high")).mark_rect(color=BLUE, opacity=0.15).encode(
                x="low:Q", x2="high:Q"))  # fmt: skip
        if bend["size"] == bend["size"]:
            interval = f" ({bend['low']:.2g} to {bend['high']:.2g})" if bend["low"] == bend["low"] else ""
            subtitle.append(
                f"upright line: bend of the trace by {bend['importance']} at s = {bend['size']:.2g}{interval}"
            )
            layers += _bend(float(bend["size"]))
    inverse = "; of the inverse, taken out" if (rows["subgraph"] == "inverse").any() else ""
    axis = size_axis(title=f"size s (share of edges kept{inverse})")
    drawn = alt.layer(*layers, *bands(rows, "total variation from the full model", [0, 1], axis=axis))
    return styled(drawn.properties(width=WIDTH, height=HEIGHT), "Reconstruction error against size", subtitle)


def _bend(size: float) -> list[alt.Chart]:
    """Return the line where a trace's two phases meet, with their names to its sides."""
    sides: list[tuple[str, Literal["left", "right"], int]] = [("construction", "right", -6), ("refinement", "left", 6)]
    at = alt.Chart(alt.InlineData(values=[{"size": size}])).encode(x="size:Q")
    return [
        at.mark_rule(color=BLUE, strokeDash=[4, 3]),
        *(
            at.mark_text(
                fontSize=13, fontStyle="italic", color=INK, baseline="bottom", align=align, dx=dx, text=phase
            ).encode(y=alt.value(-3))
            for phase, align, dx in sides
        ),
    ]


def shallow_statistics(table: pd.DataFrame, *, masks: str | None = None) -> Any:
    """Return a chart of `findings.shallow_statistics`: the correlations of predictions at each size.

    Parameters
    ----------
    table : DataFrame
    masks : str, optional
        The masks mode to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), masks=masks)
    lowest = min(-0.25, np.floor(rows["lower"].min() * 4) / 4)
    panels = [
        alt.layer(
            *bands(rows[rows["with"] == name].drop(columns="with"), "Spearman correlation", [lowest, 1])
        ).properties(width=WIDTH * 0.62, height=HEIGHT, title=alt.TitleParams(f"with {words}", fontSize=15))
        for name, words in SHALLOW_AND_FULL.items()
    ]
    title = "What sparse subgraphs know"
    return styled(
        alt.hconcat(*panels, spacing=30), title, f"{which}; {prompt_count(rows)}; line: mean, band: quartiles"
    )


def nucleus_sizes(table: pd.DataFrame, *, masks: str | None = None) -> Any:
    """Return a chart of `findings.nucleus_sizes`: the median necessary size of each nucleus, and its quartiles.

    Parameters
    ----------
    table : DataFrame
    masks : str, optional
        The masks mode to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), masks=masks)
    measures = list(rows["importance"].unique())
    legend = alt.Legend(orient="bottom", title=None, symbolOpacity=1, symbolSize=120)
    base = alt.Chart(rows).encode(
        x=alt.X("nucleus:O").title("nucleus that is recovered for good (% of probability)").axis(labelAngle=0),
        xOffset=alt.XOffset("importance:N").sort(measures),
        color=alt.Color("importance:N", legend=legend).scale(
            domain=measures, range=[SERIES[place % len(SERIES)][0] for place in range(len(measures))]
        ),
        tooltip=["nucleus:O", "importance:N", *_numbers("lower", "median", "upper", "whole"), "n_prompts:Q"],
    )
    spans = base.mark_rule(strokeWidth=5, opacity=0.35).encode(
        y=necessary_axis(alt.Y, "lower", rows["lower"]), y2="upper:Q"
    )
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        y=necessary_axis(alt.Y, "median", rows["lower"]),
        shape=alt.Shape("importance:N", legend=legend).scale(domain=measures),
    )
    return styled(
        (spans + points).properties(width=WIDTH, height=HEIGHT),
        "Size needed for each nucleus",
        f"{which}; {prompt_count(rows)}; point: median, bar: quartiles over prompts",
    )


def geometry(table: pd.DataFrame) -> Any:
    """Return a chart of `findings.geometry`: the last hidden state's way to the full model's, a panel a measure.

    Parameters
    ----------
    table : DataFrame
    """
    panels = []
    sizes = [float(table["size"].min()), float(table["size"].max())]
    for measure, title in GEOMETRY.items():
        rows, _ = chosen(plain(table), measure=measure)
        base = alt.Chart(rows).encode(x=size_axis(title="size s", domain=sizes))
        value = alt.Y("median:Q").title(title).scale(zero=measure != "cosine")
        band = base.mark_area(color=BLUE, opacity=0.18).encode(y=alt.Y("lower:Q").title(title), y2="upper:Q")
        line = base.mark_line(color=BLUE, strokeWidth=2.5, point=alt.OverlayMarkDef(color=BLUE, size=30)).encode(
            y=value, tooltip=_numbers("size", "lower", "median", "upper")
        )
        panels.append((band + line).properties(width=250, height=170))
    columns = alt.vconcat(alt.hconcat(*panels[:3], spacing=24), alt.hconcat(*panels[3:], spacing=24), spacing=24)
    return styled(
        columns,
        "The last hidden state on its way to the full model's",
        f"{prompt_count(table)}; line: median, band: quartiles",
    )


def savings(table: pd.DataFrame, *, importance: str | None = None) -> Any:
    """Return a chart of `findings.savings`: the shares of operations and weights needed, quartiles over prompts.

    Parameters
    ----------
    table : DataFrame
    importance : str, optional
        The measure to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), importance=importance)
    needed = {"flops": "the layers' operations", "weights": "the layers' weights"}
    long = rows.rename(columns=needed).melt(["size"], list(needed.values()), "of", "share")
    quartiles = long.pivot_table(
        "share", ["size", "of"], aggfunc=[lambda share, q=q: share.quantile(q) for q in (0.25, 0.5, 0.75)]
    )
    quartiles.columns = ["lower", "median", "upper"]
    quartiles = quartiles.reset_index()
    names = ["the layers' weights", "the layers' operations", "edges (s itself)"]
    legend = line_legend(orient="bottom", title=None)
    colour = alt.Color("of:N", legend=legend).scale(domain=names, range=[BLUE, ORANGE, GREY])
    dash = alt.StrokeDash("of:N", legend=legend).scale(domain=names, range=[SOLID, DASHED, DOTTED])
    base = alt.Chart(quartiles).encode(x=size_axis(), color=colour)
    share = alt.Y("median:Q").scale(domain=[0, 1]).axis(format="%").title("share that is needed")
    band = base.mark_area(opacity=0.15).encode(y="lower:Q", y2="upper:Q")
    line = base.mark_line(strokeWidth=2.5).encode(
        y=share, strokeDash=dash, tooltip=["of:N", *_numbers("size", "lower", "median", "upper")]
    )
    edges = [{"size": float(size), "of": names[-1], "median": float(size)} for size in sorted(rows["size"].unique())]
    same = (
        alt.Chart(alt.InlineData(values=edges))
        .mark_line(strokeWidth=2.5)
        .encode(x=size_axis(), y=share, color=colour, strokeDash=dash)
    )
    return styled(
        (band + line + same).properties(width=WIDTH, height=HEIGHT),
        "What a trace of size s needs",
        f"{which}; {rows['prompt_id'].nunique():,} prompts; line: median, band: quartiles",
    )


def bands(
    rows: pd.DataFrame,
    title: str,
    domain: list[float],
    traces: Sequence[tuple[str, tuple[int, ...]]] = SERIES,
    *,
    axis: alt.X | None = None,
) -> list[alt.Chart]:
    """Return the bands and lines of several subgraphs; `traces` are the colour and dash of each trace."""
    axis = axis or size_axis()
    of = {"trace": "trace by {}", "inverse": "inverse of {}"}
    rows = rows.assign(
        series=[
            of.get(kind, kind).format(name) for kind, name in zip(rows["subgraph"], rows["importance"], strict=True)
        ]
    )
    looks: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, kind in rows[["series", "subgraph"]].drop_duplicates().itertuples(index=False):
        looks[name] = BASELINES.get(kind) or traces[len([n for n in looks if n.startswith("trace")]) % len(traces)]
    # Traces first in the legend, baselines after.
    names = sorted(looks, key=lambda name: not name.startswith("trace"))
    legend = line_legend(orient="bottom", title=None, columns=4)
    colour = alt.Color("series:N", legend=legend).scale(domain=names, range=[looks[name][0] for name in names])
    dash = alt.StrokeDash("series:N", legend=legend).scale(domain=names, range=[list(looks[name][1]) for name in names])
    base = alt.Chart(rows).encode(x=axis, color=colour)
    scale = alt.Scale(domain=domain)
    band = base.mark_area(opacity=0.14, clip=True).encode(y=alt.Y("lower:Q").scale(scale).title(title), y2="upper:Q")
    line = base.mark_line(strokeWidth=2.5, clip=True).encode(
        y=alt.Y("mean:Q").scale(scale).title(title),
        strokeDash=dash,
        tooltip=["series:N", *_numbers("size", "mean", "lower", "median", "upper"), "n_prompts:Q"],
    )
    return [band, line]


def _row(row: pd.Series, *names: str) -> alt.InlineData:
    return alt.InlineData(values=[{name: float(row[name]) for name in names}])


def prompt_count(rows: pd.DataFrame) -> str:
    """Return how many prompts the rows are of, in words."""
    most = int(rows["n_prompts"].max())
    return f"{most:,} prompt" + ("" if most == 1 else "s")


def _numbers(*names: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format=".3g") for name in names]
