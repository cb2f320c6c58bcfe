"""Whether a model gives the derivatives that some measures need, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import NoGradientsError, RemoteError, UnsupportedArchitectureError
from ..graph.measures import GRADIENTS
from ..interventions.gradients import REFUSED

if TYPE_CHECKING:
    from .architecture import Architecture


IN_PLACE = "needed for gradient computation has been modified by an inplace operation"


def check(name: str, module: Any, architecture: Architecture) -> None:
    """Raise where it is known beforehand that derivatives are missing, or would be wrong.

    Raises
    ------
    NoGradientsError
    """
    if architecture.no_gradients is not None:
        part = type(module.get_submodule(architecture.no_gradients))
        raise _refused(
            name,
            f"no derivative passes {architecture.no_gradients!r} ({part.__module__}.{part.__name__}), which is "
            "quantized",
        )
    if any(tensor.is_inference() for tensor in (*module.parameters(), *module.buffers())):
        raise _refused(
            name, "its weights were made under torch.inference_mode, which forbids derivatives: load it outside"
        )


def check_batch(name: str, architecture: Architecture, score: str) -> None:
    """Raise where a score takes several rows in one pass, and the model's rows change one another.

    Raises
    ------
    UnsupportedArchitectureError
    """
    if score == "eap-ig" and architecture.rows_apart:
        raise UnsupportedArchitectureError(
            f"The steps of 'eap-ig' run in one batch, and what runs beside a prompt changes the numbers of {name}, "
            "whose modules round by the whole batch: choose another measure, such as 'eap'."
        )


def refusal(reason: Exception, name: str) -> NoGradientsError | None:
    """Return what an exception of a run says about derivatives, in words; None if it says nothing of them."""
    if isinstance(reason, RemoteError):
        return None
    if REFUSED in str(reason):
        return _refused(name, "quantized weights often give none")
    if IN_PLACE in str(reason):  # bitsandbytes adds biases in half precision like this
        return _refused(name, "one of its modules changes in place what derivatives are made from")
    return None


def _refused(name: str, why: str) -> NoGradientsError:
    return NoGradientsError(
        f"{name} gives no gradients here, which the measures {', '.join(map(repr, GRADIENTS))} need ({why}): choose "
        "another measure, such as 'l2'."
    )
