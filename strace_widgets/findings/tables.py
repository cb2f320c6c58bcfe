"""The tables that findings read, checked, and the quartiles that most findings report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import FindingError
from ..extras import pd
from ..studies.tables import stacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


_COUNT = " counted"


class Tables(Protocol):
    """The tables of a study: a `strace_widgets.Study`, or another object that has them."""

    @property
    def prompts(self) -> pd.DataFrame:
        """One row a prompt."""

    @property
    def points(self) -> pd.DataFrame:
        """One row a prompt, importance, masks mode, kind of subgraph and size."""

    @property
    def necessary(self) -> pd.DataFrame:
        """One row a prompt, importance, masks mode and criterion."""

    @property
    def components(self) -> pd.DataFrame:
        """One row a prompt, importance, size and component."""


def table(study: Tables, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of one of a study's tables.

    Raises
    ------
    FindingError
        When the table is empty or lacks a column.
    """
    some = getattr(study, "columns", None)  # of a large table, no more than is needed
    frame: pd.DataFrame = some(name, columns) if some else getattr(study, name)
    return _checked(frame, name, columns)


def batches(study: Tables, name: str, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield columns of one of a study's tables, the rows of some prompts after another: no prompt is in two of them.

    Raises
    ------
    FindingError
        When the table is empty or lacks a column.
    """
    some = getattr(study, "batches", None)
    if some is None:
        yield table(study, name, columns)
        return
    empty = True
    for frame in some(name, columns):
        if not frame.empty:  # a batch of prompts that failed has no rows
            empty = False
            yield _checked(frame, name, columns)
    if empty:
        _checked(pd.DataFrame(columns=list(columns)), name, columns)


def mean_over(frames: Iterable[pd.DataFrame], by: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Return the means of columns in each group over all rows of several frames, and `n_prompts` of the first column.

    Missing values are left out, in the keys of groups they are a group of their own.
    """
    sums = []
    for frame in frames:
        grouped = frame.groupby(list(by), observed=True, dropna=False)[list(values)]
        counted = grouped.count().add_suffix(_COUNT)
        sums.append(grouped.sum().join(counted).reset_index())
    added = stacked(sums).groupby(list(by), observed=True, dropna=False).sum()
    n_prompts = added[f"{values[0]}{_COUNT}"].astype("int64").rename("n_prompts")
    means = {name: added[name] / added[f"{name}{_COUNT}"].where(added[f"{name}{_COUNT}"] > 0) for name in values}
    return pd.DataFrame({"n_prompts": n_prompts, **means}).reset_index()


def _checked(frame: pd.DataFrame, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table; refuse one that is empty or lacks one."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise FindingError(
            f"The study's table {name!r} has no column {', '.join(map(repr, missing))}, which this finding needs: "
            "was it written by another version?"
        )
    if frame.empty:
        raise FindingError(f"The study's table {name!r} is empty: run the study on at least one prompt that succeeds.")
    return frame[list(columns)]


def chosen(frame: pd.DataFrame, **choices: str | None) -> pd.DataFrame:
    """Return the rows with a given value in each column; for None, with the first row's value.

    Raises
    ------
    FindingError
        When no row has the value.
    """
    for column, choice in choices.items():
        values = list(frame[column].unique())
        value = values[0] if choice is None and values else choice
        if value not in values:
            raise FindingError(f"The study has no {column} {value!r}: choose among {', '.join(map(repr, values))}.")
        frame = frame[frame[column] == value]
    return frame


def nearest_size(sizes: pd.Series, size: float) -> float:
    """Return the size of the study's grid that is nearest to one asked for, on the log scale."""
    grid = np.sort(sizes.unique())
    return float(grid[np.abs(np.log(grid / size)).argmin()])


def spread(frame: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Return mean and quartiles of a column in each group, as `n_prompts`, `mean`, `lower`, `median`, `upper`."""
    grouped = frame.groupby(list(by), observed=True, sort=True)[value]
    quartiles: Any = grouped.quantile([0.25, 0.5, 0.75]).unstack()
    quartiles.columns = ["lower", "median", "upper"]
    counted = grouped.agg(n_prompts="count", mean="mean")
    return counted.join(quartiles).reset_index()
