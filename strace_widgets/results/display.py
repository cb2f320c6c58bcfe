"""What a trace or a sweep looks like as the last line of a cell: a small table, with token text as text."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .strace import STrace
    from .sweep import Sweep, TopToken

LISTED = 12
"""Rows that a table shows at most."""

FIGURE = "text-align:right;padding:2px 12px 2px 0;font-variant-numeric:tabular-nums"
TEXT = "text-align:left;padding:2px 12px 2px 0;font-family:monospace;white-space:pre"


def sweep_html(sweep: Sweep) -> str:
    """Return a sweep's sizes, errors and top tokens as a table; of many rows, some evenly spaced ones."""
    chosen = np.unique(np.linspace(0, len(sweep) - 1, min(LISTED, len(sweep))).round().astype(int))
    rows = [
        (
            f"{sweep.sizes[row]:.3g}",
            f"{sweep.n_edges_kept[row]:,}",
            f"{sweep.total_variation[row]:.3f}",
            sweep.top[row][0],
            "✓" if sweep.top1[row] else "",
        )
        for row in chosen
    ]
    title = f"Sweep of {len(sweep)} size{'s' * (len(sweep) != 1)}"
    if len(chosen) < len(sweep):
        title += f", {len(chosen)} of them shown"
    return _table(title, ("size", "edges", "TV", "top token", "top-1 agrees"), rows)


def trace_html(trace: STrace) -> str:
    """Return a trace's prompt and the full model's leading tokens as a table."""
    graph = trace.graph
    title = (
        f"STrace of “{trace.prompt}” on {trace.model.name}: {graph.n_tokens} tokens, "
        f"{trace.n_edges:,} edges by {trace.importance}"
    )
    if trace.replayed:
        title += ", loaded from a file"
    rows = [(token, f"{token.probability:.3f}") for token in trace.top[:5]]
    return _table(title, ("the full model's next token", "probability"), rows)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str | TopToken]]) -> str:
    header = "".join(f'<th scope="col" style="{FIGURE}">{escape(name)}</th>' for name in head)
    lines = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    caption = f'<caption style="text-align:left;white-space:normal">{escape(title)}</caption>'
    return f"<table>{caption}<thead><tr>{header}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(value: str | TopToken) -> str:
    if isinstance(value, str):
        return f'<td style="{FIGURE}">{escape(value)}</td>'
    return f'<td style="{TEXT}">{escape(value.token)}</td>'
