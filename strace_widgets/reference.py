"""The reference text: what dropped edges carry the mean of, under ``ablation="mean"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .prompts import shipped_prompts

if TYPE_CHECKING:
    from .models import Model

N_TOKENS = 512
"""How much of it is read, at most: one short forward pass."""


def reference_ids(model: Model) -> np.ndarray[Any, Any]:
    """Return the token ids (R,) of the shipped prompts, a line each, as far as they are read.

    A model without a tokenizer reads random tokens, always the same.
    """
    length = min(model.architecture.context, N_TOKENS)
    if model.tokenizer is None:
        return np.random.default_rng(0).integers(model.vocabulary_size, size=length)
    text = "\n".join(prompt["text"] for prompt in shipped_prompts())
    return model.encode(model.tokenizer(text, verbose=False)["input_ids"][:length])
