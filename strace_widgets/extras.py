"""The packages of the extra ``study``, imported in one place: where one is missing, the error says what to install."""

from __future__ import annotations

from .errors import MissingPackageError

try:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as pads
    import pyarrow.parquet as pq
    import wordfreq
    from scipy import optimize, stats
except ImportError as reason:
    raise MissingPackageError(
        f"Studies need packages that are not installed ({reason}): pip install 'strace_widgets[study]'"
    ) from reason

__all__ = ["optimize", "pa", "pads", "pd", "pq", "stats", "wordfreq"]
