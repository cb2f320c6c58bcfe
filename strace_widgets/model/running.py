"""A module as s-Trace runs it, without dropout and with readable attention, and as it was before and after."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def running(module: Any, implementation: str = "eager") -> Iterator[None]:
    """Put a module into evaluation mode and eager attention while a run is under way; then leave it as it was.

    Users go on with their own module: one that is being trained goes on being trained. The flags are set one by one,
    since ``train()`` and ``eval()`` may do more in a module that overrides them (merge an adapter, for instance).

    Parameters
    ----------
    module : torch.nn.Module
    implementation : str
        Which attention function of transformers' is used.
    """
    training = [part for part in module.modules() if part.training]
    configs = {id(config): config for part in module.modules() if hasattr(config := _config(part), ATTENTION)}
    attention = [(config, getattr(config, ATTENTION)) for config in configs.values()]
    try:
        for part in training:
            part.training = False
        if any(given != implementation for _, given in attention):
            module.set_attn_implementation(implementation)
            for config, _ in attention:  # Falcon's class does not let itself be told, but reads its configuration
                setattr(config, ATTENTION, implementation)
        yield
    finally:
        for part in training:
            part.training = True
        for config, given in attention:
            setattr(config, ATTENTION, given)


ATTENTION = "_attn_implementation_internal"
"""Where transformers keeps which attention function a configuration stands for; its public name sets parts, too."""


def _config(part: Any) -> Any:
    return getattr(part, "config", None)
