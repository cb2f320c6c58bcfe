"""Altair charts: of one trace's sweep, of two traces, and of each finding of a study, under the finding's name.

Each returns an Altair chart. Those of tables raise `FindingError` when the table is empty or lacks what is to be drawn.

Importing this package switches Altair to a renderer that needs no network, unless another was chosen:
`strace_widgets.charts.style`.
"""

from __future__ import annotations

from .components import component_use, composition, use_inequality
from .curves import error_by_size, geometry, nucleus_sizes, reconstruction, savings, shallow_statistics
from .heads import attention, effects, head_map
from .measures import measure_comparison
from .pairs import comparison
from .prompts import agreement, extremes, groups, uncertainty
from .tasks import faithfulness
from .tokens import generated_text, generation, transfer

__all__ = [
    "agreement",
    "attention",
    "comparison",
    "component_use",
    "composition",
    "effects",
    "error_by_size",
    "extremes",
    "faithfulness",
    "generated_text",
    "generation",
    "geometry",
    "groups",
    "head_map",
    "measure_comparison",
    "nucleus_sizes",
    "reconstruction",
    "savings",
    "shallow_statistics",
    "transfer",
    "uncertainty",
    "use_inequality",
]
