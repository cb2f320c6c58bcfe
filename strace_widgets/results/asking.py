"""Another question to a trace that is there: its order stays, where that does not follow from the question."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..cache import Cache
from ..graph.measures import ATTRIBUTED
from .explained import KEPT_EFFECTS

if TYPE_CHECKING:
    from ..graph.modes import Modes
    from ..model.text.contrasts import Contrast
    from .strace import STrace
    from .sweep import Sweep


def asked_by_its_order(trace: STrace) -> bool:
    """Return whether the order of a trace answers its question: by the measures that ask for a target.

    Parameters
    ----------
    trace : STrace
    """
    return (trace.refined.start if trace.refined else trace.importance) in ATTRIBUTED


def asking(trace: STrace, contrast: Contrast) -> STrace:
    """Return a trace with another question, in the same order. What was run is not run again.

    Its standard sweeps have the new target's figure, by the probabilities that they hold; the subgraph without an edge
    is run, once for each.

    Parameters
    ----------
    trace : STrace
    contrast : Contrast
    """
    if contrast == trace.contrast:
        return trace
    fresh = partial(Cache, KEPT_EFFECTS)
    same_patch = contrast.counterfactual == trace.contrast.counterfactual
    same_tokens = (contrast.target, contrast.foil) == (trace.contrast.target, trace.contrast.foil)
    effects = trace.effect_maps if same_patch and same_tokens else fresh()  # they have the change of its logit
    if not same_patch and same_tokens:
        effects.update({kept: found for kept, found in trace.effect_maps.items() if not kept.modes.patched})
    found = replace(trace, contrast=contrast, empty_figures=fresh(), effect_maps=effects, saved_view={})
    for modes, sweep in trace.sweeps.items():
        again = with_question(found, sweep, modes) if same_patch or not modes.patched else None
        if again is not None:
            found.sweeps[modes] = again
    return found


def with_question(trace: STrace, sweep: Sweep, modes: Modes) -> Sweep | None:
    """Return a sweep of the same order with the figure of a trace's target; None where its probabilities round to 0.

    Parameters
    ----------
    trace : STrace
    sweep : Sweep
    modes : Modes
        Under which it was run.
    """
    if not trace.contrast.target:
        return replace(sweep, figure=None, full_figure=np.nan, empty_figure=np.nan)
    figure = trace.contrast.of_probabilities(sweep.probabilities)
    if not np.isfinite(figure).all():
        return None
    if modes not in trace.empty_figures and not modes.inverse:
        nothing = trace.traced_model().evaluate(trace.rows(modes), trace.ranks, np.array([0]), None, modes)
        trace.empty_figures[modes] = float(trace.contrast.of(nothing[0]))
    full = float(trace.contrast.of(trace.full_logits))
    return replace(sweep, figure=figure, full_figure=full, empty_figure=trace.empty_figures.get(modes, np.nan))
