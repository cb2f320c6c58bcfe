"""What a dropped edge carries where it is not to carry nothing: the mean of its kind over a reference text.

Nothing at all is a message that the model never sees; the mean is one that it always could. Position 0 has a mean of
its own, since the first token behaves like no other: attention rests on it, and its stream is by far the longest.

Like `strace_widgets.interventions`, this travels to a server as source: plain functions, torch only.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import attention_call, carried, find, written
from .packing import packed, stack


def reference_means(
    model: Any,
    places: dict[str, Any],
    token_ids: Any,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass of a reference text and return the means of all that an evaluation masks.

    Parameters
    ----------
    model, places, half, **run
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
    with model.trace(token_ids, use_cache=False, logits_to_keep=1, **run):
        layers, by_layer = find(model, places["layers"]), []
        for index in range(places["n_layers"]):
            layer = layers[index]
            residual = carried(layer, places, "attention", layer.input)
            value = attention_call(layer, places).inputs[0][places["value_argument"]]
            middle = residual + written(layer, places, "attention", residual)
            if not places["parallel"]:
                middle = carried(layer, places, "mlp", middle)
            mlp = written(layer, places, "mlp", residual)
            by_layer.append([first_and_mean(vectors[0]) for vectors in (value, residual, mlp, middle)])
        means = [packed(stack([kinds[kind] for kinds in by_layer]), half) for kind in range(4)].save()  # type: ignore[attr-defined]
    return means


def first_and_mean(vectors: Any) -> Any:
    """Return the vector of position 0 and the mean of those after it, (..., 2, M) float32, of vectors (..., R, M)."""
    vectors = vectors.float()
    return torch.stack([vectors[..., 0, :], vectors[..., 1:, :].mean(-2)], dim=-2)
