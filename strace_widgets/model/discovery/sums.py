"""Find which outputs of a layer add up to the residual stream, and with which factors."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch

from .closeness import doubled, equal, tolerance
from .watching import Call, Watched

INDEPENDENT = 1e-3
"""The smallest singular value at which directions count as several: of one direction twice it is a rounding error."""

STATED = 1e-5
"""How near a number has to be to a factor that was fitted, to be that."""


def sums(layer: Watched, calls: list[Call], start: int) -> dict[str, Any] | None:
    """Return what adds up to the stream; a sum that holds to the last bit is the block's own, so it goes first."""
    return (
        _sequential(layer, calls, start, _sum_exactly)
        or _sequential(layer, calls, start, _fit)
        or _parallel(layer, calls, start)
    )


def as_stated(found: dict[str, Any], layer: Any) -> dict[str, Any]:
    """Return what adds up with each factor as the layer itself has it, where one of its numbers is that factor.

    A fit knows it to six digits. The block's own, to the last bit, lets a stream that is taken away leave nothing: what
    rounding leaves is small, and norms blow it up.
    """
    numbers = [value for part in layer.modules() for value in vars(part).values() if isinstance(value, float)]
    scales = {name: value for name, value in found.items() if name.endswith("_scale") and value != 1}
    stated = {
        name: min(numbers, key=lambda number: abs(number - value), default=value) for name, value in scales.items()
    }
    return found | {name: stated[name] for name, value in scales.items() if abs(stated[name] / value - 1) < STATED}


def _sequential(layer: Watched, calls: list[Call], start: int, fit: Any) -> dict[str, Any] | None:
    """Look for a stream between attention and MLP that a module reads and that is the sum of two outputs."""
    residuals = [_stream(layer.before), *calls[:start]]
    for reader, residual in product(range(start + 1, len(calls)), residuals):
        middle = calls[reader].input
        for attention in calls[start:reader]:
            scales = fit(middle, residual.output, attention.output)
            if scales is None:
                continue
            # The reader may complete late (an MLP reads first and completes last), so look at all completed after it.
            after_attention = calls[calls.index(attention) + 1 :]
            for mlp_residual, mlp in product([_stream(middle), *after_attention], reversed(after_attention)):
                mlp_scales = fit(layer.after, mlp_residual.output, mlp.output)
                if mlp_scales is not None:
                    return _found(attention, residual, scales, mlp, mlp_residual, mlp_scales, parallel=False)
    return None


def _parallel(layer: Watched, calls: list[Call], start: int) -> dict[str, Any] | None:
    """Look for two outputs that are added to the stream together."""
    for attention, mlp in product(calls[start:], reversed(calls[start:])):
        if calls.index(mlp) > calls.index(attention):
            scales = _fit(layer.after, layer.before, attention.output, mlp.output)
            if scales is not None:
                stream, mlp_scales = _stream(layer.before), [1.0, scales[2]]
                return _found(attention, stream, scales, mlp, stream, mlp_scales, parallel=True)
    return None


def _stream(tensor: Any) -> Call:
    """Return the residual stream itself in the form of a call without a module."""
    return Call("", None, None, tensor, in_tuple=False)


def _found(
    attention: Call,
    residual: Call,
    scales: list[float],
    mlp: Call,
    mlp_residual: Call,
    mlp_scales: list[float],
    *,
    parallel: bool,
) -> dict[str, Any]:
    return {
        "attention_write": attention,
        "attention_residual": residual.path or None,
        "attention_residual_scale": scales[0],
        "attention_scale": scales[1],
        "mlp_write": mlp.path,
        "mlp_write_in_tuple": mlp.in_tuple,
        "mlp_residual": mlp_residual.path or None,
        "mlp_residual_scale": mlp_scales[0],
        "mlp_scale": mlp_scales[1],
        "parallel": parallel,
    }


def _sum_exactly(target: Any, *parts: Any) -> list[float] | None:
    """Return factors of 1 where the parts sum to the target to the last bit."""
    if any(part.shape != target.shape or part.dtype != target.dtype for part in parts):
        return None
    return [1.0] * len(parts) if torch.equal(sum(parts[1:], start=parts[0]), target) else None


def _fit(target: Any, *parts: Any) -> list[float] | None:
    """Return the factors with which the parts sum to the target, 1 where they are 1, or None where they do not."""
    if any(part.shape != target.shape for part in parts):
        return None
    columns = torch.stack([doubled(part).flatten() for part in parts], dim=1)
    if _along_each_other(columns):
        return None
    factors = torch.linalg.lstsq(columns, doubled(target).flatten()[:, None]).solution[:, 0]
    close = 10 * tolerance(target)
    if (factors.abs() < close).any() or not equal((columns @ factors).view_as(target), target):
        return None
    # A multiplier is a short decimal number in a configuration; what follows its sixth digit is rounding.
    return [1.0 if abs(factor - 1) < close else float(f"{factor:.6g}") for factor in factors.tolist()]


def _along_each_other(columns: Any) -> bool:
    """Tell whether one part is a multiple of others: then any factors would do, and none would mean anything."""
    directions = columns / columns.norm(dim=0).clamp_min(1e-30)
    return bool(torch.linalg.eigvalsh(directions.T @ directions)[0] < INDEPENDENT**2)
