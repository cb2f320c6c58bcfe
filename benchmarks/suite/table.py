"""What was measured as Markdown: a table for each model, its rows over the numbers of tokens."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NONE = "-"
GIGA, MEGA, HUNDRED = 1e9, 1e6, 100
SWEEP, BOTH = "standard sweep", "trace and standard sweep"


@dataclass
class Cell:
    """What was measured of a row, by one version, on one model, at one number of tokens.

    Attributes
    ----------
    version, model, row : str
    n_tokens, n_edges : int
    seconds, plain, batch : list of float
        Of each round: the row, a plain pass of one row, and one of as many rows as the row has run.
    n_bytes : list of int
        Of a file, or of memory.
    note : str
    reason : str
        Why there is nothing.
    """

    version: str
    model: str
    row: str
    n_tokens: int
    n_edges: int
    seconds: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)
    n_bytes: list[int] = field(default_factory=list)
    note: str = ""
    reason: str = ""


def passes(cell: Cell) -> float | None:
    return median(cell.seconds) / median(cell.plain) if cell.seconds else None


def batches(cell: Cell) -> float | None:
    return median(cell.seconds) / median(cell.batch) if cell.seconds else None


def seconds(cell: Cell) -> float | None:
    return median(cell.seconds) if cell.seconds else None


def n_bytes(cell: Cell) -> float | None:
    return median(cell.n_bytes) if cell.n_bytes else None


def number(value: float) -> str:
    """Return a number of three digits, or all before the point."""
    return f"{value:,.0f}" if value >= HUNDRED else f"{value:#.3g}".rstrip(".")


def duration(value: float) -> str:
    return f"{number(value)} s" if value >= 1 else f"{number(1e3 * value)} ms"


def amount(value: float) -> str:
    return f"{number(value / GIGA)} GB" if value >= GIGA else f"{number(value / MEGA)} MB"


class Line(NamedTuple):
    """A line of the table: the row that it is of, its value and how that is written, and what its growth is of."""

    label: str
    row: str
    value: Callable[[Cell], float | None] = passes
    text: Callable[[float], str] = number
    growing: Callable[[Cell], float | None] = seconds


def lines(rows: Sequence[str]) -> list[Line]:
    """Return the lines of the rows, in their order."""
    found = []
    for row in rows:
        if row.startswith("memory"):
            found.append(Line(row, row, n_bytes, amount, n_bytes))
        elif row in ("saving", "reading"):
            found.append(Line(row, row, seconds, duration))
        else:
            found.append(Line(row, row))
        if row == SWEEP:
            found += [Line(f"{SWEEP} ÷ a plain batch of as many rows", row, batches), Line(BOTH, BOTH)]
        if row == "saving":
            found.append(Line("saved file", row, n_bytes, amount, n_bytes))
    return found


def page(result: dict[str, Any]) -> str:
    """Return all tables, with what was measured on, and what could not be."""
    cells = [Cell(**cell) for cell in result["cells"]]
    versions = list(result["versions"])
    parts = [introduction(result["machine"], versions)]
    parts += [table([cell for cell in cells if cell.model == model], versions) for model in _of(cells, "model")]
    failed = [cell for cell in cells if cell.reason]
    if failed:
        parts.append("\n".join(["Not measured:", "", *map(said, failed)]))
    return "\n\n".join(parts) + "\n"


def said(cell: Cell) -> str:
    return f"- {cell.row}, {cell.n_tokens} tokens, {cell.model}, {cell.version}: {cell.reason}"


def introduction(machine: dict[str, Any], versions: list[str]) -> str:
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] != 1)}"
    where = f"{machine['processor']}, {machine['cores']} cores, {threads}, {machine['memory_gb']} GB"
    software = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "transformers", "nnsight"))
    compared = f"Each cell is {' → '.join(versions)}." if len(versions) > 1 else f"Version {versions[0]}."
    return f"{where}, load {machine['load']} before; {machine['clock']}; {software}. {compared}"


def table(cells: list[Cell], versions: list[str]) -> str:
    """Return the table of one model."""
    counts = sorted(_of(cells, "n_tokens"))
    both = together(cells, ("trace", SWEEP), BOTH)
    by_place = {(cell.row, cell.n_tokens, cell.version): cell for cell in [*cells, *both]}
    edges = {cell.n_tokens: cell.n_edges for cell in cells}
    written = [
        [cells[0].model, *(f"{n:,} tokens" for n in counts), "growth"],
        ["---"] * (2 + len(counts)),
        ["edges", *(f"{edges[n]:,}" for n in counts), growth(edges)],
        ["plain pass", *plain_passes(cells, versions, counts)],
    ]
    for line in lines(_of(cells, "row")):
        of_line = {
            (n, version): by_place[line.row, n, version]
            for n in counts
            for version in versions
            if (line.row, n, version) in by_place
        }
        if any(line.value(cell) is not None for cell in of_line.values()):
            written.append([line.label, *_texts(line, of_line, versions, counts)])
    return "\n".join(f"| {' | '.join(row)} |" for row in written)


def _texts(line: Line, cells: dict[Any, Cell], versions: list[str], counts: list[int]) -> list[str]:
    """Return a line's cells, and its growth."""
    texts = [side_by_side([_text(line, cells.get((n, version))) for version in versions]) for n in counts]
    grown = []
    for version in versions:
        found = {n: line.growing(cells[n, version]) for n in counts if (n, version) in cells}
        grown.append(growth({n: value for n, value in found.items() if value}))
    return [*texts, side_by_side(grown)]


def _text(line: Line, cell: Cell | None) -> str:
    value = line.value(cell) if cell else None
    if cell is None or value is None:
        return NONE
    noted = cell.note and line.label == line.row
    return f"{line.text(value)} ({cell.note})" if noted else line.text(value)


def together(cells: list[Cell], rows: Sequence[str], name: str) -> list[Cell]:
    """Return cells of several rows as if they were one, where all of them were measured."""
    found = []
    for n_tokens, version in dict.fromkeys((cell.n_tokens, cell.version) for cell in cells):
        parts = [cell for cell in cells if (cell.n_tokens, cell.version) == (n_tokens, version) and cell.row in rows]
        if len(parts) == len(rows) and all(part.seconds for part in parts):
            total = sum(median(part.seconds) for part in parts)
            plain = total / sum(median(part.seconds) / median(part.plain) for part in parts)
            found.append(replace(parts[-1], row=name, seconds=[total], plain=[plain], note=""))
    return found


def plain_passes(cells: list[Cell], versions: list[str], counts: list[int]) -> list[str]:
    """Return the plain pass at each number of tokens, with its `spread`, and its growth."""
    texts, medians = [], defaultdict(dict)
    for n in counts:
        of_each = []
        for version in versions:
            taken = [s for cell in cells if (cell.n_tokens, cell.version) == (n, version) for s in cell.plain]
            if taken:
                medians[version][n] = median(taken)
            of_each.append(f"{duration(median(taken))} ± {spread(taken):.0%}" if taken else NONE)
        texts.append(side_by_side(of_each))
    return [*texts, side_by_side([growth(medians[version]) for version in versions])]


def spread(values: list[float]) -> float:
    """Return half the distance of the quartiles, over the median."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return (high - low) / 2 / middle


def exponent(values: dict[int, float]) -> float | None:
    """Return k of the fit value ~ tokens^k, by least squares in logarithms; None for less than two points."""
    if len(values) < 2:  # noqa: PLR2004
        return None
    x, y = ([math.log(value) for value in column] for column in (values.keys(), values.values()))
    x_mean, y_mean = fmean(x), fmean(y)
    slopes = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return slopes / sum((a - x_mean) ** 2 for a in x)


def growth(values: dict[int, float]) -> str:
    k = exponent(values)
    return NONE if k is None else f"T^{round(k, 1) + 0.0:.1f}"  # no minus before a zero


def side_by_side(texts: list[str]) -> str:
    return " → ".join(texts) if set(texts) != {NONE} else NONE


def _of(cells: list[Cell], name: str) -> list[Any]:
    """Return the values that cells have, in the order in which they came."""
    return list(dict.fromkeys(getattr(cell, name) for cell in cells))
