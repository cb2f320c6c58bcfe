"""Two traces side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .curves import error_curve
from .style import BLUE, ORANGE, RULE, size_axis, styled

if TYPE_CHECKING:
    from ..results.comparison import Comparison

PANEL = 380
LABEL_LENGTH = 46


def comparison(pair: Comparison, size: float = 0.1) -> Any:
    """Return a chart of `strace_widgets.compare`: both error curves, the edges shared, the heads that differ most.

    The shared edges are left out if the graphs differ, and the heads if the models do.

    Parameters
    ----------
    pair : Comparison
    size : float in (0, 1]
        At which heads are compared.
    """
    labels = [_short(label) for label in pair.labels()]
    sweeps = [trace.evaluate(pair.sizes.tolist()) for trace in (pair.a, pair.b)]
    curves = [
        error_curve(sweep).properties(
            width=PANEL, height=220, title=alt.TitleParams(label, fontSize=15, anchor="start", frame="group")
        )
        for sweep, label in zip(sweeps, labels, strict=True)
    ]
    rows = [alt.hconcat(*curves, spacing=36)]
    below: list[Any] = []
    if pair.jaccard is not None:
        below.append(_shared(pair, pair.jaccard))
    if (pair.a.graph.n_layers, pair.a.graph.n_heads) == (pair.b.graph.n_layers, pair.b.graph.n_heads):
        below.append(_heads(pair, labels, size))
    if below:
        rows.append(alt.hconcat(*below, spacing=36))
    drawn = alt.vconcat(*rows, spacing=28).resolve_scale(color="independent", shape="independent")
    return styled(drawn, "Two traces")


def _shared(pair: Comparison, jaccard: Any) -> Any:
    values = [
        {"size": float(size), "shared": float(share)}
        for size, share in zip(pair.sizes, jaccard, strict=True)
        if np.isfinite(share)
    ]
    return (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(color=BLUE, strokeWidth=2.5, point=alt.OverlayMarkDef(color=BLUE, size=30))
        .encode(
            x=size_axis(domain=[float(pair.sizes[0]), float(pair.sizes[-1])]),
            y=alt.Y("shared:Q").scale(domain=[0, 1]).axis(format="%").title("edges in both, of those in either"),
            tooltip=[alt.Tooltip("size:Q", format=".3g"), alt.Tooltip("shared:Q", format=".1%")],
        )
        .properties(
            width=PANEL,
            height=220,
            title=alt.TitleParams("edges they share", fontSize=15, anchor="start", frame="group"),
        )
    )


def _heads(pair: Comparison, labels: list[str], size: float) -> Any:
    different = pair.heads(size)
    values = [
        {"head": head.component, "trace": label, "share": share}
        for head in different
        for label, share in zip(labels, (head.first, head.second), strict=True)
    ]
    spans = [{"head": head.component, "from": head.first, "to": head.second} for head in different]
    order = [head.component for head in different]
    y = alt.Y("head:N").sort(order).title("head (layer.head)")
    x = alt.X("share:Q").axis(format="%").title("share of its edges in the trace")
    lines = alt.Chart(alt.InlineData(values=spans)).mark_rule(color=RULE, strokeWidth=2).encode(
        y=y, x=alt.X("from:Q"), x2="to:Q"
    )  # fmt: skip
    points = (
        alt.Chart(alt.InlineData(values=values))
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.Color("trace:N", legend=None).scale(domain=labels, range=[BLUE, ORANGE]),
            shape=alt.Shape("trace:N", legend=None).scale(domain=labels, range=["circle", "square"]),
            tooltip=["head:N", "trace:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    title = alt.TitleParams(
        f"heads that differ most, at s = {size:g}",
        subtitle=[f"● {labels[0]}", f"■ {labels[1]}"],
        fontSize=15,
        anchor="start",
        frame="group",
    )
    return alt.layer(lines, points).properties(width=PANEL, height=220, title=title)


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"
