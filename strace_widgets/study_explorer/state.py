"""What is shown of studies beside their prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..studies.tables import CRITERIA
from .rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..studies.store import Study
    from .contract import StudyState
    from .opening import Opening
    from .rows import Plan


def study_state(studies: Sequence[Study], plan: Plan, openings: Sequence[Opening]) -> StudyState:
    """Return what the browser is told before the first prompt."""
    names = list(dict.fromkeys(study.settings.model for study in studies))
    return {
        "title": f"Study of {' and '.join(names)}",
        "models": [
            {
                "name": study.settings.model,
                "n_layers": int(study.settings.dimensions["n_layers"]),
                "n_heads": int(study.settings.dimensions["n_heads"]),
                "opens": opening.opens,
            }
            for study, opening in zip(studies, openings, strict=True)
        ],
        "runs": list(plan.runs),
        "importances": plan.importances,
        "sizes": list(plan.sizes),
        "use_sizes": list(plan.use_sizes),
        "criteria": list(CRITERIA),
        "columns": list(COLUMNS),
        "n_asked": sum(study.n_asked for study in studies),
    }
