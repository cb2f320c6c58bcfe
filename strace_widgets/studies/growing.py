"""What a part of a study has already, and what it lacks under settings that were added since."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..extras import pq
from .tables import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .settings import Settings

TRACE = "trace"
"""The subgraph that is no baseline."""

FILES = ("points.parquet", "components.parquet")
"""The files of a part that `Had` is read from."""


class Run(NamedTuple):
    """What is evaluated at every size of a prompt."""

    masks: str
    subgraph: str
    importance: str

    def columns(self) -> dict[str, str]:
        """Return the columns that say which run a row is of."""
        return {"importance": self.importance, "masks": self.masks, "subgraph": self.subgraph}


def runs(settings: Settings) -> list[Run]:
    """Return the runs of a study, in the order of its tables."""
    found = []
    for masks in settings.masks:
        found += [Run(masks, TRACE, name) for name in settings.importance]
        found += [
            Run(masks, name, settings.importance[0] if name == "inverse" else "random") for name in settings.baselines
        ]
    return found


@dataclass(frozen=True)
class Had:
    """What is there of a prompt: the columns of its points by run, and of its components by measure."""

    points: dict[Run, dict[str, Any]] = field(default_factory=dict)
    components: dict[str, dict[str, Any]] = field(default_factory=dict)

    def missing(self, run: Run, settings: Settings) -> tuple[float, ...]:
        """Return the sizes at which a run was not evaluated yet."""
        sizes = set(self.points[run]["size"]) if run in self.points else set()
        return tuple(size for size in settings.sizes if size not in sizes)

    def lacking(self, settings: Settings) -> list[Run]:
        """Return the traces that were not evaluated at every size yet, or whose components were not counted."""
        return [
            run
            for run in runs(settings)
            if run.subgraph == TRACE and (self.missing(run, settings) or run.importance not in self.components)
        ]


NOTHING = Had()
"""Of a prompt that was not traced yet."""


def had(files: Mapping[str, bytes]) -> Had:
    """Return what is there of a part, from its files.

    Rows without a ``top5``, of a part that was written before there was one, do not count: the necessary sizes of a
    longer sweep cannot be told from them.
    """
    points, components = (pq.read_table(io.BytesIO(files[name])).to_pylist() for name in FILES)
    of_runs: dict[Run, list[dict[str, Any]]] = {}
    for row in points:
        if row.get("top5") is not None:
            of_runs.setdefault(Run(row["masks"], row["subgraph"], row["importance"]), []).append(row)
    of_measures: dict[str, list[dict[str, Any]]] = {}
    for row in components:
        of_measures.setdefault(row["importance"], []).append(row)
    identity = {"prompt_id", *Run._fields}
    return Had(
        {run: _columns("points", rows, identity) for run, rows in of_runs.items()},
        {name: _columns("components", rows, identity) for name, rows in of_measures.items()},
    )


def whole(part: Path, settings: Settings) -> bool:
    """Tell whether a part has every run at every size; one that failed has none, and is whole."""
    if not (part / FILES[0]).exists():
        return True
    columns = [*Run._fields, "size", "top5"]
    table = pq.read_table(part / FILES[0], schema=None)
    if "top5" not in table.column_names:
        return False
    rows = {(Run(*row[:3]), row[3]) for row in zip(*(table[name].to_pylist() for name in columns), strict=True)}
    return all((run, size) in rows for run in runs(settings) for size in settings.sizes)


def by_size(*blocks: dict[str, Any]) -> dict[str, list[Any]]:
    """Return blocks of one run as one, by ascending size; a column that a block lacks has no values there."""
    names = dict.fromkeys(name for block in blocks for name in block)
    columns = {
        name: [value for block in blocks for value in block.get(name, [None] * len(block["size"]))] for name in names
    }
    order = np.argsort(columns["size"], kind="stable")
    return {name: [values[row] for row in order] for name, values in columns.items()}


def joined(blocks: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return blocks of columns one below another; a single value stands for all rows of its block."""
    names = dict.fromkeys(name for block in blocks for name in block)
    found: dict[str, list[Any]] = {name: [] for name in names}
    for block in blocks:
        length = next(len(values) for values in block.values() if isinstance(values, (np.ndarray, list)))
        for name in names:
            values = block.get(name)
            found[name] += list(values) if isinstance(values, (np.ndarray, list)) else [values] * length
    return found


def _columns(table: str, rows: list[dict[str, Any]], identity: set[str]) -> dict[str, Any]:
    return {name: [row.get(name) for row in rows] for name in SCHEMAS[table].names if name not in identity}
