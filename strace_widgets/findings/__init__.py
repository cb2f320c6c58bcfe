"""Findings of a study over many prompts: each is a function from a study to a tidy table.

`strace_widgets.charts` draws each table under the finding's name: ``charts.composition(findings.composition(study))``.
The notes of a function say so if its finding is one of the s-Trace paper (arXiv 2605.27033). In every table `size` is
the relative size s, `lower`, `median` and `upper` are the quartiles over prompts, and shares are in [0, 1]. Every
finding raises `FindingError` when a table that it reads is empty or lacks a column.
"""

from __future__ import annotations

from .agreement import agreement, groups, shared_components
from .budget import Budget, budget
from .composition import component_use, composition, use_inequality
from .faithfulness import faithfulness
from .geometry import geometry
from .prompts import extremes, shallow_statistics, uncertainty, uncertainty_correlation
from .reconstruction import error_by_size, nucleus_sizes, phases
from .roles import shared_roles
from .savings import savings

__all__ = [
    "Budget",
    "agreement",
    "budget",
    "component_use",
    "composition",
    "error_by_size",
    "extremes",
    "faithfulness",
    "geometry",
    "groups",
    "nucleus_sizes",
    "phases",
    "savings",
    "shallow_statistics",
    "shared_components",
    "shared_roles",
    "uncertainty",
    "uncertainty_correlation",
    "use_inequality",
]
