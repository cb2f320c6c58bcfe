"""Importance measures against one of them, over many prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .curves import SERIES, bands, prompt_count
from .style import INK, ORANGE, SOLID, WIDTH, chosen, plain, styled

if TYPE_CHECKING:
    import pandas as pd

    from ..findings.measure_comparison import MeasureComparison

CRITERIA = {
    "top1": "size for top-1",
    "top5": "size for top-5",
    "nucleus60": "size for nucleus 60 %",
    "tv0.3": "size for TV ≤ 0.3",
    "tv0.1": "size for TV ≤ 0.1",
    "area_log10_s": "area over log10 s",
    "area_s": "area over s",
}

OTHERS = (
    *SERIES,
    ("#8c6bc0", (3, 3)),
    ("#2b8d5f", (8, 2, 2, 2)),
    ("#93802a", (4, 2, 4, 6)),
    ("#75828c", (1, 2)),
)
"""Colour and dash of each measure beside the baseline."""

PANEL, BESIDE = 180, 136
"""The smallest width of a panel, and the gap between two panels, which has room for the counts; in pixels."""

ROW, LOW_ROW = 40, 30
"""The height of a criterion, in pixels; and where the panels of several models are below one another."""

TICKS = (0.01, 0.1, 0.5, 1, 2, 10, 100)

BINS = 100
"""Bins of ratios in a decade; the prompts of a bin are one circle."""


def measure_comparison(
    comparison: MeasureComparison,
    *,
    model: str | None = None,
    masks: str | None = None,
    attention: str | None = None,
    ablation: str | None = None,
) -> Any:
    """Return a chart of `strace_widgets.compare_measures`: the mean error at each size, and each prompt's ratios.

    The position of a circle is the ratio of a prompt's size or area by another measure to that by the baseline: left of
    1 is better. The circle's area is the number of prompts with that ratio. Several models are drawn side by side, a
    column each, with the same axes.

    Parameters
    ----------
    comparison : MeasureComparison
    model : str, optional
        The model to draw; all of them without one.
    masks, attention, ablation : str, optional
        The condition to draw; the first without one.
    """
    condition = {"masks": masks, "attention": attention, "ablation": ablation}
    one = {} if model is None else {"model": model}
    curves, which = chosen(plain(comparison.curves), **condition, **one)
    figures, _ = chosen(comparison.prompts, **condition, **one)
    summary, _ = chosen(comparison.summary(), **condition, **one)
    baseline, models = comparison.baseline, list(curves["model"].unique())
    measures = list(curves["importance"].unique())
    # The baseline is orange, as a curve and as the line at ratio 1; each other measure has a look of its own.
    others = enumerate(name for name in measures if name != baseline)
    looks = {baseline: (ORANGE, SOLID)} | {name: OTHERS[k % len(OTHERS)] for k, name in others}
    ratios = {each: _ratios(figures[figures["model"] == each], baseline) for each in models}
    reach = max(1.5, 10 ** (max(np.abs(np.log10(rows["ratio"])).max() for rows in ratios.values()) + 0.08))
    columns = [
        _column(
            curves[curves["model"] == each],
            ratios[each],
            summary[summary["model"] == each],
            looks,
            (1 / reach, reach),
            heading=f"{each}: {prompt_count(curves[curves['model'] == each])}" if len(models) > 1 else "",
            labelled=each == models[0],
        )
        for each in models
    ]
    counted = f"; {prompt_count(curves)}" if len(models) == 1 else ""
    return styled(
        alt.hconcat(*columns, spacing=BESIDE) if len(models) > 1 else columns[0],
        "Importance measures compared",
        [
            f"{which}{counted}; line: mean, band: quartiles over prompts",
            f"circle: prompts by their ratio to {baseline}; bar: ratio of the medians and its 95 % interval",
        ],
    )


def _column(
    curves: pd.DataFrame,
    ratios: pd.DataFrame,
    summary: pd.DataFrame,
    looks: dict[str, tuple[str, Any]],
    domain: tuple[float, float],
    *,
    heading: str,
    labelled: bool,
) -> Any:
    """Return what is drawn of one model: the error above the ratios of each measure, below one another under a heading.

    A model that is drawn alone has no heading, and the ratios of its measures are side by side.
    """
    baseline, *others = looks
    width = WIDTH if heading else max(PANEL, 0.75 * WIDTH / len(others))
    beside = WIDTH if heading else max(WIDTH, (width + BESIDE) * len(others) - BESIDE)
    drawn = [looks[name] for name in curves["importance"].unique()]
    error = alt.layer(*bands(curves, "total variation from the full model", [0, 1], drawn)).properties(
        width=beside, height=240, **({"title": heading} if heading else {})
    )
    panels = [
        _panel(
            ratios[ratios["importance"] == name],
            summary[summary["importance"] == name],
            f"{name} ÷ {baseline}",
            domain,
            width,
            looks[name][0],
            LOW_ROW if heading else ROW,
            labelled=labelled if heading else name == others[0],
        )
        for name in others
        if name in set(ratios["importance"])
    ]
    below = alt.vconcat(*panels, spacing=24) if heading else alt.hconcat(*panels, spacing=24)
    column = alt.vconcat(error, below, spacing=40)
    return column.resolve_scale(color="independent", strokeDash="independent")


def _ratios(figures: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return how many prompts have each ratio, by measure and criterion; in bins, so that rows stay few."""
    long = figures.melt(["prompt_id", "importance"], list(CRITERIA), "criterion", "figure")
    wide = long.pivot_table("figure", ["prompt_id", "criterion"], "importance")
    ratios = wide.div(wide[baseline], axis=0).drop(columns=baseline).reset_index()
    ratios = ratios.melt(["prompt_id", "criterion"], var_name="importance", value_name="ratio")
    ratios["ratio"] = 10 ** ((np.log10(ratios["ratio"]) * BINS).round() / BINS)
    return ratios.groupby(["importance", "criterion", "ratio"]).size().rename("prompts").reset_index()


def _panel(
    ratios: pd.DataFrame,
    summary: pd.DataFrame,
    title: str,
    domain: tuple[float, float],
    width: float,
    colour: str,
    row: int,
    *,
    labelled: bool,
) -> Any:
    """Return the ratios of one measure, a row of the given height a criterion."""
    ratios, summary = (table.assign(criterion=table["criterion"].map(CRITERIA)) for table in (ratios, summary))
    summary["counts"] = summary[["wins", "ties", "losses"]].apply(lambda row: "{} / {} / {}".format(*row), axis=1)
    medians = ["criterion", "ratio", "ratio_low", "ratio_high", "counts"]
    y = (
        alt.Y("criterion:N")
        .sort(list(CRITERIA.values()))
        .title(None)
        .axis(domain=False, ticks=False, labels=labelled, labelLimit=200)
    )
    x = (
        alt.X("ratio:Q")
        .scale(type="log", domain=list(domain), nice=False)
        .title(title)
        .axis(format="~g", values=[tick for tick in TICKS if domain[0] <= tick <= domain[1]])
    )
    area = alt.Size("prompts:Q", legend=None).scale(domain=[0, int(ratios["prompts"].max())], range=[0, 300])
    numbers = [alt.Tooltip(f"{name}:Q", format=".3g") for name in ("ratio", "ratio_low", "ratio_high")]
    summed = alt.Chart(summary[medians]).encode(y=y)
    heading = alt.Chart(alt.InlineData(values=[{"text": "less / equal / more"}]))
    layers = [
        alt.Chart(alt.InlineData(values=[{"ratio": 1}])).mark_rule(color=ORANGE, strokeWidth=1.5).encode(x=x),
        alt.Chart(ratios.drop(columns="importance"))
        .mark_circle(color=colour, opacity=0.6)
        .encode(x=x, y=y, size=area, tooltip=["criterion:N", alt.Tooltip("ratio:Q", format=".3g"), "prompts:Q"]),
        summed.mark_rule(strokeWidth=3, color=INK, yOffset=row / 3).encode(x="ratio_low:Q", x2="ratio_high:Q"),
        summed.mark_tick(thickness=3, size=12, color=INK, yOffset=row / 3).encode(
            x=x, tooltip=["criterion:N", *numbers]
        ),
        summed.mark_text(align="left", dx=8, fontSize=12, color=INK).encode(x=alt.value(width), text="counts:N"),
        heading.mark_text(align="left", dx=8, fontSize=12, fontStyle="italic", color=INK).encode(
            x=alt.value(width), y=alt.value(-4), text="text:N"
        ),
    ]
    return alt.layer(*layers).properties(width=width, height=alt.Step(row))
