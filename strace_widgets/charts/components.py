"""What traces are made of: kinds and depth as areas, heads and MLPs as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .style import BLUE, GAP, GREY, HEIGHT, ORANGE, PALE_TO_DEEP, chosen, line_legend, plain, size_axis, styled

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"attention": BLUE, "mlp": ORANGE, "residual": "#9aa0a8"}
QUARTERS = {1: "first layers", 2: "second quarter", 3: "third quarter", 4: "last layers"}
DEPTHS = ("#cfe2f6", "#86b6e8", "#3576c4", "#0a3f80")

MARKED = (1, 40, 80)
"""The nuclei whose median size is marked."""

PANEL = 380

CELLS = 1200
"""Cells of a map at most; in a larger model, neighbouring heads are averaged. Three maps stay below Altair's limit."""


def composition(table: pd.DataFrame, nuclei: pd.DataFrame | None = None, *, importance: str | None = None) -> Any:
    """Return a chart of `findings.composition`: the trace's edges by kind of component, and by depth.

    Parameters
    ----------
    table : DataFrame
    nuclei : DataFrame, optional
        From `findings.nucleus_sizes`: marks the median sizes of the nuclei `MARKED`.
    importance : str, optional
        The measure to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), importance=importance)
    rows["depth"] = rows["quarter"].map(QUARTERS)
    marks = None
    if nuclei is not None:
        marks, _ = chosen(plain(nuclei), importance=which.removeprefix("importance "), masks=None)
        marks = marks[marks["nucleus"].isin(MARKED)]
    depths = {name: shade for name, shade in zip(QUARTERS.values(), DEPTHS, strict=True) if name in set(rows["depth"])}
    panels = [
        _areas(rows, "kind", KINDS, marks).properties(title=alt.TitleParams("by kind of component", fontSize=15)),
        _areas(rows, "depth", depths, marks).properties(title=alt.TitleParams("by depth", fontSize=15)),
    ]
    subtitle = f"{which}; {int(rows['n_prompts'].max()):,} prompts, mean"
    if marks is not None:
        subtitle += "; upright lines: median size that recovers the nucleus of 1, 40 and 80 %"
    return styled(
        alt.hconcat(*panels, spacing=40).resolve_scale(color="independent"), "What the trace is made of", subtitle
    )


def _areas(rows: pd.DataFrame, by: str, colours: dict[str, str], marks: pd.DataFrame | None) -> Any:
    """Return stacked shares against size, in the order of their names from the bottom up, each with its name on it."""
    names = list(colours)
    shares = rows.pivot_table("share", "size", by, aggfunc="sum").reindex(columns=names)
    top = shares.cumsum(axis=1)
    long = [frame.reset_index().melt("size", names, by) for frame in (shares, top)]
    areas = long[1].rename(columns={"value": "top"}).assign(share=long[0]["value"])
    areas["bottom"] = areas["top"] - areas["share"]
    share = alt.Y("bottom:Q").scale(domain=[0, 1]).axis(format="%", grid=False).title("share of the trace's edges")
    colour = alt.Color(f"{by}:N", legend=None).scale(domain=names, range=list(colours.values()))
    drawn = [
        alt.Chart(areas)
        .mark_area(stroke="white", strokeWidth=1.5)
        .encode(
            x=size_axis(),
            y=share,
            y2="top:Q",
            color=colour,
            tooltip=[by, "size:Q", alt.Tooltip("share:Q", format=".1%")],
        )
    ]
    labels = []
    for name, fill in colours.items():
        # A name needs room to both sides: the band that it lies in is the one clear of all curves two sizes around.
        floor = (top[name] - shares[name]).rolling(5, center=True).max()
        room = top[name].rolling(5, center=True).min() - floor
        room = room.where((shares.index > shares.index[0] * 4) & (shares.index < shares.index[-1] / 4))
        clear = room.max() > 0.07  # noqa: PLR2004 - the height of the letters
        at = room.idxmax() if clear else shares[name].idxmax()
        middle = float(floor[at] + room[at] / 2 if clear else top.loc[at, name] - shares.loc[at, name] / 2)
        labels.append({"size": float(at), "middle": middle, "name": name, "ink": "white" if _dark(fill) else "#16202b"})
    drawn.append(
        alt.Chart(alt.InlineData(values=labels))
        .mark_text(fontSize=14, fontWeight="bold")
        .encode(x="size:Q", y="middle:Q", text="name:N", color=alt.Color("ink:N", scale=None))
    )
    if marks is not None and len(marks):
        rule = alt.Chart(marks).encode(x="median:Q")
        drawn += [rule.mark_rule(color="#16202b", strokeWidth=3), rule.mark_rule(color="white", strokeDash=[4, 3])]
        marked = ", ".join(f"{mark.nucleus} %" for mark in marks.sort_values("median").itertuples())
        above = alt.InlineData(values=[{"label": f"nuclei: {marked}"}])
        text = alt.Chart(above).mark_text(fontSize=12, baseline="bottom", align="right", dy=-3)
        drawn.append(text.encode(x=alt.value(PANEL), text="label:N", y=alt.value(0)))
    # Colours that are given as they are do not join the scale of the areas.
    return alt.layer(*drawn).resolve_scale(color="independent").properties(width=PANEL, height=HEIGHT)


def component_use(table: pd.DataFrame, value: str = "use", *, importance: str | None = None) -> Any:
    """Return a chart of `findings.component_use`: layers and heads at each size, the MLP in the last column.

    Parameters
    ----------
    table : DataFrame
    value : {"use", "density"}
    importance : str, optional
        The measure to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), importance=importance)
    n_layers, n_heads = int(rows["layer"].max()) + 1, int(rows["head"].max()) + 1
    together = int(np.ceil(n_layers * (n_heads + 1) / CELLS))
    mlp = rows["kind"] == "mlp"
    head = rows["head"].astype("Float64").fillna(0).astype(int) // together * together
    rows["column"] = np.where(mlp, "MLP", head.astype(str))
    rows["order"] = np.where(mlp, n_heads, head)
    rows = rows.groupby(["size", "layer", "column", "order"])[value].mean().reset_index()
    columns = list(rows.sort_values("order")["column"].unique())
    titles = {
        "use": "prompts whose trace uses it",
        "density": "its edges that are in the trace (mean)",
    }
    cell = max(5, min(16, 460 // n_layers))
    wide = max(cell, min(30, 420 // len(columns)))
    side = alt.Axis(labelAngle=0, values=_every(columns), ticks=False, domain=False)
    up = alt.Axis(values=_every(list(range(n_layers))), ticks=False, domain=False)
    drawn = (
        alt.Chart()
        .mark_rect()
        .encode(
            x=alt.X("column:N")
            .sort(columns)
            .scale(paddingInner=GAP)
            .title("head" if together == 1 else f"head, {together} averaged")
            .axis(side),
            y=alt.Y("layer:O").scale(paddingInner=GAP).sort("descending").title("layer").axis(up),
            color=alt.Color(f"{value}:Q")
            .scale(domain=[0, 1], range=list(PALE_TO_DEEP))
            .title(titles[value])
            .legend(orient="bottom", format="%", values=[0, 0.25, 0.5, 0.75, 1], gradientLength=260, titleLimit=400),
            tooltip=["layer:O", "column:N", alt.Tooltip(f"{value}:Q", format=".0%")],
        )
    )
    panels = [
        drawn.properties(data=rows[rows["size"] == size], width=wide * len(columns), height=cell * n_layers).properties(
            title=alt.TitleParams(f"s = {size:.3g}", fontSize=15)
        )
        for size in sorted(rows["size"].unique())
    ]
    subtitle = f"{which}; {int(table['n_prompts'].max()):,} prompts; the last column is the MLP"
    return styled(alt.hconcat(*panels, spacing=28), "How often each head and MLP is used", subtitle)


def use_inequality(table: pd.DataFrame, *, importance: str | None = None) -> Any:
    """Return a chart of `findings.use_inequality`: a Lorenz curve at each size, with its Gini coefficient.

    Parameters
    ----------
    table : DataFrame
    importance : str, optional
        The measure to draw; the table's first without one.
    """
    rows, which = chosen(plain(table), importance=importance)
    rows = rows[rows["held"].notna()]
    rows["curve"] = [f"s = {size:.3g}, Gini {gini:.2f}" for size, gini in zip(rows["size"], rows["gini"], strict=True)]
    # 200 steps draw a Lorenz curve; a large model has thousands.
    n_curves = rows["curve"].nunique()
    rows = rows.groupby("curve", group_keys=False, sort=False)[list(rows.columns)].apply(_thinned)
    names = list(rows.sort_values("size")["curve"].unique())
    dashes = [[1, 0], [8, 3], [4, 3], [2, 3]]
    legend = line_legend(orient="right", title=None)
    line = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=alt.X("components:Q")
            .axis(format="%")
            .scale(domain=[0, 1])
            .title("share of heads and MLPs, least used first"),
            y=alt.Y("held:Q").axis(format="%").scale(domain=[0, 1]).title("their share of all use"),
            color=alt.Color("curve:N", legend=legend)
            .sort(names)
            .scale(domain=names, range=["#9cc4ee", "#5b9fe0", BLUE, "#4a5fc0"][-n_curves:]),
            strokeDash=alt.StrokeDash("curve:N", legend=legend).scale(
                domain=names, range=[dashes[i % len(dashes)] for i in range(n_curves)][::-1]
            ),
        )
    )
    even = (
        alt.Chart(alt.InlineData(values=[{"components": 0, "held": 0}, {"components": 1, "held": 1}]))
        .mark_line(color=GREY, strokeWidth=1.5)
        .encode(x="components:Q", y="held:Q")
    )
    return styled(
        (even + line).properties(width=360, height=360),
        "How unevenly heads and MLPs are used",
        f"{which}; use: mean share of a component's edges; straight line: all alike",
    )


def _thinned(curve: pd.DataFrame, steps: int = 200) -> pd.DataFrame:
    return curve.iloc[np.unique(np.linspace(0, len(curve) - 1, min(len(curve), steps)).round().astype(int))]


def _every(values: list[Any], most: int = 16) -> list[Any]:
    """Return as many of an axis's values as have room, the first and a last "MLP" among them."""
    step = int(np.ceil(len(values) / most))
    return [value for place, value in enumerate(values) if place % step == 0 or value == "MLP"]


def _dark(colour: str) -> bool:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140  # noqa: PLR2004 - perceived brightness, of 255
