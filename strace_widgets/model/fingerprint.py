"""What tells one loaded model from another of the same name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch

from .placement import is_elsewhere, token_device

if TYPE_CHECKING:
    from .model import Model

SAMPLED = 64
"""Values of each weight that are part of the digest, evenly spaced."""


def weights_digest(model: Model) -> str:
    """Return a SHA-256, in hex, of the index of a model's weights: names, shapes, number formats and `SAMPLED` values.

    It takes no time on a large model, and tells a checkpoint, a finetuned or a quantized model from another. Weights
    that are elsewhere (on a server, on a disk) have no values here, only names and shapes.

    Parameters
    ----------
    model : Model
    """
    found = hashlib.sha256()
    module = model.nnsight._module
    for name, weight in sorted(module.named_parameters()):
        found.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        if not weight.is_meta:
            found.update(_sample(weight))
    return found.hexdigest()


def device_of(model: Model) -> str:
    """Return where a model runs: a device of torch, the address of a server, or ``"several"`` devices in turn."""
    module = model.nnsight._module
    if model.server:
        return model.server.url
    return "several" if is_elsewhere(module) else str(token_device(module))


def _sample(weight: Any) -> bytes:
    flat = weight.detach().reshape(-1)
    n, n_sampled = len(flat), min(SAMPLED, len(flat))
    places = [place * (n - 1) // max(n_sampled - 1, 1) for place in range(n_sampled)]
    values = flat[torch.tensor(places, dtype=torch.long, device=flat.device)].contiguous().cpu()
    return bytes(values.view(torch.uint8).numpy().tobytes())
