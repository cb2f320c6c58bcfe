"""s-Trace for Jupyter: how much of a language model a prediction needs, and what breaks when a part is switched off.

Importing the package does not import torch: what needs a model is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .comparison import Comparison, compare
from .edges import Edges
from .errors import (
    FindingError,
    MissingExtraError,
    ModelNotFoundError,
    PromptError,
    SessionFileError,
    StraceError,
    StudyError,
    ToggleError,
    UnsupportedArchitectureError,
)
from .prompts import shipped_prompts
from .sweep import Sweep, TopToken
from .trace import STrace, trace

if TYPE_CHECKING:
    from .generation import trace_generation
    from .models import Model, load_model
    from .studies import study
    from .study_files import Study, load_study
    from .transfer import carry_over
    from .widgets.explorer import Explorer
    from .widgets.views import CurveView, HeadView, LayerView, SizeSlider, TokenView

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "CurveView",
    "Edges",
    "Explorer",
    "FindingError",
    "HeadView",
    "LayerView",
    "MissingExtraError",
    "Model",
    "ModelNotFoundError",
    "PromptError",
    "STrace",
    "SessionFileError",
    "SizeSlider",
    "StraceError",
    "Study",
    "StudyError",
    "Sweep",
    "ToggleError",
    "TokenView",
    "TopToken",
    "UnsupportedArchitectureError",
    "carry_over",
    "compare",
    "load_model",
    "load_study",
    "shipped_prompts",
    "study",
    "trace",
    "trace_generation",
]

_ON_FIRST_USE = {
    **dict.fromkeys(("Model", "load_model"), ".models"),
    "Explorer": ".widgets.explorer",
    **dict.fromkeys(("Study", "load_study"), ".study_files"),
    "carry_over": ".transfer",
    "study": ".studies",
    "trace_generation": ".generation",
    **dict.fromkeys(("CurveView", "HeadView", "LayerView", "SizeSlider", "TokenView"), ".widgets.views"),
}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_FIRST_USE[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
