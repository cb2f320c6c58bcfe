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
    GradientsRefusedError,
    JobCancelledError,
    JobFileError,
    MissingKeyError,
    MissingPackageError,
    ModelMismatchError,
    ModelNotFoundError,
    ModelNotServedError,
    NoGradientsError,
    NoModelError,
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
    StudyError,
    ToggleError,
    TraceFileError,
    UnsupportedArchitectureError,
    VersionMismatchError,
    WrongKeyError,
)
from .estimates import Estimate, estimate
from .prompts import shipped_prompts
from .sweep import Sweep, TopToken
from .trace import STrace
from .tracing import trace

if TYPE_CHECKING:
    from .export import to_html
    from .files import load_trace
    from .generation import trace_generation
    from .jobs import Job, load_job, submit
    from .loading import load_model
    from .measure_comparison import MeasureComparison, compare_measures, load_measure_comparison
    from .models import Model
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
    "Estimate",
    "Explorer",
    "FindingError",
    "GradientsRefusedError",
    "HeadView",
    "Job",
    "JobCancelledError",
    "JobFileError",
    "LayerView",
    "MeasureComparison",
    "MissingKeyError",
    "MissingPackageError",
    "Model",
    "ModelMismatchError",
    "ModelNotFoundError",
    "ModelNotServedError",
    "NoGradientsError",
    "NoModelError",
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
    "Study",
    "StudyError",
    "Sweep",
    "ToggleError",
    "TokenView",
    "TopToken",
    "TraceFileError",
    "UnsupportedArchitectureError",
    "VersionMismatchError",
    "WrongKeyError",
    "carry_over",
    "compare",
    "compare_measures",
    "estimate",
    "load_job",
    "load_measure_comparison",
    "load_model",
    "load_study",
    "load_trace",
    "shipped_prompts",
    "study",
    "submit",
    "to_html",
    "trace",
    "trace_generation",
]

_ON_FIRST_USE = {
    "Model": ".models",
    "load_model": ".loading",
    **dict.fromkeys(("Job", "load_job", "submit"), ".jobs"),
    "load_trace": ".files",
    **dict.fromkeys(("MeasureComparison", "compare_measures", "load_measure_comparison"), ".measure_comparison"),
    "to_html": ".export",
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
