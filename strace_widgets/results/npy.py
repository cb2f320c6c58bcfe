"""Arrays as a file holds them: little-endian npy, nothing pickled."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from ..errors import NonFiniteError

if TYPE_CHECKING:
    from ..graph.edges import Array


def packed(array: Array) -> bytes:
    """Return an array as npy."""
    content = io.BytesIO()
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    np.save(content, little, allow_pickle=False)
    return content.getvalue()


def in_precision(weights: Array, precision: str) -> Array:
    """Return weights in a number format that holds them.

    Raises
    ------
    NonFiniteError
        When it does not: float16 ends at 65,504.
    """
    with np.errstate(over="ignore"):
        found: Array = weights.astype(precision)
    if not np.isfinite(found).all():
        raise NonFiniteError(
            f"Weights of up to {np.abs(weights).max():.3g} do not fit into {precision}: save the trace with "
            "precision='float32'.",
            "scores",
        )
    return found
