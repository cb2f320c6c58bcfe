"""Watch one short forward pass: what each module of each layer was given, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from .first_pass import run


@dataclass(eq=False)
class Call:
    """One module's call: its path below the layer (or the model), first input and first output as (T, width)."""

    path: str
    module: Any
    input: Any
    output: Any
    in_tuple: bool


@dataclass
class Watched:
    """One layer's forward pass: the stream before and after, and its modules' calls in order of completion."""

    before: Any = None
    after: Any = None
    in_tuple: bool = False
    calls: list[Call] = field(default_factory=list)


def watch(module: Any, layers_path: str, n_layers: int, keywords: dict[str, Any]) -> tuple[list[Watched], list[Call]]:
    """Run four tokens through the model; return what happened in each layer, and after the layers."""
    layers = [Watched() for _ in range(n_layers)]
    after_layers: list[Call] = []
    hooks = []

    def watch_part(path: str, calls: list[Call]) -> Any:
        def hook(part: Any, args: Any, kwargs: Any, output: Any) -> None:
            taken, given = _first_tensor((*args, *kwargs.values())), _first_tensor(output)
            if taken is not None and given is not None:
                calls.append(Call(path, part, _flat(taken), _flat(given), not torch.is_tensor(output)))

        return hook

    def watch_layer(record: Watched) -> Any:
        def hook(_: Any, args: Any, kwargs: Any, output: Any) -> None:
            after_layers.clear()
            record.before = _flat(_first_tensor((*args, *kwargs.values())))
            record.after, record.in_tuple = _flat(_first_tensor(output)), not torch.is_tensor(output)

        return hook

    for path, part in module.named_modules():
        inside, _, below = path.removeprefix(f"{layers_path}.").partition(".")
        if path.startswith(f"{layers_path}.") and inside.isdecimal():
            record = layers[int(inside)]
            hook = watch_part(below, record.calls) if below else watch_layer(record)
        elif path and not layers_path.startswith(path):
            hook = watch_part(path, after_layers)
        else:
            continue
        hooks.append(part.register_forward_hook(hook, with_kwargs=True))
    try:
        run(module, keywords)
    finally:
        for registered in hooks:
            registered.remove()
    return layers, after_layers


def outer(calls: list[Call]) -> list[Call]:
    """Leave out modules inside another that takes and gives the same: it may hold others, and switch between them."""

    def stands_for(outer: Call, inner: Call) -> bool:
        return (
            inner.path.startswith(f"{outer.path}.")
            and all(a.shape == b.shape for a, b in ((outer.input, inner.input), (outer.output, inner.output)))
            and torch.equal(outer.input, inner.input)
            and torch.equal(outer.output, inner.output)
        )

    return [inner for inner in calls if not any(stands_for(outer, inner) for outer in calls)]


def _first_tensor(values: Any) -> Any:
    """Return the first hidden state among inputs or outputs: a floating-point tensor of at least two axes."""
    if torch.is_tensor(values):
        values = (values,)
    if hasattr(values, "to_tuple"):
        values = values.to_tuple()
    if not isinstance(values, (tuple, list)):
        return None
    return next((v for v in values if torch.is_tensor(v) and v.is_floating_point() and v.ndim >= 2), None)  # noqa: PLR2004


def _flat(tensor: Any) -> Any:
    """Return (1, T, ...) or (T, ...) as (T, width)."""
    # A copy: some blocks go on to add to it in place.
    tensor = tensor.detach().clone()
    return tensor.reshape(4, -1) if tensor.numel() % 4 == 0 and tensor.ndim > 1 else tensor
