"""The reference text: what dropped edges carry the mean of, under ``ablation="mean"``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from . import tokenizer as asked

TEXT = Path(__file__).with_suffix(".txt")
"""The texts of the shipped prompts, a line each; a copy, so that new prompts leave the means as they are."""

N_TOKENS = 512
"""How much of it is read, at most: one short forward pass."""


def reference_ids(tokenizer: Any, n_tokens: int, vocabulary_size: int) -> np.ndarray[Any, Any]:
    """Return the first token ids (R,) int64 of the reference text.

    Parameters
    ----------
    tokenizer : Hugging Face tokenizer or None
        A model without one reads random tokens, always the same.
    n_tokens : int
        R, at most.
    vocabulary_size : int
    """
    if tokenizer is None:
        return np.random.default_rng(0).integers(vocabulary_size, size=n_tokens)
    return np.asarray(asked.read(tokenizer, TEXT.read_text(encoding="utf-8"))[:n_tokens], dtype=np.int64)
