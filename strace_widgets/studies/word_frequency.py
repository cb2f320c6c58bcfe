"""How frequent each token of a vocabulary is as an English word, and how a prediction correlates with that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..extras import stats, wordfreq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graph.edges import Array


class Unigram(NamedTuple):
    """The tokens that are words, and how frequent they are.

    Attributes
    ----------
    ids : (W,) int64
    log_frequency : (W,) float64
        Natural logarithm of the share of all running words.
    """

    ids: Array
    log_frequency: Array


def unigram(vocabulary: Sequence[str]) -> Unigram:
    """Return the frequencies of a vocabulary's words in English, from the package wordfreq.

    A token counts as a word if it consists of letters and wordfreq knows it. It must begin with a space, unless no
    token of the vocabulary does. Case does not matter.
    """
    words = [text[1:] if text.startswith(" ") else "" for text in vocabulary]
    if not any(words):  # this tokenizer writes no spaces
        words = list(vocabulary)
    frequency = wordfreq.get_frequency_dict("en")
    known = {i: frequency[word.lower()] for i, word in enumerate(words) if word.isalpha() and word.lower() in frequency}
    return Unigram(np.array(list(known), dtype=np.int64), np.log(np.array(list(known.values()), dtype=np.float64)))


def rank_correlation(rows: Array, reference: Array) -> Array:
    """Return Spearman's rank correlation (K,) of each row (K, N) with a reference (N,); ties take their mean rank.

    NaN if the row or the reference is constant, or if N < 3.
    """
    if len(reference) < 3:  # noqa: PLR2004 - two ranks always correlate
        return np.full(len(rows), np.nan)
    x, y = stats.rankdata(rows, axis=1), stats.rankdata(reference)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean()
    with np.errstate(invalid="ignore"):
        result: Array = x @ y / np.sqrt((x**2).sum(axis=1) * (y**2).sum())
    return result
