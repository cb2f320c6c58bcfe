"""A small table, as the last line of a cell shows it; and what makes data frames."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from ..errors import MissingPackageError
from ..token_text import names as visible_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

FIGURE = "text-align:right;padding:2px 12px 2px 0;font-variant-numeric:tabular-nums"
TEXT = "text-align:left;padding:2px 12px 2px 0;font-family:monospace;white-space:pre"


def html_table(title: str, columns: Mapping[str, Sequence[str]], texts: Collection[str]) -> str:
    """Return columns of equal length as an HTML table, in which everything is escaped.

    Parameters
    ----------
    title : str
    columns : dict from str to list of str
        The cells of each column, by its heading.
    texts : collection of str
        The columns that hold tokens, of which no two that differ look the same; the others hold figures.
    """
    header = "".join(f'<th scope="col" style="{FIGURE}">{escape(name)}</th>' for name in columns)
    shown = [visible_names(cells) if name in texts else cells for name, cells in columns.items()]
    styles = [TEXT if name in texts else FIGURE for name in columns]
    lines = "".join(
        "<tr>"
        + "".join(f'<td style="{style}">{escape(cell)}</td>' for style, cell in zip(styles, row, strict=True))
        + "</tr>"
        for row in zip(*shown, strict=True)
    )
    caption = f'<caption style="text-align:left;white-space:normal">{escape(title)}</caption>'
    return f"<table>{caption}<thead><tr>{header}</tr></thead><tbody>{lines}</tbody></table>"


def pandas() -> Any:
    """Return pandas, which not everyone who holds a result has.

    Raises
    ------
    MissingPackageError
        When it is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - an optional package
    except ImportError as reason:
        raise MissingPackageError("A data frame needs pandas: pip install 'strace_widgets[study]'.") from reason
    return pd
