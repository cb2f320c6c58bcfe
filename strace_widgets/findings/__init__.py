"""What a study over many prompts says: one function a finding, each from a study to a tidy table.

`strace_widgets.charts` draws each table under the finding's name: ``charts.composition(findings.composition(study))``.
The findings are those of the s-Trace paper (arXiv 2605.27033) where a function's notes say so. In every table `size` is
the relative size s, `lower`, `median` and `upper` are the quartiles over prompts, and shares are in [0, 1].
"""

from __future__ import annotations

from ..errors import MissingExtraError

try:
    import pandas as pd  # noqa: F401
    import scipy as sp  # noqa: F401
except ImportError as reason:
    raise MissingExtraError(
        f"Findings need packages that are not installed ({reason}): pip install 'strace_widgets[study]'"
    ) from reason

from .agreement import agreement, groups, shared_components
from .composition import component_use, composition, use_inequality
from .geometry import geometry
from .prompts import extremes, shallow_statistics, uncertainty, uncertainty_correlation
from .reconstruction import error_by_size, nucleus_sizes, phases
from .savings import savings
from .transfer import transfer

__all__ = [
    "agreement",
    "component_use",
    "composition",
    "error_by_size",
    "extremes",
    "geometry",
    "groups",
    "nucleus_sizes",
    "phases",
    "savings",
    "shallow_statistics",
    "shared_components",
    "transfer",
    "uncertainty",
    "uncertainty_correlation",
    "use_inequality",
]
