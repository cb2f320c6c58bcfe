"""How far a subgraph's prediction is from the full model's: total variation, KL, entropy and nucleus recovery.

Everything is computed in float64 from last-position logits (..., V).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NUCLEI = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
"""The nuclei that are compared, in per cent of the probability mass."""


def log_probabilities(logits: Array) -> Array:
    """Return log softmax over the last axis, in float64 (nats)."""
    logits = np.asarray(logits, dtype=np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def total_variation(p: Array, q: Array) -> Array:
    """Return TV = 1/2 sum |p - q| over the last axis, in [0, 1]."""
    result: Array = 0.5 * np.abs(p - q).sum(axis=-1)
    return result


def kl_divergence(log_p: Array, log_q: Array) -> Array:
    """Return KL(p || q) in nats: what the subgraph q misses of the full model p. Never below 0."""
    result: Array = np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=-1), 0.0)
    return result


def entropy(log_p: Array) -> Array:
    """Return the entropy in nats."""
    result: Array = -(np.exp(log_p) * log_p).sum(axis=-1)
    return result


def recovered_nuclei(p: Array, q: Array) -> Array:
    """Return the largest of `NUCLEI` whose ordered token lists agree, or 0: the paper's nucleus recovery.

    The nucleus of x % holds the most probable tokens in order, each kept while the mass *before* it is at most x %.

    Parameters
    ----------
    p : (V,) array
        The full model's probabilities.
    q : (K, V) array
        The probabilities of K subgraphs.

    Returns
    -------
    (K,) int64 array, in per cent
    """
    order_p, lengths_p = _ordered(p)
    recovered = np.zeros(len(q), dtype=np.int64)
    for row, probabilities in enumerate(q):
        order_q, lengths_q = _ordered(probabilities)
        differ = order_p != order_q
        shared = int(differ.argmax()) if differ.any() else len(p)
        agree = (lengths_p == lengths_q) & (lengths_p <= shared)
        recovered[row] = max((nucleus for nucleus, holds in zip(NUCLEI, agree, strict=True) if holds), default=0)
    return recovered


def _ordered(p: Array) -> tuple[Array, Array]:
    """Return the token ids by falling probability (ties by id) and the length of each nucleus."""
    order = np.argsort(-p, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(p[order])[:-1]])
    return order, np.searchsorted(before, np.array(NUCLEI) / 100, side="right")
