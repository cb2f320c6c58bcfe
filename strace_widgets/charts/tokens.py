"""Token by token: the necessary size of each generated token, and a trace carried over to another text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from ..token_text import names as token_names
from .style import (
    BLUE,
    DASHED,
    HEIGHT,
    ORANGE,
    SOLID,
    WIDTH,
    chosen,
    line_legend,
    lookup,
    necessary_axis,
    size_axis,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 64
"""Letters in a line of coloured text."""

LETTER = 8.7
"""Width of a letter of the monospaced type below, in pixels."""

FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"

TITLES = {"size": "necessary size s", "entropy": "entropy (nats)"}

SERIES = {"own": ("its own trace", BLUE, SOLID), "carried": ("the clean text's trace", ORANGE, DASHED)}


def generation(table: pd.DataFrame) -> Any:
    """Return a chart of `strace_widgets.trace_generation`: necessary size and entropy, token by token.

    Parameters
    ----------
    table : DataFrame
        `token`, `size` and `entropy` of each generated token, in order.
    """
    rows, _ = chosen(table)
    rows["place"] = range(len(rows))
    # Tokens repeat: the axis counts them, and shows their texts.
    rows["token"] = token_names(list(rows["token"]))
    labels = {str(place): token for place, token in enumerate(rows["token"])}
    x = alt.X("place:O").title("generated token")
    shown = x.axis(labelExpr=f"{lookup(labels)}[datum.value]", labelAngle=-60, labelLimit=110, ticks=False)
    tooltip = [alt.Tooltip("token:N"), alt.Tooltip("size:Q", format=".3g"), alt.Tooltip("entropy:Q", format=".2f")]
    base = alt.Chart(rows).encode(tooltip=tooltip)
    point = alt.OverlayMarkDef(size=50, color=BLUE)
    size = base.mark_line(color=BLUE, strokeWidth=2, point=point).encode(
        x=x.axis(None), y=necessary_axis(alt.Y, "size", rows["size"])
    )
    bars = base.mark_bar(color="#9dbfe4").encode(x=shown, y=alt.Y("entropy:Q").title("entropy (nats)"))
    width = max(240, min(900, 24 * len(rows)))
    panels = alt.vconcat(
        size.properties(width=width, height=170), bars.properties(width=width, height=110), spacing=10
    ).resolve_scale(x="shared")
    return styled(
        panels, "What each generated token needs", f"{len(rows)} tokens; size from which on the token leads for good"
    )


def generated_text(table: pd.DataFrame, value: str = "size") -> Any:
    """Return a picture of a generated text with a shade behind each token: pale for little, deep for much.

    The text is drawn as marks of an SVG picture: it is never read as HTML. Line ends are shown as ⏎.

    Parameters
    ----------
    table : DataFrame
        As for `generation`.
    value : {"size", "entropy"}
    """
    rows, _ = chosen(table)
    cells: list[dict[str, Any]] = []
    line, column = 0, 0
    for token, amount in zip(token_names(list(rows["token"])), rows[value], strict=True):
        # In running text a space is a gap; only where nothing else is in a token is it drawn.
        text = token.replace("·", " ") if token.strip("·") else token
        if column and column + len(text) > COLUMNS:
            line, column = line + 1, 0
        cells.append(
            {
                "text": text.lstrip(),  # a picture may drop leading spaces: `letters` is where the text begins
                "letters": column + len(text) - len(text.lstrip()),
                "amount": float(amount),
                "line": line,
                "from": column,
                "to": column + len(text),
            }
        )
        column += len(text)
    deepest, palest = float(rows[value].max()), float(rows[value].min())
    scale = alt.Scale(type="log" if value == "size" else "linear", domain=[palest, max(deepest, palest * 1.001)],
                      range=["#eaf2fb", "#4f93d8"])  # fmt: skip
    base = alt.Chart(alt.InlineData(values=cells)).encode(
        y=alt.Y("line:O").axis(None), tooltip=["text:N", alt.Tooltip("amount:Q", format=".3g", title=TITLES[value])]
    )
    widest = max(30, *(cell["to"] for cell in cells))
    columns = alt.Scale(domain=[0, widest], nice=False)
    shades = base.mark_rect(cornerRadius=3).encode(
        x=alt.X("from:Q").scale(columns).axis(None),
        x2="to:Q",
        color=alt.Color("amount:Q")
        .scale(scale)
        .title(TITLES[value])
        .legend(orient="bottom", format=".2g", gradientLength=220, values=[palest, (palest * deepest) ** 0.5, deepest]),
    )
    letters = base.mark_text(align="left", font=FONT, fontSize=14, dx=1, color="#10161d").encode(
        x=alt.X("letters:Q").scale(columns), text="text:N"
    )
    return styled(
        (shades + letters).properties(width=LETTER * widest, height=alt.Step(26)),
        {"size": "How much of the model each token needs", "entropy": "How uncertain the model is of each token"}[
            value
        ],
    )


def transfer(table: pd.DataFrame) -> Any:
    """Return a chart of `strace_widgets.carry_over`: a clean text's trace on an altered text, beside its own.

    Parameters
    ----------
    table : DataFrame
    """
    rows, _ = chosen(table)
    rows["top1_token"] = token_names(list(rows["top1_token"]))
    rows["series"] = rows["subgraph"].map({name: words for name, (words, _, _) in SERIES.items()})
    names, colours, dashes = (list(part) for part in zip(*SERIES.values(), strict=True))
    legend = line_legend(orient="bottom", title=None)
    base = alt.Chart(rows).encode(
        x=size_axis(),
        y=alt.Y("total_variation:Q").scale(domain=[0, 1]).title("total variation from the full model"),
        color=alt.Color("series:N", legend=legend).scale(domain=names, range=colours),
        tooltip=[
            alt.Tooltip("series:N"),
            alt.Tooltip("top1_token:N"),
            alt.Tooltip("size:Q", format=".3g"),
            alt.Tooltip("total_variation:Q", format=".3f"),
        ],
    )
    line = base.mark_line(strokeWidth=2.5).encode(
        strokeDash=alt.StrokeDash("series:N", legend=legend).scale(domain=names, range=[list(dash) for dash in dashes])
    )
    agree = base.transform_filter("datum.top1").mark_point(size=45, filled=True, opacity=1)
    return styled(
        (line + agree).properties(width=WIDTH, height=HEIGHT),
        "A clean trace on an altered text",
        "both run on the altered text, against the full model there; dots: the top token agrees",
    )
