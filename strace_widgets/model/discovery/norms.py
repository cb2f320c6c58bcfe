"""Find the norms between the heads and the stream, or before the prediction, and say which norm each of them is."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from typing import Any

import torch

from ...errors import UnsupportedArchitectureError
from ...interventions.access import asked_gain, norm_bias, normed
from ..architecture import Norm
from .closeness import doubled, equal
from .matrices import plain_weight
from .watching import Call, outer


def find_final_norm(calls: list[Call], last: Any, name: str) -> Norm | None:
    """Return the norm that reads the last layer's output, or None where the head reads it directly."""
    for call in outer(calls):
        if call.output.shape == last.shape and call.input.shape == last.shape and equal(call.input, last):
            return describe_norm(call, f"the final norm of {name}")
    return None


def describe_norm(call: Call, where: str) -> Norm:
    """Return which norm reproduces a module's output from its input."""
    held, taken = getattr(call.module, "weight", None), call.input
    fits = taken.shape == call.output.shape and (held is None or getattr(held, "shape", None) == taken.shape[-1:])
    names = ("variance_epsilon", "eps", "epsilon", "norm_eps")
    epsilon = next((float(getattr(call.module, e)) for e in names if getattr(call.module, e, None) is not None), 1e-5)
    plain = plain_weight(call.module)
    gains: dict[str, Any] = {} if plain is None else {"weight": doubled(plain), "1 + weight": 1 + doubled(plain)}
    gains |= {"none": 1.0} if held is None else {"asked": None}
    found: list[tuple[float, Norm]] = []
    for (name, gain), centred in product(gains.items() if fits else (), (False, True)):
        if name == "asked" and found:
            break
        norm = Norm(call.path, centred, name, epsilon)
        with torch.no_grad():
            factors = asked_gain(call.module, asdict(norm), taken) if name == "asked" else gain
            bias = norm_bias(call.module, taken)
        value = normed(doubled(taken), asdict(norm))[0] * (doubled(factors) if torch.is_tensor(factors) else factors)
        value = value + (0.0 if bias is None else doubled(bias))
        if equal(value, call.output):
            found.append((float((value - doubled(call.output)).square().mean()), norm))
    if found:  # in half precision several may be: a weight of 100 is within rounding of 1 + weight
        return min(found, key=lambda each: each[0])[1]
    raise UnsupportedArchitectureError(
        f"{where}: {call.path!r} ({type(call.module).__name__}) stands between the heads and the stream or the "
        "prediction, and is no RMSNorm or LayerNorm that could be linearised."
    )
