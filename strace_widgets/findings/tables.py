"""The tables that findings read, checked, and the quartiles that most findings report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import FindingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..extras import pd


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
    frame: pd.DataFrame = getattr(study, name)
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
