"""Altair charts of what the traces say.

Altair's default renderer loads Vega from a CDN, so it draws nothing where that is blocked. Unless another renderer was
chosen, importing this module switches to one that needs no network: an SVG picture, with the Vega-Lite specification
beside it for front ends that can draw that themselves.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import altair as alt
from altair.utils.mimebundle import spec_to_mimebundle

if TYPE_CHECKING:
    from .sweep import Sweep


def reconstruction(sweep: Sweep, title: str = "Reconstruction error against size") -> alt.LayerChart:
    """Chart total variation against the size of the subgraph, on a log axis (the paper's reconstruction curve).

    A filled point marks a size whose most probable token agrees with the full model's.
    """
    rows = [
        {
            "size": float(sweep.sizes[row]),
            "edges": int(sweep.n_edges[row]),
            "total variation": float(sweep.total_variation[row]),
            "top token": sweep.top[row][0].token,
            "probability": sweep.top[row][0].probability,
            "top-1": "agrees" if sweep.top1[row] else "differs",
        }
        for row in range(len(sweep))
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("size:Q")
        .scale(type="log")
        .title("size s (share of edges kept)")
        .axis(format="~g", values=[10.0**-n for n in range(7)]),
        y=alt.Y("total variation:Q").scale(domain=[0, 1]).title("total variation from the full model"),
    )
    line = base.mark_line(color="#0b5fbf", strokeWidth=2)
    points = base.mark_point(color="#0b5fbf", size=45, opacity=1).encode(
        fill=alt.Fill("top-1:N").scale(domain=["agrees", "differs"], range=["#0b5fbf", "#ffffff"]).title("top-1 token"),
        tooltip=[
            alt.Tooltip("size:Q", format=".3g"),
            alt.Tooltip("edges:Q", format=","),
            alt.Tooltip("total variation:Q", format=".3f"),
            alt.Tooltip("top token:N"),
            alt.Tooltip("probability:Q", format=".3f"),
        ],
    )
    chart: alt.LayerChart = (line + points).properties(width=560, height=220, title=title)
    return chart


def _render_offline(spec: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the mime bundle of a chart without anything that would be fetched."""
    version = alt.SCHEMA_VERSION.split(".")[0]
    picture = {}
    if find_spec("vl_convert"):  # without it the front end draws the chart, as JupyterLab can
        picture = spec_to_mimebundle(spec, format="svg", mode="vega-lite", **options)
    return {f"application/vnd.vegalite.{version}+json": spec, **picture, "text/plain": "<Altair chart>"}


alt.renderers.register("strace_widgets", _render_offline)
if alt.renderers.active == "default":
    alt.renderers.enable("strace_widgets")
