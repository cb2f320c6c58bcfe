"""The four tables of a study: their columns, which values they may hold, and how they are written and read.

Every table is checked before it is written, so that findings can rely on the rules below.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StudyError, first_line
from ..extras import pa, pads, pd, pq
from ..paths import absolute
from .checksums import check, was_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUBGRAPHS = ("trace", "inverse", "random", "random-residual-kept")
"""The values of the column ``subgraph``: the trace, and the baselines."""

CRITERIA = (
    *("top1", "top5"),
    *("nucleus1", "nucleus5", "nucleus10", "nucleus20", "nucleus40", "nucleus60", "nucleus80", "nucleus90"),
    *("tv0.3", "tv0.1"),
)
"""The criteria of the table of necessary sizes, as `strace_widgets.results.criteria` names them."""

_NAME = pa.dictionary(pa.int32(), pa.string())  # a text that many rows share
SCHEMAS = {
    "prompts": pa.schema(
        {
            "prompt_id": pa.string(),
            "text": pa.string(),
            "kind": _NAME,
            "expected": pa.string(),
            "language": _NAME,
            "n_tokens": pa.int32(),
            "n_edges": pa.int64(),
            "status": _NAME,
            "reason": pa.string(),
            "expected_id": pa.int32(),
            "full_top1_id": pa.int32(),
            "full_top1": pa.string(),
            "full_top1_probability": pa.float64(),
            "full_entropy": pa.float64(),
            "full_expected_probability": pa.float64(),
            "full_unigram_correlation": pa.float64(),
            "warning": pa.string(),
        }
    ),
    "points": pa.schema(
        {
            "prompt_id": _NAME,
            "importance": _NAME,
            "masks": _NAME,
            "subgraph": _NAME,
            "size": pa.float64(),
            "n_edges": pa.int64(),
            "total_variation": pa.float64(),
            "kl": pa.float64(),
            "entropy": pa.float64(),
            "top1": pa.bool_(),
            "top5": pa.bool_(),
            "nucleus": pa.int32(),
            "top1_id": pa.int32(),
            "top1_token": pa.string(),
            "top1_probability": pa.float64(),
            "full_correlation": pa.float64(),
            "unigram_correlation": pa.float64(),
            "figure": pa.float64(),
            "faithfulness": pa.float64(),
        }
    ),
    "necessary": pa.schema(
        {"prompt_id": _NAME, "importance": _NAME, "masks": _NAME, "criterion": _NAME, "size": pa.float64()}
    ),
    "components": pa.schema(
        {
            "prompt_id": _NAME,
            "importance": _NAME,
            "size": pa.float64(),
            "layer": pa.int32(),
            "kind": _NAME,
            "head": pa.int16(),
            "n_edges": pa.int32(),
            "n_total": pa.int32(),
        }
    ),
}
"""The columns of each table; `strace_widgets.Study` says what they mean."""

OPTIONAL: dict[str, set[str]] = {
    "prompts": {*SCHEMAS["prompts"].names} - {"prompt_id", "text", "status"},  # a prompt that failed has no results
    "points": {"top5", "figure", "faithfulness"},  # of a part that was written before there was one; of a target
    "necessary": set(),
    "components": {"head"},
}
"""The columns that may have no value in a row."""

CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "prompts": {"status": ("ok", "failed")},
    "points": {"subgraph": SUBGRAPHS},
    "necessary": {"criterion": CRITERIA},
    "components": {"kind": ("attention", "mlp", "residual")},
}
"""The values that a column of names may hold."""

AT_A_TIME = 1024
"""How many prompts' files are read together: each takes some memory of its own until its rows are among the others."""

_ROUNDING = 1e-9
_SIZE, _SHARE, _CORRELATION = (np.finfo(np.float64).tiny, 1.0), (0.0, 1 + _ROUNDING), (-1 - _ROUNDING, 1 + _ROUNDING)
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "prompts": {"full_top1_probability": _SHARE, "full_unigram_correlation": _CORRELATION},
    "points": {
        "size": _SIZE,
        "total_variation": _SHARE,
        "nucleus": (0, 99),
        "top1_probability": _SHARE,
        "full_correlation": _CORRELATION,
        "unigram_correlation": _CORRELATION,
    },
    "necessary": {"size": _SIZE},
    "components": {"size": _SIZE},
}
"""The least and the greatest value of a column."""

UNDEFINED = {"full_correlation", "unigram_correlation", "full_unigram_correlation"}
"""The columns that may be NaN: a ranking in which all tokens are equal correlates with nothing."""


def as_tables(columns: dict[str, dict[str, Any]]) -> dict[str, pa.Table]:
    """Return one prompt's tables, checked.

    Parameters
    ----------
    columns : dict of dict
        The columns of each table, arrays or lists of one length; a single value stands for all rows.

    Raises
    ------
    StudyError
        When a value breaks a rule of this module.
    """
    tables = {name: _as_table(name, each) for name, each in columns.items()}
    for name, table in tables.items():
        _check_values(name, table)
    if "components" in tables:
        _check_components(tables["components"].to_pandas())
    for name in {"necessary", "components"} & set(tables):
        if other := set(tables[name]["size"].to_pylist()) - set(tables["points"]["size"].to_pylist()):
            raise StudyError(f"The table {name!r} has the size {min(other)}, at which no subgraph was evaluated.")
    return tables


def table_bytes(table: pa.Table) -> bytes:
    """Return one prompt's table as a Parquet file: the same bytes for the same table."""
    written = io.BytesIO()
    pq.write_table(table, written, compression="zstd")
    return written.getvalue()


def read_table(name: str, parts: Sequence[Path], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one table of the prompts in these folders, one after another; of all its columns, or of some."""
    files = [str(part / f"{name}.parquet") for part in parts if was_written(part, f"{name}.parquet")]
    schema = SCHEMAS[name]
    if columns is not None:
        schema = pa.schema([schema.field(column) for column in columns])
    starts = range(0, max(len(files), 1), AT_A_TIME)
    return stacked(_frame(files[start : start + AT_A_TIME], schema) for start in starts)


def _frame(files: list[str], schema: pa.Schema) -> pd.DataFrame:
    for file in map(Path, files):
        check(file.parent, file.name)
    try:
        table = pads.dataset(files, schema=schema).to_table() if files else schema.empty_table()
    except (pa.ArrowException, OSError) as reason:
        folder = absolute(Path(files[0]).parents[2])
        raise StudyError(f"A table of the study in {folder} cannot be read: {first_line(reason)}.") from reason
    return table.unify_dictionaries().to_pandas(types_mapper={pa.int16(): pd.Int16Dtype()}.get)


def stacked(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return frames one below another; columns of names keep the order in which these first come."""
    frames = list(frames)
    if len(frames) == 1:
        return frames[0]
    columns = {}
    for name in frames[0]:
        parts = [frame[name] for frame in frames]
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            columns[name] = pd.Series(pd.api.types.union_categoricals([part.array for part in parts]))
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)


def _as_table(name: str, columns: dict[str, Any]) -> pa.Table:
    lengths = {len(values) for values in columns.values() if isinstance(values, (np.ndarray, list))}
    (length,) = lengths or {1}
    arrays = []
    for field in SCHEMAS[name]:
        values = columns.get(field.name)
        if isinstance(values, (np.ndarray, list)):
            arrays.append(pa.array(values, type=field.type))
        else:
            arrays.append(pa.array([values] * length, type=field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMAS[name])


def _check_values(name: str, table: pa.Table) -> None:
    """Refuse a column with a value that is missing, out of its range, or not among its choices."""
    for column in table.column_names:
        if table[column].null_count and column not in OPTIONAL[name]:
            raise StudyError(f"A row of the table {name!r} has no {column!r}.")
    for column, choices in CHOICES[name].items():
        if other := set(table[column].to_pylist()) - set(choices):
            raise StudyError(f"The table {name!r} has the {column} {min(other)!r}: it is one of {', '.join(choices)}.")
    for column, (least, greatest) in RANGES[name].items():
        values = table[column].drop_null().to_numpy()
        allowed = (values >= least) & (values <= greatest)
        if column in UNDEFINED:
            allowed |= np.isnan(values)
        if not allowed.all():
            raise StudyError(
                f"The table {name!r} has {column} = {values[~allowed][0]}: it lies between {least:.3g} and "
                f"{greatest:.3g}."
            )


def _check_components(components: pd.DataFrame) -> None:
    """Refuse heads that are no heads, and counts of edges that no trace can have."""
    n_edges, n_total = components["n_edges"], components["n_total"]
    if (components["head"].notna() != (components["kind"] == "attention")).any():
        raise StudyError("In the table 'components' a row has a head if its kind is attention, and only then.")
    if ((n_edges < 0) | (n_edges > n_total)).any():
        raise StudyError("In the table 'components' a trace has more edges of a component than there are, or below 0.")
    if (n_edges[components["size"] == 1] != n_total[components["size"] == 1]).any():
        raise StudyError("In the table 'components' the trace of size 1 lacks an edge: it is the whole graph.")
