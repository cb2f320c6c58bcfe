"""What all charts share: colours, the axis of sizes, type that reads from the back of a room, and how they are drawn.

Altair's default renderer loads Vega from a CDN, so it draws nothing if that is blocked. Unless another renderer was
chosen, importing this module switches to one that needs no network: an SVG picture, with the Vega-Lite specification
beside it for front ends that can draw that themselves.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
from altair.utils.mimebundle import spec_to_mimebundle

from ..errors import FindingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

BLUE, ORANGE, GREY = "#1f6fd0", "#c85a0c", "#757a80"
"""What a chart is about, what that is compared with, and what is drawn for reference."""

INK, RULE = "#757a80", "#9aa0a8"
"""Type and thin lines: charts have no ground of their own, and these read on a light one and on a dark one."""

PALE_TO_DEEP = ("#eaf2fb", "#0a3f80")
"""Amounts, from none to all."""

ORANGE_TO_BLUE = ("#b34700", "#f0b27f", "#f7f7f7", "#8fbbe8", "#084c9e")
"""Signed values, from -1 over 0 to 1."""

SOLID, DASHED, DOTTED = (1, 0), (8, 4), (2, 3)

WIDTH, HEIGHT = 560, 280

GAP = 0.06
"""Between the cells of a map, as a share of their width: what lies under the chart shows there."""

PADDING = {"left": 8, "top": 8, "right": 28, "bottom": 8}


def size_axis(field: str = "size", title: str = "size s (share of edges kept)", **scale: Any) -> alt.X:
    """Return the log axis of relative sizes, labelled at powers of ten."""
    return (
        alt.X(f"{field}:Q")
        .scale(type="log", nice=False, **scale)
        .title(title)
        .axis(format="~g", values=[10.0**-n for n in range(7)], grid=False)
    )


def size_ticks(sizes: pd.Series) -> dict[str, Any]:
    """Return the domain and the ticks of an axis of necessary sizes; a short axis has more ticks a decade."""
    smallest = min(float(sizes.min()) / 1.2, 0.5)
    steps = (1, 2, 3, 5) if smallest > 1e-2 else (1,)  # noqa: PLR2004 - two decades have room for four labels each
    ticks = [step * 10.0**-n for n in range(7) for step in steps]
    return {"domain": [smallest, 1.0], "values": [tick for tick in ticks if smallest <= tick <= 1]}


def necessary_axis(channel: type[alt.X | alt.Y], field: str, sizes: pd.Series) -> Any:
    """Return the log axis of necessary sizes, lying (`alt.X`) or upright (`alt.Y`), as wide as they are."""
    ticks = size_ticks(sizes)
    return (
        channel(f"{field}:Q")
        .scale(type="log", domain=ticks["domain"], nice=False)
        .title("necessary size s")
        .axis(format="~g", values=ticks["values"])
    )


def line_legend(**options: Any) -> alt.Legend:
    """Return a legend of lines, whose bands would otherwise be its symbols."""
    look: dict[str, Any] = {
        "symbolType": "stroke",
        "symbolSize": 500,
        "symbolOpacity": 1,
        "symbolFillColor": "transparent",
    }
    return alt.Legend(**(look | options))


def chosen(table: pd.DataFrame, **choices: str | None) -> tuple[pd.DataFrame, str]:
    """Return a table's rows of one importance measure, masks mode or the like, and a line that names the choice.

    Without a choice the first is taken.

    Raises
    ------
    FindingError
        When the table is empty, or has no such rows.
    """
    if table.empty:
        raise FindingError("There is nothing to draw: the table is empty.")
    named = []
    for column, choice in choices.items():
        values = [str(value) for value in table[column].unique()]
        value = values[0] if choice is None else choice
        if value not in values:
            raise FindingError(f"The table has no {column} {value!r}: choose among {', '.join(values)}.")
        table = table[table[column].astype(str) == value]
        named.append(f"{column} {value}")
    return table.copy(), ", ".join(named)


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with categories as plain text, which is what a chart's data hold."""
    return table.assign(**{name: table[name].astype(str) for name in table.select_dtypes("category")})


def lookup(names: dict[str, str]) -> str:
    """Return a Vega expression of a dictionary of strings; JSON is one, with quotes and line ends escaped."""
    return json.dumps(names, allow_nan=False)


def with_interval(value: float, low: float, high: float) -> str:
    """Return a statistic and its 95 % interval in words; neither is a number where there are too few prompts."""
    if np.isnan(value):
        return "undefined: too few prompts, or all alike"
    return f"{value:.2f} (95 % from {low:.2f} to {high:.2f})" if np.isfinite([low, high]).all() else f"{value:.2f}"


def styled(chart: Any, title: str, subtitle: str | Sequence[str] = "") -> Any:
    """Return a chart with its title, in type that reads from the back of a room.

    A browser's letters may be wider than those that the picture was laid out with: hence the room at its sides.
    """
    heading: dict[str, Any] = {"anchor": "start", "subtitle": subtitle} if subtitle else {"anchor": "start"}
    lettered = {"labelColor": INK, "titleColor": INK}
    return (
        chart.properties(title=alt.TitleParams(title, **heading), background="transparent", padding=PADDING)
        .configure_title(fontSize=18, subtitleFontSize=14, color=INK, subtitleColor=INK, offset=14)
        .configure_axis(
            labelFontSize=13,
            titleFontSize=14,
            titleFontWeight="normal",
            titlePadding=8,
            gridColor=RULE,
            gridOpacity=0.3,
            domainColor=RULE,
            tickColor=RULE,
            **lettered,
        )
        .configure_legend(
            labelFontSize=13,
            titleFontSize=13,
            titleFontWeight="normal",
            symbolStrokeWidth=3,
            labelLimit=400,
            **lettered,
        )
        .configure_header(labelFontSize=14, titleFontSize=14, **lettered)
        .configure_text(color=INK)
        .configure_view(stroke=None)
    )


def _render_offline(spec: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the mime bundle of a chart without anything that would be fetched."""
    version = alt.SCHEMA_VERSION.split(".")[0]
    picture = {}
    if find_spec("vl_convert"):  # without it the front end draws the chart, as JupyterLab can
        picture = spec_to_mimebundle(spec, format="svg", mode="vega-lite", **options)
    return {f"application/vnd.vegalite.{version}+json": spec, **picture, "text/plain": _in_words(spec)}


def _in_words(spec: dict[str, Any]) -> str:
    """Return what a chart shows, for where it cannot be drawn."""
    return "; ".join(["Chart", *(title for title in dict.fromkeys(_titles(spec)) if title)]).replace(";", ":", 1)


def _titles(spec: dict[str, Any]) -> Iterator[str]:
    """Yield the titles of a chart, its subtitles, and those of its parts."""
    title = spec.get("title") or {}
    for lines in (title,) if isinstance(title, str) else (title.get("text"), title.get("subtitle")):
        yield from [lines] if isinstance(lines, str) else lines or []
    for side in ("hconcat", "vconcat", "concat"):
        for part in spec.get(side, []):
            yield from _titles(part)


alt.renderers.register("strace_widgets", _render_offline)
if alt.renderers.active == "default":
    alt.renderers.enable("strace_widgets")
