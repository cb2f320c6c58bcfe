"""Where a model's weights are, and what to do about those that are not there."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from nnsight import NNsight
from torch._dynamo import OptimizedModule

from ..errors import ModelNotFoundError, UnsupportedArchitectureError
from .turns import is_compiled


def unwrapped(source: Any) -> Any:
    """Return a model that a user holds out of what was put around it to run it elsewhere, with its weights loaded."""
    if getattr(source, "dispatched", True) is False:  # nnsight's, built without weights
        source.dispatch()
    if isinstance(source, torch.nn.Module) and any(is_compiled(part) for part in source.modules()):
        warnings.warn(
            "A compiled model is traced without its compiled code, which cannot run what nnsight has looked into: load "
            "a second copy of the model where you need that code.",
            stacklevel=5,
        )
    while isinstance(source, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel, OptimizedModule)):
        source = source._orig_mod if isinstance(source, OptimizedModule) else source.module
    return source


def check_at_hand(module: Any) -> None:
    """Raise where a model's weights are nowhere, or where it reads more than the prompt.

    Raises
    ------
    ModelNotFoundError
        When weights are on the device "meta", and nothing brings them from elsewhere.
    UnsupportedArchitectureError
        When an adapter puts tokens of its own before the prompt.
    """
    name = type(module).__name__
    nowhere = [path for path, tensor in module.named_parameters() if tensor.is_meta]
    if nowhere and not any(_is_brought(part) for part in module.modules()):
        raise ModelNotFoundError(
            f"{name} has no weights: {len(nowhere)} of its tensors are on the device 'meta', {nowhere[0]!r} first. "
            "Load them, for instance with from_pretrained and without torch.device('meta'), and give the model then."
        )
    adapters = getattr(module, "peft_config", None)
    for adapter in adapters.values() if isinstance(adapters, dict) else ():
        if getattr(adapter, "is_prompt_learning", False) or getattr(adapter, "is_adaption_prompt", False):
            kind = str(getattr(adapter.peft_type, "value", adapter.peft_type)).lower().replace("_", " ")
            raise UnsupportedArchitectureError(
                f"{name} is not supported: its adapter ({kind}) adds virtual tokens to the prompt, which the graph has "
                "no nodes for. Give the model without it, or one whose adapter changes weights, such as LoRA."
            )


def _is_brought(part: Any) -> bool:
    """Tell whether accelerate brings a module's weights from elsewhere when it runs."""
    hook = getattr(part, "_hf_hook", None)
    return any(getattr(each, "offload", False) for each in (hook, *getattr(hook, "hooks", ())))


def token_device(module: Any) -> torch.device:
    """Return where a model takes its token ids; weights that are elsewhere until they run say nothing of it."""
    device = next((tensor.device for tensor in module.parameters() if not tensor.is_meta), torch.device("cpu"))
    return torch.device(device)


def is_elsewhere(module: Any) -> bool:
    """Tell whether a module's first weight is somewhere else until it is needed."""
    return next((tensor.is_meta for tensor in module.parameters()), False)


class BroughtWhenRun(NNsight):  # type: ignore[misc]
    """A module whose weights accelerate brings when they are needed: they do not say where token ids go."""

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return token_device(self._module)
