"""How long weighing the edges of a prompt takes, in plain forward passes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..interventions.access import predicted
from ..model.placement import token_device
from ..results.run import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..graph.edges import Array
    from ..model.model import Model


REPETITIONS = 5
"""How often each measure, and the plain pass, is timed on a prompt."""


def weighing_costs(model: Model, prompts: Iterable[Array], importance: Sequence[str]) -> dict[str, float]:
    """Return how long each measure takes to weigh and rank every edge, in plain forward passes.

    The plain pass is that of the Hugging Face module, without nnsight, on the same prompt. Measures and plain pass run
    in turns, so that other work on the machine slows all of them. A prompt's ratio is that of the medians over
    `REPETITIONS` runs; the result is the median over prompts.

    Parameters
    ----------
    model : Model
        On this machine.
    prompts : iterable of (T,) int64
        Token ids; at least one prompt.
    importance : sequence of str
        Names of measures.
    """
    ratios: dict[str, list[float]] = {name: [] for name in importance}
    for token_ids in prompts:
        runs = [_plain(model, token_ids), *(_weighing(model, token_ids, name) for name in importance)]
        plain, *weighing = alternate(runs)
        for name, seconds in zip(importance, weighing, strict=True):
            ratios[name].append(seconds / plain)
    return {name: float(np.median(found)) for name, found in ratios.items()}


def _plain(model: Model, token_ids: Array) -> Callable[[], object]:
    module = model.nnsight._module
    row = torch.from_numpy(token_ids)[None].to(token_device(module))

    def run() -> object:
        with torch.no_grad():
            return predicted(module(row, **model.architecture.keywords)).cpu()  # waits for an accelerator

    return run


def _weighing(model: Model, token_ids: Array, name: str) -> Callable[[], object]:
    return lambda: trace(model, token_ids, name)


def alternate(runs: Sequence[Callable[[], object]], repetitions: int = REPETITIONS) -> list[float]:
    """Return the median seconds of each, run in turns after two rounds of warm-up.

    Parameters
    ----------
    runs : sequence of functions without arguments
    repetitions : int
    """
    taken: list[list[float]] = [[] for _ in runs]
    for repetition in range(2 + repetitions):
        for run, seconds in zip(runs, taken, strict=True):
            start = time.perf_counter()
            run()
            if repetition > 1:
                seconds.append(time.perf_counter() - start)
    return [float(np.median(seconds)) for seconds in taken]
