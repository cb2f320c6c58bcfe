"""What happened to a model since it was loaded, or since a trace of it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ModelChangedError
from ..interventions.access import find
from .running import parts_of

if TYPE_CHECKING:
    from .architecture import Architecture


def modules_read(wrapped: Any, architecture: Architecture) -> dict[str, Any]:
    """Return the modules that runs read or replace, by path, as they were when the model was loaded and proved."""
    a = architecture
    paths = {a.attention, a.output_projection, a.attention_write, a.mlp_write, a.attention_residual, a.mlp_residual}
    paths |= {norm.path for norm in (a.inner_norm, a.outer_norm) if norm is not None}
    inside = [f"{a.layers}.{index}.{path}" for index in range(a.n_layers) for path in paths if path is not None]
    final = [a.final_norm.path] if a.final_norm is not None else []
    return {path: find(wrapped, path)._module for path in [*inside, *final]}


def check_in_place(module: Any, read: dict[str, Any]) -> None:
    """Raise where modules of a model were put in the place of others after it was loaded and proved.

    Parameters
    ----------
    module : torch.nn.Module
    read : dict
        As `modules_read` returns it.

    Raises
    ------
    ModelChangedError
    """
    for path, known in read.items():
        try:
            replaced = find(module, path) is not known
        except AttributeError:
            replaced = True
        if replaced:
            raise ModelChangedError(
                f"{path!r} of {type(module).__name__} is another module than when it was loaded (an adapter was put in "
                "or merged away, or weights were quantized): load the model again with strace_widgets.load_model."
            )


def state_of(module: Any) -> int:
    """Return a number that changes when weights are trained, or adapters are switched, merged or disabled.

    Weights that are elsewhere until they run, frozen ones, and what is changed through ``.data`` are not seen.
    """
    parts = parts_of(module)
    # Frozen weights are not trained, and some adapters change them while they run, and back.
    trained = [weight for weight in _tensors(parts, "_parameters") if weight.requires_grad and not weight.is_meta]
    versions = (weight._version for weight in trained if not weight.is_inference())
    return hash((*_adapters(parts), *versions))


def weights_of(module: Any) -> int | None:
    """Return a number that changes when any weight or buffer at hand does, or another is put in its place, or adapters.

    What is changed through ``.data`` is not seen where it stays. None where weights do not tell (inference tensors).
    """
    parts = parts_of(module)
    weights = [*_tensors(parts, "_parameters"), *_tensors(parts, "_buffers")]
    if any(weight.is_inference() for weight in weights):
        return None
    return hash((*_adapters(parts), *((weight.data_ptr(), weight._version) for weight in weights)))


def _tensors(parts: list[Any], kind: str) -> list[Any]:
    """Return the tensors of modules: ``parameters()`` or ``buffers()``, without their nested generators."""
    return [tensor for part in parts for tensor in part.__dict__[kind].values() if tensor is not None]


def _adapters(parts: list[Any]) -> list[tuple[str, bool, str]]:
    """Return which adapters are in use."""
    return [
        (
            str(getattr(part, "active_adapters", "")),
            bool(part.disable_adapters),
            str(getattr(part, "merged_adapters", "")),
        )
        for part in parts
        if isinstance(getattr(part, "disable_adapters", None), bool)
    ]
