"""What a run gives back, in as few bytes as say the same."""

from __future__ import annotations

from typing import Any

import torch


def marked(found: Any, architecture: dict[str, Any]) -> Any:
    """Return what a run found as it travels: with the mark of its request, which tells it from any other's."""
    mark = architecture.get("mark")
    return found if mark is None else [found, mark]


def answer(by_layer: list[Any], logits: Any, half: bool) -> Any:  # noqa: FBT001
    """Return the scores of all layers, of four kinds each, and the logits as `capture` answers."""
    attention, *tokens = [stack([layer[kind] for layer in by_layer]) for kind in range(4)]
    return [packed(attention, half), *tokens, packed(logits.detach(), half)]


def stack(by_layer: list[Any]) -> Any:
    """Return a list of one tensor a layer as one tensor, with zeros at the ends of those that are smaller.

    Layers may lie on several devices: it is on the first's.
    """
    by_layer = [tensor.to(by_layer[0].device) for tensor in by_layer]
    if all(tensor.shape == by_layer[0].shape for tensor in by_layer):
        return torch.stack(by_layer)
    size = [max(sizes) for sizes in zip(*(tensor.shape for tensor in by_layer), strict=True)]
    stacked = by_layer[0].new_zeros(len(by_layer), *size)
    for index, tensor in enumerate(by_layer):
        stacked[(index, *map(slice, tensor.shape))] = tensor.to(stacked)
    return stacked


def packed(values: Any, half: bool) -> tuple[Any, Any]:  # noqa: FBT001
    """Return values and the factor to multiply them with: in half precision scaled so that small ones survive.

    What is not finite stays what it is: a suppressed token's logit is minus infinity.
    """
    if not half:
        return values, torch.ones(())
    sizes = values.abs()
    largest = sizes.masked_fill(~torch.isfinite(sizes), 0.0).max().clamp_min(1e-30) / 32768  # half the range, rounding
    return (values / largest).half(), largest
