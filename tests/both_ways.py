"""One mask evaluated in two ways: by nnsight, and by hooks of torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from strace_widgets.graph.modes import Modes
from strace_widgets.graph.toggles import Toggles
from strace_widgets.model import local_evaluation
from strace_widgets.model.tensors import unpacked

MODES = (
    Modes(),
    Modes(masks="mlp+residual"),
    Modes(attention="frozen"),
    Modes(ablation="mean"),
    Modes(inverse=True),
    Modes(residual="kept"),
    Modes(ablation="mean", attention="frozen", residual="kept"),
)


def largest_gap(
    model: Any, trace: Any, sizes: Any, toggles: list[Toggles] | None, modes: Modes, *, states: bool = False
) -> float:
    """Return the largest difference between both ways, relative to the largest number."""
    gaps = []
    ids = trace.token_ids
    if modes.patched:  # from the same tokens, one place on
        ids = np.stack([ids, np.roll(ids, 1)])
    for call in model.sweeps(ids, trace.ranks, np.asarray(sizes), toggles, modes, states=states):
        truth, found = (
            unpacked(model._trace(each)) for each in (call, call._replace(function=local_evaluation.evaluate))
        )
        finite = np.isfinite(truth)  # minus infinity suppresses a token
        np.testing.assert_array_equal(np.isfinite(found), finite)
        gaps.append(np.abs(np.where(finite, found - truth, 0)).max() / (np.abs(truth[finite]).max() or 1))
    return float(max(gaps))
