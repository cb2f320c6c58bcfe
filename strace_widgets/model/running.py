"""A module as s-Trace runs it, without dropout and with readable attention, and as it was before and after."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch

from .interrupts import held_back
from .placement import token_device
from .turns import alone, is_compiled

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
    parts = parts_of(module)  # before every run, so they are walked through once
    compiled = any(map(is_compiled, parts))
    with held_back(), alone(module, parts), _set(module, parts, implementation, compiled=compiled):
        yield


@contextmanager
def _set(module: Any, parts: list[Any], implementation: str, *, compiled: bool) -> Iterator[None]:
    training = [part for part in parts if part.training]
    configs = {id(config): config for part in parts if hasattr(config := _config(part), ATTENTION)}
    attention = [(config, getattr(config, ATTENTION)) for config in configs.values()]
    derivatives = torch.is_grad_enabled()
    try:
        for part in training:
            part.training = False
        if any(given != implementation for _, given in attention):
            module.set_attn_implementation(implementation)
            for config, _ in attention:  # Falcon's class does not let itself be told, but reads its configuration
                setattr(config, ATTENTION, implementation)
        with ExitStack() as modes:
            for mode in _undone(module, compiled=compiled):
                modes.enter_context(mode)
            yield
    finally:
        for part in training:
            part.training = True
        for config, given in attention:
            setattr(config, ATTENTION, given)
        # torch's own switch is thrown before its block begins: what is raised in between would leave it so.
        torch.set_grad_enabled(derivatives)


def parts_of(module: Any) -> list[Any]:
    """Return all modules inside a module, itself included: ``modules()``, without its nested generators."""
    found, waiting = {}, [module]
    while waiting:
        part = waiting.pop()
        if id(part) not in found:
            found[id(part)] = part
            waiting += part.children()
    return list(found.values())


def _undone(module: Any, *, compiled: bool) -> Iterator[Any]:
    """Yield what undoes the modes of torch that surround a call: numbers are those of the model as it was loaded.

    An Explorer asks on threads of its own, which know nothing of them; compiled code has no place to look into.
    """
    yield torch.inference_mode(False)  # noqa: FBT003
    if torch.get_default_device().type != "cpu":
        yield torch.device("cpu")
    for kind in {"cpu", token_device(module).type}:
        if torch.is_autocast_enabled(kind):
            yield torch.autocast(kind, enabled=False)
    if compiled:
        yield torch.compiler.set_stance("force_eager")


ATTENTION = "_attn_implementation_internal"
"""Where transformers keeps which attention function a configuration stands for; its public name sets parts, too."""


def _config(part: Any) -> Any:
    # Most parts have none, which a module says by an exception.
    return getattr(part, "config", None) if "config" in part.__dict__ or hasattr(type(part), "config") else None
