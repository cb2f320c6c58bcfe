"""Linear maps as modules hold them: as a plain weight, packed into few bits, or under an adapter.

What a module's own arithmetic does to a run is tried on it, so that no table of formats is needed.
"""

from __future__ import annotations

import warnings
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


def width_taken(part: Any) -> int:
    """Return how many numbers a linear module takes a token: of a packed weight the shape says nothing."""
    widths = (getattr(each, name, None) for each in part.modules() for name in ("nx", "in_features"))
    return int(next(width for width in widths if width is not None))


def rows_of(embedding: Any) -> int:
    """Return how many token ids an embedding reads; one under an adapter has no number of them."""
    return int(getattr(embedding, "num_embeddings", None) or embedding.weight.shape[0])


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


def arithmetic(calls: list[tuple[str, Any, Any, Any]], projection: str) -> Arithmetic:
    """Try the modules that hold matrices otherwise than torch does.

    Parameters
    ----------
    calls : list of (path, module, its input (T, in), its output)
    projection : str
        The path, from a layer, of the output projection, which may hold its matrix in a module below.
    """
    tried = [
        (path, _tried(part, taken, given))
        for path, part, taken, given in calls
        if (_may_round(part) or path.endswith(f".{projection}")) and not _multiplies(part, taken, given)
    ]
    found = [(path, *each) for path, each in tried if each is not None]
    return Arithmetic(
        any(rounds for _, rounds, _, _ in found),
        any(apart for _, _, apart, _ in found),
        next((path for path, _, _, passes in found if not passes), None),
    )


def _may_round(part: Any) -> bool:
    """Tell whether a module holds a matrix and may do other than multiply by it; experts' routers are no such thing."""
    kind = type(getattr(part, "weight", None))
    held_otherwise = kind not in {torch.Tensor, torch.nn.Parameter} or any(True for _ in part.children())
    return isinstance(part, torch.nn.Linear) or (holds_matrix(part) and held_otherwise)


def _multiplies(part: Any, taken: Any, given: Any) -> bool:
    """Tell whether a module multiplied by ordinary numbers, and nothing was put in its way."""
    if type(part) not in {torch.nn.Linear, Conv1D} or type(part.weight) not in {torch.Tensor, torch.nn.Parameter}:
        return False
    if part.weight.is_meta:  # not loaded now
        return True
    weight = part.weight.T if isinstance(part, Conv1D) else part.weight
    if weight.shape[1] != taken.shape[-1] or weight.dtype != taken.dtype:
        return False
    return equal(torch.nn.functional.linear(taken, weight, part.bias), given, _close(given))


def _tried(part: Any, taken: Any, given: Any) -> tuple[bool, bool, bool] | None:
    """Return whether a module rounds, whether it does so by what else is in the batch, and whether derivatives pass.

    None for one that is no function of these rows alone: it was not watched at what it is tried with.
    """
    close = _close(given)
    with torch.no_grad():
        try:
            answer = part(taken)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return None
        if not torch.is_tensor(answer) or not equal(answer, given, close):
            return None
        sums = doubled(answer[:2]) + doubled(answer[2:]) - doubled(part(torch.zeros_like(taken[:1])))
        together = part(taken[:2] + taken[2:])
        beside = part(torch.cat([taken, (100 * taken).clamp(-1e4, 1e4)]))[: len(taken)]
    rounds = not equal(sums, together, close)
    return rounds, _differ(beside, answer), _passes_derivatives(part, taken)


def _differ(value: Any, truth: Any) -> bool:
    """Tell whether two answers differ on the whole: rounding moves single numbers in their last digit."""
    gap, size = (doubled(tensor).square().mean().sqrt() for tensor in (doubled(value) - doubled(truth), truth))
    return bool(gap > (1e-4 if truth.dtype in CLOSE else 1e-3) * size)


def _passes_derivatives(part: Any, taken: Any) -> bool:
    """Tell whether a module passes derivatives on; for an operation that has none, torch warns and passes nothing."""
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = taken.clone().requires_grad_()
        try:
            (found,) = torch.autograd.grad(part(given).float().sum(), given, allow_unused=True)
        except RuntimeError:
            return False
    return found is not None and bool(found.any())


def _close(tensor: Any) -> float:
    return CLOSE.get(tensor.dtype, 1e-2)
