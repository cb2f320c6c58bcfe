"""Prompts, groups of prompts and models, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .style import (
    BLUE,
    GAP,
    HEIGHT,
    ORANGE,
    ORANGE_TO_BLUE,
    PALE_TO_DEEP,
    WIDTH,
    chosen,
    lookup,
    necessary_axis,
    plain,
    styled,
    with_interval,
)

if TYPE_CHECKING:
    import pandas as pd

POINTS = 1000
"""Prompts that are drawn one by one; more are counted in bins."""

BINS = 30

TEXT_LENGTH = 60


def uncertainty(
    table: pd.DataFrame,
    correlation: pd.DataFrame | None = None,
    *,
    importance: str | None = None,
    masks: str | None = None,
) -> Any:
    """Return a chart of `findings.uncertainty`: each prompt's necessary size against the full model's entropy.

    Above `POINTS` prompts, the shade of a bin says how many lie in it.

    Parameters
    ----------
    table : DataFrame
    correlation : DataFrame, optional
        From `findings.uncertainty_correlation`: named below the title.
    importance, masks : str, optional
        The run to draw; the table's first without one.
    """
    run = {"importance": importance, "masks": masks}
    rows, which = chosen(plain(table), **run)
    subtitle = [f"{which}; {len(rows):,} prompts; size from which on {rows['criterion'].iloc[0]} holds for good"]
    if correlation is not None:
        found = chosen(plain(correlation), **run)[0].iloc[0]
        subtitle.append(f"Spearman {with_interval(found['spearman'], found['low'], found['high'])}")
    entropy = alt.X("entropy:Q").title("entropy of the full model's prediction (nats)")
    if len(rows) <= POINTS:
        drawn = (
            alt.Chart(rows)
            .mark_circle(color=BLUE, size=60, opacity=0.75)
            .encode(
                x=entropy,
                y=necessary_axis(alt.Y, "size", rows["size"]),
                tooltip=[
                    "text:N",
                    "kind:N",
                    alt.Tooltip("size:Q", format=".3g"),
                    alt.Tooltip("entropy:Q", format=".2f"),
                ],
            )
        )
    else:
        drawn = (
            alt.Chart(_binned(rows))
            .mark_rect(clip=True)
            .encode(
                x=entropy,
                x2="entropy_end:Q",
                y=necessary_axis(alt.Y, "size", rows["size"]),
                y2="size_end:Q",
                color=alt.Color("prompts:Q").scale(type="log", range=list(PALE_TO_DEEP)).title("prompts"),
                tooltip=["prompts:Q"],
            )
        )
    return styled(drawn.properties(width=WIDTH, height=HEIGHT), "Necessary computation and uncertainty", subtitle)


def _binned(rows: pd.DataFrame) -> pd.DataFrame:
    """Count prompts on a grid of entropies and sizes, a row for each size of the study's; empty bins are left out."""
    from ..extras import pd  # noqa: PLC0415 - charts of a single trace do without

    across = np.linspace(0, rows["entropy"].max() + 1e-9, BINS + 1)
    sizes = np.unique(rows["size"])
    if 1 < len(sizes) <= BINS:
        between = np.sqrt(sizes[1:] * sizes[:-1])
        up = np.concatenate([[sizes[0] ** 2 / between[0]], between, [sizes[-1] ** 2 / between[-1]]])
    else:
        up = np.geomspace(sizes[0] * 0.99, sizes[-1] * 1.01, BINS + 1)
    counts, _, _ = np.histogram2d(rows["entropy"], rows["size"], bins=[across, up])
    i, j = np.nonzero(counts)
    return pd.DataFrame(
        {
            "entropy": across[i],
            "entropy_end": across[i + 1],
            "size": up[j],
            "size_end": up[j + 1],
            "prompts": counts[i, j].astype(int),
        }
    )


def extremes(table: pd.DataFrame, *, importance: str | None = None, masks: str | None = None) -> Any:
    """Return a chart of `findings.extremes`: the easiest and the hardest prompts, with their necessary size.

    Parameters
    ----------
    table : DataFrame
    importance, masks : str, optional
        What to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), importance=importance, masks=masks)
    rows["prompt"] = [f"{_short(text)}" for text in rows["text"]]
    order = list(rows.sort_values("size")["prompt_id"])
    places = ["easiest", "hardest"]
    names = dict(zip(rows["prompt_id"], rows["prompt"], strict=True))
    base = alt.Chart(rows).encode(
        # Prompts may share their first words: the axis is of ids, and shows texts.
        y=alt.Y("prompt_id:N")
        .sort(order)
        .title(None)
        .axis(labelExpr=f"{lookup(names)}[datum.value]", labelLimit=480, ticks=False, domain=False, labelPadding=8),
        color=alt.Color("place:N").scale(domain=places, range=[BLUE, ORANGE]).title(None).legend(orient="bottom"),
        shape=alt.Shape("place:N").scale(domain=places, range=["circle", "square"]).title(None).legend(orient="bottom"),
        tooltip=["text:N", alt.Tooltip("size:Q", format=".3g"), alt.Tooltip("entropy:Q", format=".2f")],
    )
    points = base.mark_point(size=110, filled=True, opacity=1).encode(x=necessary_axis(alt.X, "size", rows["size"]))
    return styled(
        points.properties(width=360, height=alt.Step(26)),
        "The easiest and the hardest prompts",
        f"{which}; size from which on {rows['criterion'].iloc[0]} holds for good",
    )


def groups(table: pd.DataFrame, *, importance: str | None = None, masks: str | None = None) -> Any:
    """Return a chart of `findings.groups`: the median necessary size of each group, and its quartiles.

    Parameters
    ----------
    table : DataFrame
    importance, masks : str, optional
        What to draw; the table's first without one.
    """
    by = next(column for column in table if column not in {"importance", "masks"})
    rows, which = chosen(plain(table), importance=importance, masks=masks)
    rows["group"] = [f"{name} ({n:,})" for name, n in zip(rows[by], rows["n_prompts"], strict=True)]
    base = alt.Chart(rows).encode(
        y=alt.Y("group:N")
        .sort(list(rows.sort_values("median")["group"]))
        .title(f"{by} (prompts)")
        .axis(labelLimit=300),
        tooltip=["group:N", *(alt.Tooltip(f"{name}:Q", format=".3g") for name in ("lower", "median", "upper"))],
    )
    span = base.mark_rule(strokeWidth=6, opacity=0.3, color=BLUE).encode(x="lower:Q", x2="upper:Q")
    point = base.mark_point(size=110, filled=True, color=BLUE, opacity=1).encode(
        x=necessary_axis(alt.X, "median", rows["lower"])
    )
    return styled(
        (span + point).properties(width=440, height=alt.Step(30)),
        f"Necessary size by {by}",
        f"{which}; point: median, bar: quartiles over prompts",
    )


def agreement(table: pd.DataFrame, title: str = "Agreement on what is hard") -> Any:
    """Return a chart of `findings.agreement` or `shared_components`: a correlation a cell, as shade and number.

    Parameters
    ----------
    table : DataFrame
    title : str
    """
    rows = plain(table)
    names = list(rows["first"].unique())
    short = max(len(str(name)) for name in names) <= 7  # noqa: PLR2004 - letters that fit a cell
    counted = "n_prompts" if "n_prompts" in rows else "n_components"
    what = counted.removeprefix("n_")
    rows["ink"] = np.where(rows["spearman"].abs() > 0.6, "white", "#16202b")  # noqa: PLR2004 - what reads on the shade
    rows["number"] = rows["spearman"].map("{:.2f}".format).replace("nan", "?")
    base = alt.Chart(rows).encode(
        x=alt.X("first:N")
        .sort(names)
        .scale(paddingInner=GAP)
        .title(None)
        .axis(labelAngle=0 if short else -35, labelLimit=220),
        y=alt.Y("second:N").sort(names).scale(paddingInner=GAP).title(None).axis(labelLimit=220),
        tooltip=[
            "first:N",
            "second:N",
            f"{counted}:Q",
            *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("spearman", "low", "high")),
        ],
    )
    cells = base.mark_rect().encode(
        color=alt.Color("spearman:Q").scale(domain=[-1, -0.5, 0, 0.5, 1], range=list(ORANGE_TO_BLUE)).title("Spearman")
    )
    numbers = base.mark_text(fontSize=14).encode(text="number:N", color=alt.Color("ink:N", scale=None))
    step = max(46, min(84, 460 // len(names)))
    return styled(
        (cells + numbers)
        .resolve_scale(color="independent")
        .properties(width=step * len(names), height=step * len(names)),
        title,
        f"rank correlation over {int(rows[counted].max()):,} {what}",
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_LENGTH else line[: TEXT_LENGTH - 1] + "…"
