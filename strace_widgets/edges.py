"""The token-wise computation graph: which edges exist, how many, and the one shape that holds anything said of them.

For T tokens, L layers and H query heads, a *sequential* block (attention, then MLP) has two nodes a token: ``(2l + 1,
t)``, the residual stream after the attention of layer l, and ``(2l + 2, t)``, after its MLP. Node ``(0, t)`` is the
embedding of token t. The output node is ``(2L, T - 1)``: a trace explains the prediction after the last token.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

NOT_IN_GRAPH = np.iinfo(np.int32).max
"""The rank of an edge that is not in the graph."""


class Edges(NamedTuple):
    """One value for every edge: weights (float32), ranks (int32) and masks (bool) all have this shape.

    Attributes
    ----------
    attention : (L, H, T, T) array
        As [layer, head, target, source]; in the graph where source <= target.
    attention_residual : (L, T) array
        The stream that passes by the attention of a layer.
    mlp : (L, T) array
        The MLP's output.
    mlp_residual : (L, T) array
        The stream that passes by the MLP of a layer.
    """

    attention: np.ndarray[Any, Any]
    attention_residual: np.ndarray[Any, Any]
    mlp: np.ndarray[Any, Any]
    mlp_residual: np.ndarray[Any, Any]

    @property
    def n_layers(self) -> int:
        """L."""
        return int(self.attention.shape[0])

    @property
    def n_heads(self) -> int:
        """H, the number of query heads."""
        return int(self.attention.shape[1])

    @property
    def n_tokens(self) -> int:
        """T."""
        return int(self.attention.shape[2])

    @property
    def n_kept(self) -> int:
        """How many edges a mask keeps."""
        return sum(int(np.count_nonzero(kind)) for kind in self)


def count_edges(n_layers: int, n_heads: int, n_tokens: int) -> int:
    """Return E for sequential blocks: (L - 1)(H T(T+1)/2 + 3T) + H T + 3 (arXiv 2605.27033; design, section 2)."""
    triangle = n_tokens * (n_tokens + 1) // 2
    return (n_layers - 1) * (n_heads * triangle + 3 * n_tokens) + n_heads * n_tokens + 3


def edges_in_graph(n_layers: int, n_heads: int, n_tokens: int) -> Edges:
    """Return the mask of the edges from which the output node can be reached.

    In the last layer only the last token's nodes lead to the output.
    """
    causal = np.tril(np.ones((n_tokens, n_tokens), dtype=bool))
    attention = np.broadcast_to(causal, (n_layers, n_heads, n_tokens, n_tokens)).copy()
    attention[-1, :, :-1] = False
    per_token = np.ones((n_layers, n_tokens), dtype=bool)
    per_token[-1, :-1] = False
    return Edges(attention, per_token, per_token.copy(), per_token.copy())


def edges_kept(size: float, n_edges: int) -> int:
    """Return int(s E), the number of edges in the trace of relative size s.

    Raises
    ------
    ValueError
        When s is not in (0, 1].
    """
    if not (isinstance(size, (int, float, np.integer, np.floating)) and 0 < size <= 1):
        raise ValueError(
            f"A trace has a size s with 0 < s <= 1, the share of edges kept; {size!r} is not in that range."
        )
    return int(size * n_edges)


def size_of(kept: int, n_edges: int) -> float:
    """Return the relative size s for which int(s E) is exactly ``kept`` (plain division can fall one short)."""
    size = kept / n_edges
    return size if int(size * n_edges) == kept else math.nextafter(size, 1.0)
