"""What a dropped edge carries where it is not to carry nothing: the mean of its kind over a reference text.

A model never sees a stream with nothing in it, and makes errors for that reason alone; the mean is something that it
has always seen. Position 0 has a mean of its own, since the first token behaves like no other: most attention rests on
it, and its stream is by far the longest.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import find
from .block import walk
from .packing import marked, packed, stack


def reference_means(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass of a reference text and return the means of all that an evaluation masks.

    Parameters
    ----------
    model, architecture, half, **run
        As for `capture`.
    token_ids : (1, R) int64 tensor, R > 1
        The reference text.

    Returns
    -------
    values (L, key-value heads, 2, d), then attention_residual, mlp and mlp_residual (L, 2, M) : tensors
        Each as `packed`, in the order of `Edges`. Of the two rows the first is position 0, the
        second the mean over positions 1 to R - 1. None when the run was only sent.
    """
    means: Any = None
    with model.trace(token_ids, **architecture["keywords"], **run):
        by_layer = []
        for layer in find(model, architecture["layers"]):
            steps = walk(layer, architecture)
            value = next(steps).value()
            attention, mlp = steps
            vectors = (value, attention.residual, mlp.added, mlp.residual)
            by_layer.append([first_and_mean(each[0]) for each in vectors])
        found = [packed(stack([kinds[kind] for kinds in by_layer]), half) for kind in range(4)]
        means = marked(found, architecture).save()
    return means


def first_and_mean(vectors: Any) -> Any:
    """Return the vector of position 0 and the mean of those after it, (..., 2, M) float32, of vectors (..., R, M)."""
    vectors = vectors.float()
    return torch.stack([vectors[..., 0, :], vectors[..., 1:, :].mean(-2)], dim=-2)
