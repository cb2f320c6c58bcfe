"""The values of a graph's edges as bytes: without loss, in less room, a layer at a time.

Four bytes an edge, in the sequence of `strace_widgets.graph.order.by_layer`; what is not in the graph takes none. Of
each layer, the lowest bytes of all values make one zstd frame, the second bytes another, and so on. Of float32 weights
the bytes of the exponents repeat, and those of the mantissas are as good as random: apart, zstd shrinks the former to
three eighths and passes over the latter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard

from ..graph.edges import Array, Edges, Graph
from ..graph.order import in_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEVEL = 1
"""zstd's level. At 3 the weights of SmolLM2 take as much room and twice the time."""

WINDOW = 20
"""The binary logarithm of how far back zstd may look, so of the memory that a frame may ask for."""

SHRINKING = 128
"""How many times larger than their bytes in the file the arrays of a kind of edges may be."""

PADDING = 0x184D2A50
"""The number that a frame begins with which zstd passes over."""


def coded(layers: Iterable[Array], graph: Graph) -> Iterator[bytes]:
    """Yield the bytes of all edges, layer after layer.

    Parameters
    ----------
    layers : iterable of (n,) float32 or int32
        From `strace_widgets.graph.order.by_layer`.
    graph : Graph
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, window_log=WINDOW)
    compressor, n_bytes = zstandard.ZstdCompressor(compression_params=parameters), 0
    for values in layers:
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        for each in np.ascontiguousarray(little.view(np.uint8).reshape(-1, 4).T):
            frame = compressor.compress(each.data)
            n_bytes += len(frame)
            yield frame
    missing = least_bytes(graph) - n_bytes
    if missing > 0:  # weights that are all alike
        yield PADDING.to_bytes(4, "little") + missing.to_bytes(4, "little") + bytes(missing)


def least_bytes(graph: Graph) -> int:
    """Return how many bytes the edges of a graph take at least: who claims to have large arrays brings some bytes.

    Parameters
    ----------
    graph : Graph
    """
    return 4 * math.prod((*graph[:3], graph.n_tokens)) // SHRINKING


def most_bytes(graph: Graph) -> int:
    """Return how many bytes the edges of a graph take at most.

    Parameters
    ----------
    graph : Graph
    """
    return least_bytes(graph) + 5 * graph.n_edges + 1024 * graph.n_layers


def decoded(content: bytes, graph: Graph, dtype: Any, outside: int) -> Edges:
    """Return the values of all edges.

    Parameters
    ----------
    content : bytes
        What `coded` yielded, one after another.
    graph : Graph
    dtype : float32 or int32
    outside : int
        The value where there is no edge.

    Raises
    ------
    ValueError
        When the bytes are damaged, or too few or too many for the graph. What it says follows the name of the bytes.
    """
    if len(content) < least_bytes(graph):  # before anything of the graph's size is made
        raise ValueError(f"is too small for the graph {tuple(graph)}")
    shapes = ((*graph[:3], graph.n_tokens), *[(graph.n_layers, graph.n_tokens)] * 3)
    edges = Edges(*(np.full(shape, outside, dtype=dtype) for shape in shapes))
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW)
    try:
        with unpacker.stream_reader(content, read_across_frames=True) as stream:
            for layer in range(graph.n_layers):
                there = in_layer(graph, layer)
                n_each = [int(np.count_nonzero(kind)) for kind in there]
                values = _read(stream, sum(n_each)).view(np.dtype(dtype).newbyteorder("<"))[:, 0]
                for kind, present, part in zip(edges, there, np.split(values, np.cumsum(n_each)[:-1]), strict=True):
                    kind[layer][present] = part
            if stream.read(1):
                raise ValueError(f"has more values than the graph {tuple(graph)}")
    except zstandard.ZstdError as reason:
        raise ValueError(f"is damaged ({reason})") from reason
    return edges


def _read(stream: zstandard.ZstdDecompressionReader, n_values: int) -> Array:
    """Return the bytes of so many values, (n, 4)."""
    grouped = np.empty((4, n_values), dtype=np.uint8)
    waiting = grouped.reshape(-1).data
    while waiting:
        n_bytes = stream.readinto(waiting)
        if not n_bytes:
            raise ValueError("ends before its last edge")
        waiting = waiting[n_bytes:]
    return np.ascontiguousarray(grouped.T)
