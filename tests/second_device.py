"""A second device that this machine does not have: it refuses float64, as MPS does, and tensors that are elsewhere.

It computes on the CPU and says otherwise. Run as a program of its own, since torch takes one such device a process, and
before its first derivative: traces models on it, and over it and the CPU, and prints how far they are from the CPU's.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as trees
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("elsewhere")
DEVICE = torch.device("elsewhere", 0)
MOVES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}
INDEXED = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default}  # by indices of the CPU, as on a GPU


class Elsewhere(torch.Tensor):
    """A tensor on the device, which holds one of the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls: Any, inner: torch.Tensor) -> Any:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=DEVICE
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        return run(function, args, kwargs or {})

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError("can't convert a tensor of another device to numpy.")
        return self.detach().cpu().numpy()


def run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in trees.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    held = {id(tensor.inner): tensor for tensor in tensors if isinstance(tensor, Elsewhere)}
    of_the_cpu = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.ndim]
    if held and of_the_cpu and function not in MOVES | INDEXED:
        raise RuntimeError(f"Expected all tensors to be on the same device, in {function}.")
    target = kwargs.get("device")
    if target is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    args, kwargs = trees.tree_map_only(Elsewhere, lambda tensor: tensor.inner, (args, kwargs))
    answer = function(*args, **kwargs)
    if function is torch.ops.aten.copy_.default:
        return tensors[0]
    if not (bool(held) if target is None else torch.device(target).type == DEVICE.type):
        return answer

    def put(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype == torch.float64:
            raise TypeError(f"Cannot convert a tensor to float64 on this device, in {function}.")
        return held[id(tensor)] if id(tensor) in held else Elsewhere(tensor)

    return trees.tree_map_only(torch.Tensor, put, answer)


LIBRARY = torch.library.Library("_", "IMPL")
LIBRARY.fallback(lambda function, *args, **kwargs: run(function, args, kwargs), "PrivateUse1")


class Made(TorchFunctionMode):
    """Lets torch.tensor make tensors there, which the fallback above cannot."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = dict(kwargs or {})
        device = kwargs.get("device")
        if function is torch.tensor and device is not None and torch.device(device).type == DEVICE.type:
            return function(*args, **(kwargs | {"device": "cpu"})).to(DEVICE)
        return function(*args, **kwargs)


def moved(part: Any) -> Any:
    """A module with its weights on the device."""
    for module in part.modules():
        for name, weight in module.named_parameters(recurse=False):
            setattr(module, name, torch.nn.Parameter(Elsewhere(weight.data), requires_grad=weight.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, Elsewhere(buffer))
    return part


def over_two(model: Any) -> Any:
    """A model over two devices: each part takes its input to where it is, as with a `device_map`."""
    for part in (*model.model.layers[1:], model.model.norm, model.lm_head):
        device = torch.device("cpu") if part is model.lm_head else DEVICE
        if part is not model.lm_head:
            moved(part)

        def take(_: Any, args: Any, kwargs: Any, device: torch.device = device) -> Any:
            return trees.tree_map_only(torch.Tensor, lambda tensor: tensor.to(device), (args, kwargs))

        part.register_forward_pre_hook(take, with_kwargs=True)
    return model


def main() -> None:
    import held_models  # noqa: PLC0415 - after the device is there
    import placed_models  # noqa: PLC0415

    expected = placed_models.everything(held_models.dense())
    makers = {"there": lambda: moved(held_models.dense()), "both": lambda: over_two(held_models.dense())}
    model = makers[sys.argv[1]]()
    with Made():
        found = placed_models.everything(model)
    devices = sorted({weight.device.type for weight in model.parameters()})
    print(json.dumps({"gap": placed_models.largest_gap(found, expected), "devices": devices}))


if __name__ == "__main__":
    main()
