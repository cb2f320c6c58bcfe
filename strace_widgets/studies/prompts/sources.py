"""Where prompts come from: files, tables, data sets and streams, each read as rows."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import StraceError, StudyError
from ...paths import absolute, expanded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...paths import AnyPath


class Rows(NamedTuple):
    """The rows of a source, and whether these are all that it has."""

    rows: list[Any]
    whole: bool = True


def rows_of(source: AnyPath | Any, limit: int | None = None) -> Rows:
    """Return the rows of a source: texts, token ids, messages, or dicts.

    Parameters
    ----------
    source : str or Path, table, data set or iterable
        See `strace_widgets.read_prompts`.
    limit : int, optional
        How many rows are read of a source that does not say how many it has: of a stream, such as a data set that is
        loaded with ``streaming=True``.

    Raises
    ------
    StudyError
        When a file does not exist or is not what its name says, or there are no rows in what was given.
    """
    if isinstance(source, (str, os.PathLike)):
        return Rows(_read_file(expanded(source)))
    if hasattr(source, "collect"):  # a lazy frame
        source = source.collect()
    if hasattr(source, "to_pylist"):  # a table of Arrow
        return Rows(source.to_pylist())
    if hasattr(source, "to_dicts"):  # one of polars
        return Rows(source.to_dicts())
    if hasattr(source, "columns"):  # a data frame would iterate over the names of its columns
        names = list(source.columns)
        return Rows([dict(zip(names, row, strict=True)) for row in zip(*(source[name] for name in names), strict=True)])
    if not isinstance(source, Iterable):
        raise StudyError(f"Prompts are texts, token id lists or dicts, or a file of them; {source!r} is none of these.")
    if isinstance(source, Mapping):
        raise StudyError(
            f"These prompts are a dict of {', '.join(map(repr, source))}: choose one of its parts, such as a split."
        )
    if limit is not None and not hasattr(source, "__len__"):
        return Rows(list(islice(source, max(limit, 0))), whole=False)
    return Rows(list(source))


def _read_file(path: Path) -> list[Any]:
    try:
        return FILES.get(path.suffix.lower(), _lines)(path)
    except StraceError:
        raise
    except Exception as reason:  # Arrow, decoders and JSON raise what they like of a damaged file
        why = getattr(reason, "strerror", None) or reason
        raise StudyError(
            f"No prompts could be read from {absolute(path)} ({why}). Give a text file with one prompt a line, a "
            f"{', '.join(FILES)} file, or a list of texts (a single text goes in a list, too)."
        ) from reason


def _lines(path: Path) -> list[Any]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _jsonl(path: Path) -> list[Any]:
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            items += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as reason:
            raise StudyError(f"Line {number} of {path} is not JSON ({reason}).") from reason
    return items


def _csv(path: Path) -> list[Any]:
    """Return the rows of a table under a header, every cell as text: an id such as ``007`` stays what it is."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        rows = list(found)
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise StudyError(
                f"Row {number} of {path} has more cells than its header has names: put text with commas in quotes."
            )
    return rows


def _parquet(path: Path) -> list[Any]:
    from ...extras import pq  # noqa: PLC0415 - prompts of other kinds need no extra package

    with path.open("rb") as file:
        rows: list[Any] = pq.read_table(file).to_pylist()
    return rows


FILES: dict[str, Callable[[Path], list[Any]]] = {".jsonl": _jsonl, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
"""How a file is read, by what its name ends in; any other has a prompt a line."""
