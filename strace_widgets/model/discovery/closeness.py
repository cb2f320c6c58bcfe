"""When two tensors of a short watched pass count as equal, in float64 on this machine: not every device has it."""

from __future__ import annotations

from typing import Any

import torch


def doubled(tensor: Any) -> Any:
    """Return a tensor in float64 on the CPU."""
    return tensor.detach().cpu().double()


def tolerance(tensor: Any) -> float:
    """Return the relative gap at which two tensors of the watched pass count as equal."""
    return 1e-5 if tensor.dtype in {torch.float32, torch.float64} else 1e-2


def equal(value: Any, truth: Any, close: float | None = None) -> bool:
    """Tell whether two tensors are equal up to rounding, row by row, since one token's stream may dwarf the others'."""
    if value.shape != truth.shape:
        return False
    gap = (doubled(value) - doubled(truth)).abs().amax(-1)
    close = tolerance(truth) if close is None else close
    return bool((gap <= close * doubled(truth).abs().amax(-1).clamp_min(1e-30)).all())
