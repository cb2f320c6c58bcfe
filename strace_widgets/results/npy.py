"""Arrays as a file holds them: little-endian npy, nothing pickled."""

from __future__ import annotations

import io
import math
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..graph.edges import Array


def packed(array: Array) -> bytes:
    """Return an array as npy."""
    content = io.BytesIO()
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    np.save(content, little, allow_pickle=False)
    return content.getvalue()


def unpacked(content: bytes, dtype: Any, shape: tuple[int, ...]) -> Array:
    """Return an array of a type and shape from npy; nothing is made before the bytes are known to hold just that.

    Raises
    ------
    ValueError
        When they do not. What it says follows the name of the bytes.
    """
    wanted, stream = np.dtype(dtype), io.BytesIO(content)
    try:
        np.lib.format.read_magic(stream)  # the headers of format 2.0 have another length, which makes no sense here
        found_shape, fortran, found = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, SyntaxError, TokenError) as reason:
        raise ValueError(f"is no array ({reason})") from reason
    if found != wanted or found_shape != shape:
        raise ValueError(f"holds {found} of shape {found_shape} instead of {wanted} of {shape}")
    values = content[stream.tell() :]
    if len(values) != math.prod(shape) * wanted.itemsize:
        raise ValueError(f"is no array (it has {len(values):,} bytes of values)")
    array: Array = np.frombuffer(values, wanted).reshape(shape, order="F" if fortran else "C").copy()
    return array
