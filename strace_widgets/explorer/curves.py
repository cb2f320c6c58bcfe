"""Other error curves on the same axes: a measure's, or a baseline's, as the views read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ..graph.measures import ATTRIBUTED
from ..results import criteria
from . import targets

if TYPE_CHECKING:
    from ..results.sweep import Sweep
    from .contract import Curve

BASELINES = ("inverse", "random")


def curve(name: str, sweep: Sweep) -> Curve:
    """Return one curve: a measure's, or a baseline's."""
    drawn = {
        "name": name,
        "kind": "baseline" if name in BASELINES else "measure",
        "n_edges": sweep.n_edges.tolist(),
        "total_variation": np.round(sweep.total_variation, 5).tolist(),
        "kl": [round(kl, 5) if np.isfinite(kl) else None for kl in sweep.kl.tolist()],
        "lasting_top1": lasting_top1(sweep),
    }
    return cast("Curve", drawn | targets.of_curve(sweep))


def unasked(curves: list[Curve]) -> list[Curve]:
    """Return the curves that hold whatever is asked, without the figure of what was."""
    held = [
        each for each in curves if (each["refined"]["start"] if "refined" in each else each["name"]) not in ATTRIBUTED
    ]
    return [cast("Curve", {name: value for name, value in each.items() if name != "faithfulness"}) for each in held]


def lasting_top1(sweep: Sweep) -> int | None:
    """Return from how many edges on the top token is the full model's; None where it is not even at the end."""
    return criteria.necessary_edges(sweep, criteria.top(1))
