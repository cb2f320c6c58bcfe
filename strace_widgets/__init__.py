"""s-Trace for Jupyter: how much of a language model a prediction needs, and what breaks when a part is switched off.

Importing the package does not import torch: what needs a model is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors
from .errors import RemoteError, StraceError, missing_for_a_model
from .graph.edges import Edges
from .model.request_estimates import Estimate
from .results.comparison import Comparison, compare
from .results.run import estimate, trace
from .results.strace import STrace
from .results.sweep import Sweep, TopToken
from .studies.pairs import shipped_pairs
from .studies.prompts import read_prompts, shipped_prompts
from .waiting import saying

if TYPE_CHECKING:
    from .explorer.html_page import to_html
    from .explorer.views import CurveView, FormingView, GraphView, LayerView, SizeSlider, TokenView, TopKView
    from .explorer.widget import Explorer
    from .findings.comparison_run import compare_measures, load_measure_comparison
    from .findings.measure_comparison import MeasureComparison
    from .model.loading import load_model
    from .model.model import Model
    from .results.generation import trace_generation
    from .results.jobs import Job, load_job, submit
    from .results.trace_file import load_trace
    from .results.transfer import carry_over
    from .studies.on_ray import RayCluster
    from .studies.run import repeat_study, study
    from .studies.store import Study, load_study

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "CurveView",
    "Edges",
    "Estimate",
    "Explorer",
    "FormingView",
    "GraphView",
    "Job",
    "LayerView",
    "MeasureComparison",
    "Model",
    "RayCluster",
    "RemoteError",
    "STrace",
    "SizeSlider",
    "StraceError",
    "Study",
    "StudyExplorer",
    "Sweep",
    "TokenView",
    "TopKView",
    "TopToken",
    "carry_over",
    "compare",
    "compare_measures",
    "errors",
    "estimate",
    "load_job",
    "load_measure_comparison",
    "load_model",
    "load_study",
    "load_trace",
    "read_prompts",
    "repeat_study",
    "shipped_pairs",
    "shipped_prompts",
    "study",
    "submit",
    "to_html",
    "trace",
    "trace_generation",
]

_ON_FIRST_USE = {
    "Model": ".model.model",
    "load_model": ".model.loading",
    **dict.fromkeys(("Job", "load_job", "submit"), ".results.jobs"),
    "load_trace": ".results.trace_file",
    "MeasureComparison": ".findings.measure_comparison",
    **dict.fromkeys(("compare_measures", "load_measure_comparison"), ".findings.comparison_run"),
    "to_html": ".explorer.html_page",
    "Explorer": ".explorer.widget",
    **dict.fromkeys(("Study", "load_study"), ".studies.store"),
    "StudyExplorer": ".study_explorer.widget",
    "carry_over": ".results.transfer",
    "RayCluster": ".studies.on_ray",
    **dict.fromkeys(("repeat_study", "study"), ".studies.run"),
    "trace_generation": ".results.generation",
    **dict.fromkeys(
        ("CurveView", "FormingView", "GraphView", "TopKView", "LayerView", "SizeSlider", "TokenView"), ".explorer.views"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        with saying(f"importing what {name} needs"):  # torch and transformers take seconds
            return getattr(import_module(_ON_FIRST_USE[name], __name__), name)
    except ModuleNotFoundError as reason:
        raise missing_for_a_model(f"strace_widgets.{name}", reason.name) from reason


def load_ipython_extension(ipython: Any) -> None:
    """Register ``%strace``, for ``%load_ext strace_widgets``."""
    from .magics import StraceMagics  # noqa: PLC0415 - only IPython calls this

    ipython.register_magics(StraceMagics)


def __dir__() -> list[str]:
    return __all__
