"""Importance measures against one of them, over many prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .curves import SERIES, bands, prompt_count
from .style import ORANGE, SOLID, WIDTH, chosen, plain, styled

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

INK = "#111418"

PANEL, BESIDE = 180, 136
"""The smallest width of a panel, and the gap between two panels, which has room for the counts; in pixels."""

ROW = 40
"""The height of a criterion, in pixels."""

TICKS = (0.01, 0.1, 0.5, 1, 2, 10, 100)

BINS = 100
"""Bins of ratios in a decade; the prompts of a bin are one circle."""


def measure_comparison(
    comparison: MeasureComparison,
    *,
    masks: str | None = None,
    attention: str | None = None,
    ablation: str | None = None,
) -> Any:
    """Return a chart of `strace_widgets.compare_measures`: the mean error at each size, and each prompt's ratios.

    The position of a circle is the ratio of a prompt's size or area by another measure to that by the baseline: left of
    1 is better. The circle's area is the number of prompts with that ratio.

    Parameters
    ----------
    comparison : MeasureComparison
    masks, attention, ablation : str, optional
        The condition to draw; the first without one.
    """
    condition = {"masks": masks, "attention": attention, "ablation": ablation}
    curves, which = chosen(plain(comparison.curves), **condition)
    figures, _ = chosen(comparison.prompts, **condition)
    summary, _ = chosen(comparison.summary(), **condition)
    baseline = comparison.baseline
    measures = list(curves["importance"].unique())
    others = [name for name in measures if name != baseline]
    # The baseline is orange, as a curve and as the line at ratio 1; each other measure has a blue of its own.
    looks = {baseline: (ORANGE, SOLID)} | {name: SERIES[k % len(SERIES)] for k, name in enumerate(others)}
    ratios = _ratios(figures, baseline)
    reach = max(1.5, 10 ** (np.abs(np.log10(ratios["ratio"])).max() + 0.08))
    width = max(PANEL, 0.75 * WIDTH / len(others))
    error = alt.layer(
        *bands(curves, "total variation from the full model", [0, 1], [looks[name] for name in measures])
    ).properties(width=max(WIDTH, (width + BESIDE) * len(others) - BESIDE), height=240)
    panels = [
        _panel(
            ratios[ratios["importance"] == name],
            summary[summary["importance"] == name],
            f"{name} ÷ {baseline}",
            (1 / reach, reach),
            width,
            looks[name][0],
            labelled=name == others[0],
        )
        for name in others
    ]
    drawn = alt.vconcat(error, alt.hconcat(*panels, spacing=24), spacing=40)
    return styled(
        drawn.resolve_scale(color="independent", strokeDash="independent"),
        "Importance measures compared",
        [
            f"{which}; {prompt_count(curves)}; line: mean, band: quartiles over prompts",
            f"circle: prompts by their ratio to {baseline}; bar: ratio of the medians and its 95 % interval",
        ],
    )


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
    *,
    labelled: bool,
) -> Any:
    """Return the ratios of one measure, a row a criterion."""
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
        summed.mark_rule(strokeWidth=3, color=INK, yOffset=13).encode(x="ratio_low:Q", x2="ratio_high:Q"),
        summed.mark_tick(thickness=3, size=12, color=INK, yOffset=13).encode(x=x, tooltip=["criterion:N", *numbers]),
        summed.mark_text(align="left", dx=8, fontSize=12, color=INK).encode(x=alt.value(width), text="counts:N"),
        heading.mark_text(align="left", dx=8, fontSize=12, fontStyle="italic", color="#44484e").encode(
            x=alt.value(width), y=alt.value(-4), text="text:N"
        ),
    ]
    return alt.layer(*layers).properties(width=width, height=alt.Step(ROW))
