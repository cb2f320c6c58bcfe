"""Figures and tables of a study for a paper: pictures at the widths of its columns, and tables in LaTeX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import vl_convert

from ..charts.style import INK
from ..paths import expanded, write_file
from .sections import sections_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..paths import AnyPath
    from ..studies.store import Study

WIDTHS = {"column": 85.0, "page": 178.0}
"""Widths of figures in mm: one column of a paper with two, and both."""

NARROWEST = 80.0
"""The least width of a figure in mm: below it, type takes all the room."""

SMALLEST = 7.0
"""The smallest type of a figure, in points."""

ROUNDS = 5
"""How often type is made larger and the chart laid out again; the last round changes next to nothing."""

FORMATS = ("svg", "pdf")
_PER_INCH = {"svg": 96, "mm": 25.4, "pt": 72}
_LABELS = 13  # what the charts' smallest type has, in pixels


def save_figures(
    study: Study, folder: AnyPath, *, width: str | float = "column", formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write each finding's chart at a width of a paper; see `strace_widgets.Study.save_figures`."""
    millimetres = _width(width)
    if other := [each for each in formats if each not in FORMATS]:
        raise ValueError(f"A figure cannot be written as {other[0]!r}: choose among {', '.join(FORMATS)}.")
    home, written = expanded(folder), []
    for section in sections_of(study)[0]:
        if section.chart is None:
            continue
        spec = section.chart.to_dict()
        scale = _fitted(spec, millimetres)
        svg = vl_convert.vegalite_to_svg(spec)
        for form in formats:
            if form == "svg":
                content = _scaled(svg, scale, "mm").encode()
            else:  # which takes a number without a unit for points
                content = vl_convert.svg_to_pdf(_scaled(svg, scale, "pt").replace('pt"', '"', 2))
            written.append(write_file(home / f"{section.name}.{form}", content))
    return written


def save_latex(study: Study, folder: AnyPath) -> list[Path]:
    """Write each finding's table in LaTeX; see `strace_widgets.Study.save_latex`."""
    written = []
    for section in sections_of(study)[0]:
        table = section.table.rename(columns=lambda name: str(name).replace("_", " "))
        text = table.to_latex(
            index=False, escape=True, float_format="{:.3g}".format, na_rep="", caption=section.says,
            label=f"tab:{section.name}", longtable=len(table) > 40,  # noqa: PLR2004 - rows that a page has
        )  # fmt: skip
        written.append(write_file(expanded(folder) / f"{section.name}.tex", text.encode()))
    return written


def _width(width: str | float) -> float:
    if isinstance(width, str):
        if width not in WIDTHS:
            raise ValueError(f"width={width!r} does not exist: choose {' or '.join(map(repr, WIDTHS))}, or give mm.")
        return WIDTHS[width]
    if not width >= NARROWEST:
        raise ValueError(f"A figure of {width!r} mm has no room for type that can be read: make it {NARROWEST:.0f} mm.")
    return float(width)


def _fitted(spec: dict[str, Any], millimetres: float) -> float:
    """Change a chart's type for print, and return by what it is scaled to be so wide.

    Its title goes: a paper has captions. Type is made larger before all is scaled down, so that none is smaller than
    `SMALLEST`; it takes room itself, hence some rounds.
    """
    _without_titles(spec)
    _printed(spec["config"])
    wanted = millimetres / _PER_INCH["mm"] * _PER_INCH["svg"]
    scale = wanted / _natural_width(spec)
    for _ in range(ROUNDS):
        smallest = SMALLEST / _PER_INCH["pt"] * _PER_INCH["svg"] / scale
        _enlarge(spec, max(smallest / _smallest(spec), 1))
        scale = wanted / _natural_width(spec)
    return scale


def _natural_width(spec: dict[str, Any]) -> float:
    found = re.search(r'\bwidth="([\d.]+)', vl_convert.vegalite_to_svg(spec))
    return float(found[1]) if found else 1.0


def _scaled(svg: str, scale: float, unit: str) -> str:
    """Return a picture so many times as large, in a unit; its view box says what is seen."""

    def size(found: re.Match[str]) -> str:
        return f'{found[1]}="{float(found[2]) * scale * _PER_INCH[unit] / _PER_INCH["svg"]:.3f}{unit}"'

    head, rest = svg.split(">", 1)
    return re.sub(r'\b(width|height)="([\d.]+)(?:px)?"', size, head) + ">" + rest


def _without_titles(spec: dict[str, Any]) -> None:
    spec.pop("title", None)
    for side in ("hconcat", "vconcat", "concat", "layer"):
        for part in spec.get(side, []):
            _without_titles(part)


def _printed(config: dict[str, Any]) -> None:
    """Make type black, which is grey on a screen to be read on a light and on a dark ground."""
    for part in config.values():
        if isinstance(part, dict):
            part.update({name: "#1b1b1b" for name, value in part.items() if value == INK})


def _typed(part: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield where a specification says how large type is: each dict, and its key."""
    if isinstance(part, list):
        for each in part:
            yield from _typed(each)
    if not isinstance(part, dict):
        return
    for name, value in part.items():
        if name.lower().endswith("fontsize") and isinstance(value, (int, float)):
            yield part, name
        elif name not in {"data", "datasets"}:
            yield from _typed(value)


def _smallest(spec: dict[str, Any]) -> float:
    return float(min((part[name] for part, name in _typed(spec)), default=_LABELS))


def _enlarge(spec: dict[str, Any], times: float) -> None:
    for part, name in list(_typed(spec)):
        part[name] *= times
