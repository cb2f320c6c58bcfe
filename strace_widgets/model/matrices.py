"""Linear maps as modules hold them: as a plain weight, packed into few bits, or under an adapter.

What a module's own arithmetic does to a run is tried on it, so that no table of formats is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from .closeness import doubled, equal

CLOSE = {torch.float32: 1e-4, torch.float64: 1e-4}
"""Relative gap at which a map counts as exact; half precision cannot do better than 1e-2."""
NUMBERS = frozenset({torch.float64, torch.float32, torch.bfloat16, torch.float16})


@dataclass(frozen=True)
class Arithmetic:
    """What the modules that hold a model's matrices do besides multiplying.

    Attributes
    ----------
    rounds : bool
        Some round what they are given (to eight bits, say), so that they are linear only up to that.
    rows_apart : bool
        Some round by what else is in the batch: what runs beside a prompt changes its numbers.
    no_gradients : str or None
        The path of one that no derivative passes.
    """

    rounds: bool = False
    rows_apart: bool = False
    no_gradients: str | None = None


def holds_matrix(part: Any) -> bool:
    """Tell whether a module holds a matrix of its own, under whatever name and in however few bits."""
    if isinstance(part, torch.nn.Embedding):
        return False
    weight = getattr(part, "weight", None)
    own = [weight() if callable(weight) else weight, *part.parameters(recurse=False), *part.buffers(recurse=False)]
    return any(getattr(tensor, "ndim", 0) == 2 for tensor in own)  # noqa: PLR2004


def plain_weight(part: Any) -> Any:
    """Return the weight of a module that holds it as ordinary numbers and nothing else, or None."""
    weight: Any = getattr(part, "weight", None)
    ordinary = type(weight) in {torch.Tensor, torch.nn.Parameter} and weight.dtype in NUMBERS and not weight.is_meta
    return weight if ordinary and not any(True for _ in part.children()) else None


def how_read(part: Any, taken: Any, given: Any) -> str:
    """Return how a linear module's map is had: see `Architecture.projection_read`.

    Parameters
    ----------
    part : torch.nn.Module
    taken, given : (T, in) and (T, out) tensors
        What it was given and answered in the watched pass.
    """
    weight, bias = plain_weight(part), getattr(part, "bias", None)
    if weight is not None and weight.ndim == 2:  # noqa: PLR2004
        constant = 0.0 if bias is None else doubled(bias)
        for name, matrix in (("stored", weight), ("transposed", weight.T)):
            fits = matrix.shape == (given.shape[-1], taken.shape[-1])
            if fits and equal(doubled(taken) @ doubled(matrix).T + constant, given, _close(given)):
                return name
    return "asked"


def arithmetic(calls: list[tuple[str, Any, Any]]) -> Arithmetic:
    """Try the modules that hold matrices otherwise than torch does; calls are (path, module, its input (T, in))."""
    found = [
        (path, *_tried(part, taken))
        for path, part, taken in calls
        if holds_matrix(part) and not (type(part) in {torch.nn.Linear, Conv1D} and _plain_or_away(part))
    ]
    return Arithmetic(
        any(rounds for _, rounds, _, _ in found),
        any(apart for _, _, apart, _ in found),
        next((path for path, _, _, passes in found if not passes), None),
    )


def _plain_or_away(part: Any) -> bool:
    """Tell whether a weight is ordinary numbers, here or not loaded now."""
    return type(part.weight) in {torch.Tensor, torch.nn.Parameter} and part.weight.dtype in NUMBERS


def _tried(part: Any, taken: Any) -> tuple[bool, bool, bool]:
    """Return whether a module rounds, whether it does so by what else is in the batch, and whether derivatives pass."""
    with torch.no_grad():
        answer, zero = part(taken), part(torch.zeros_like(taken[:1]))
        halves = part(taken[:2] + taken[2:])
        beside = part(torch.cat([taken, (100 * taken).clamp(-1e4, 1e4)]))[: len(taken)]
    with torch.enable_grad():
        passes = part(taken.clone().requires_grad_()).requires_grad
    sums = doubled(answer[:2]) + doubled(answer[2:]) - doubled(zero)
    close = _close(answer)
    return not equal(sums, doubled(halves), close), not equal(beside, answer, close), passes


def _close(tensor: Any) -> float:
    return CLOSE.get(tensor.dtype, 1e-2)
