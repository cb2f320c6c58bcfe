"""s-Trace for Jupyter: how much of a language model a prediction needs, and what breaks when a part is switched off.

Importing the package does not import torch: what needs a model is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .edges import Edges
from .errors import (
    JobCancelledError,
    JobFileError,
    MissingKeyError,
    ModelNotFoundError,
    ModelNotServedError,
    PromptError,
    RemoteError,
    RemoteRunError,
    RemoteTimeoutError,
    RequestTooLargeError,
    ResultLostError,
    ServerLostError,
    ServerUnreachableError,
    SessionFileError,
    StraceError,
    ToggleError,
    UnsupportedArchitectureError,
    VersionMismatchError,
    WrongKeyError,
)
from .sweep import Sweep, TopToken
from .trace import STrace, trace

if TYPE_CHECKING:
    from .jobs import Job, load_job, submit
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
    "Job",
    "JobCancelledError",
    "JobFileError",
    "LayerView",
    "MissingKeyError",
    "Model",
    "ModelNotFoundError",
    "ModelNotServedError",
    "PromptError",
    "RemoteError",
    "RemoteRunError",
    "RemoteTimeoutError",
    "RequestTooLargeError",
    "ResultLostError",
    "STrace",
    "ServerLostError",
    "ServerUnreachableError",
    "SessionFileError",
    "SizeSlider",
    "StraceError",
    "Sweep",
    "ToggleError",
    "TokenView",
    "TopToken",
    "UnsupportedArchitectureError",
    "VersionMismatchError",
    "WrongKeyError",
    "load_job",
    "load_model",
    "submit",
    "trace",
]

_ON_FIRST_USE = {
    "Model": ".models",
    "load_model": ".loading",
    **dict.fromkeys(("Job", "load_job", "submit"), ".jobs"),
    "Explorer": ".widgets.explorer",
    **dict.fromkeys(("CurveView", "HeadView", "LayerView", "SizeSlider", "TokenView"), ".widgets.views"),
}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_FIRST_USE[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
