"""Maps of a model's heads: layers by heads, a shade each; and what one head attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from ..token_text import names
from .style import GAP, ORANGE_TO_BLUE, PALE_TO_DEEP, styled

if TYPE_CHECKING:
    from ..graph.edges import Array
    from ..results.effects import Effects
    from ..results.lens import HeadView

MEANINGS = {
    "total_variation": "total variation when off",
    "logit_change": "change of logit when off (nats)",
}


def effects(found: Effects, value: str = "total_variation") -> Any:
    """Return a chart of `strace_widgets.STrace.effects`: what each head or MLP does to the prediction.

    Parameters
    ----------
    found : Effects
        By heads, components or MLPs.
    value : {"total_variation", "logit_change"}
        The change of logit is orange where the component speaks for the answer, and blue where against it.
    """
    values = getattr(found, value)
    columns_of = {"component": [*map(str, range(values.shape[-1] - 1)), "MLP"], "mlp": ["MLP"], "layer": ["layer"]}
    columns = columns_of.get(found.by, [str(head) for head in range(values.shape[-1])])
    title = f"Without one {found.by}: {found.answer.token!r} at {found.answer.probability:.2f} with all of them"
    return head_map(values.reshape(len(values), -1), title, MEANINGS[value], columns=columns)


def head_map(values: Array, title: str, meaning: str = "", *, columns: list[str] | None = None) -> Any:
    """Return a chart of a number for each head, layers from left to right.

    Parameters
    ----------
    values : (L, H) array
        Of one sign, which are shaded from pale to deep, or of both, from orange over white to blue.
    title, meaning : str
        Of the chart, and of the shade.
    columns : list of str, optional
        The names of the H columns; the heads' numbers without them.
    """
    values = np.asarray(values, dtype=np.float64)
    columns = columns or [str(head) for head in range(values.shape[1])]
    rows = [
        {"layer": layer, "head": columns[column], "value": float(values[layer, column])}
        for layer, column in np.ndindex(values.shape)
        if np.isfinite(values[layer, column])
    ]
    largest = float(np.nanmax(np.abs(values))) or 1.0
    signed = bool((values < 0).any())
    scale = alt.Scale(
        domain=[-largest, -largest / 2, 0, largest / 2, largest] if signed else [0, largest],
        range=list(ORANGE_TO_BLUE if signed else PALE_TO_DEEP),
    )
    drawn = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect()
        .encode(
            x=alt.X("layer:O").scale(paddingInner=GAP).axis(labelAngle=0, ticks=False, domain=False).title("layer"),
            y=alt.Y("head:N").sort(columns).scale(paddingInner=GAP).axis(ticks=False, domain=False).title("head"),
            color=alt.Color("value:Q", legend=alt.Legend(orient="bottom", gradientLength=220))
            .scale(scale)
            .title(meaning),
            tooltip=["layer:O", "head:N", alt.Tooltip("value:Q", format=".3g")],
        )
        .properties(width=max(220, min(720, 24 * len(values))), height=20 * len(columns))
    )
    return styled(drawn, title)


def attention(view: HeadView) -> Any:
    """Return a chart of what a head attends to, in the full model and in the subgraph; dropped edges are missing.

    Parameters
    ----------
    view : HeadView
        Of `strace_widgets.STrace.head`.
    """
    tokens = [f"{name} {place}" for place, name in enumerate(names(view.tokens))]
    panels = ("full model", f"subgraph, s = {view.size:.3g}")
    shown = panels if view.size < 1 else panels[:1]
    rows = [
        {"in": panel, "target": tokens[target], "source": tokens[source], "p": round(float(pattern[target, source]), 4)}
        for panel, pattern in zip(shown, view.attention, strict=False)
        for target, source in np.argwhere(pattern > 0)
    ]
    axis: dict[str, Any] = {
        "ticks": False,
        "domain": False,
        "labelLimit": 90,
        "labelExpr": "split(datum.label, ' ')[0]",
    }
    side = max(120, min(320, 16 * len(tokens)))
    drawn = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect()
        .encode(
            x=alt.X("source:N").sort(tokens).scale(domain=tokens).axis(labelAngle=-60, **axis).title("is attended to"),
            y=alt.Y("target:N").sort(tokens).scale(domain=tokens).axis(**axis).title("attends"),
            color=alt.Color("p:Q", legend=alt.Legend(orient="bottom", gradientLength=160))
            .scale(domain=[0, 1], range=list(PALE_TO_DEEP))
            .title("probability"),
            column=alt.Column("in:N").sort(list(shown)).title(None).header(labelFontSize=11),
            tooltip=["target:N", "source:N", alt.Tooltip("p:Q", format=".3f")],
        )
        .properties(width=side, height=side)
    )
    return styled(drawn, f"Head {view.name}: who attends to whom")
