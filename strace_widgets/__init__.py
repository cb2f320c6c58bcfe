"""s-Trace for Jupyter: how much of a language model a prediction needs, and what breaks when a part is switched off.

Importing the package does not import torch: what needs a model is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .edges import Edges
from .errors import (
    MissingPackageError,
    ModelMismatchError,
    ModelNotFoundError,
    NoModelError,
    PromptError,
    SessionFileError,
    StraceError,
    ToggleError,
    TraceFileError,
    UnsupportedArchitectureError,
)
from .sweep import Sweep, TopToken
from .trace import STrace, trace

if TYPE_CHECKING:
    from .export import to_html
    from .files import load_trace
    from .loading import load_model
    from .models import Model
    from .widgets.explorer import Explorer
    from .widgets.views import CurveView, HeadView, LayerView, SizeSlider, TokenView

__version__ = "0.1.0"

__all__ = [
    "CurveView",
    "Edges",
    "Explorer",
    "HeadView",
    "LayerView",
    "MissingPackageError",
    "Model",
    "ModelMismatchError",
    "ModelNotFoundError",
    "NoModelError",
    "PromptError",
    "STrace",
    "SessionFileError",
    "SizeSlider",
    "StraceError",
    "Sweep",
    "ToggleError",
    "TokenView",
    "TopToken",
    "TraceFileError",
    "UnsupportedArchitectureError",
    "load_model",
    "load_trace",
    "to_html",
    "trace",
]

_ON_FIRST_USE = {
    "Model": ".models",
    "load_model": ".loading",
    "load_trace": ".files",
    "to_html": ".export",
    "Explorer": ".widgets.explorer",
    **dict.fromkeys(("CurveView", "HeadView", "LayerView", "SizeSlider", "TokenView"), ".widgets.views"),
}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_ON_FIRST_USE[name], __name__), name)
    except ModuleNotFoundError as reason:
        raise MissingPackageError(
            f"strace_widgets.{name} needs {reason.name}, which is not installed. What runs a model needs all of "
            "`pip install torch nnsight transformers numba tqdm platformdirs`; saved traces open without them."
        ) from reason


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%strace``, for ``%load_ext strace_widgets``."""
    from .magics import StraceMagics  # noqa: PLC0415 - only IPython calls this

    ipython.register_magics(StraceMagics)


def __dir__() -> list[str]:
    return __all__
