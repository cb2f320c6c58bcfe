"""What capture, a sweep and a toggle cost, each as a ratio to a plain forward pass in the same run.

Run with ``make benchmark``, or with the hub ids or folders of models; without one, every model is measured that a
package ships. The plain pass is the Hugging Face module itself, without nnsight, with the same eager attention and the
same number of rows; medians over alternating repetitions, so that a busy moment hits both.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import torch

import strace_widgets as sw
from strace_widgets.graph.measures import GRADIENTS, MEASURES
from strace_widgets.model.shipped.models import at_hand
from strace_widgets.studies.timing import alternate

if TYPE_CHECKING:
    from collections.abc import Callable

    from strace_widgets.graph.toggles import Toggles
    from strace_widgets.model.model import Model
    from strace_widgets.results.strace import STrace

PROMPT = "The Eiffel Tower is in the city of Paris"
REPETITIONS = 15
ROWS = 24


def main() -> None:
    for name in sys.argv[1:] or at_hand():
        measure(sw.load_model(name))


def measure(model: Model) -> None:
    trace = sw.trace(model, PROMPT)
    print(f"\n{model.name}, {len(trace.tokens)} tokens, {trace.n_edges:,} edges, {torch.get_num_threads()} threads\n")
    rows = [
        ("capture / plain forward", lambda: model.capture(trace.token_ids, MEASURES["l1"].score), plain(trace, 1), 1.8),
        *((f"trace by {name} / plain forward", traced(trace, name), plain(trace, 1), 8) for name in GRADIENTS),
        (f"{ROWS}-size sweep / plain batch of {ROWS}", sweep(trace), plain(trace, ROWS), 1.25),
        ("toggle / plain forward", toggle(trace), plain(trace, 1), 1.3),
    ]
    print(f"{'':40} {'ours':>9} {'plain':>9} {'ratio':>7} {'goal':>7}")
    for name, ours, reference, goal in rows:
        try:
            took, took_plain = alternate((ours, reference), REPETITIONS)
        except sw.errors.NonFiniteError as reason:  # a measure that cannot be had of this prompt and model
            print(f"{name:40} {reason}")
            continue
        print(f"{name:40} {took * 1e3:6.1f} ms {took_plain * 1e3:6.1f} ms {took / took_plain:7.2f} {f'<= {goal}':>7}")


def plain(trace: STrace, n_rows: int) -> Callable[[], object]:
    """Return the module's own forward pass on a batch of the same prompt."""
    module = trace.model.nnsight._module
    token_ids = torch.from_numpy(trace.token_ids)[None].expand(n_rows, -1).contiguous()

    def run() -> object:
        with torch.no_grad():
            return module(token_ids, use_cache=False, logits_to_keep=1).logits

    return run


def masked(trace: STrace, n_kept: np.ndarray, toggles: Toggles) -> Callable[[], object]:
    return lambda: trace.model.evaluate(trace.token_ids, trace.ranks, n_kept, toggles)


def traced(trace: STrace, importance: str) -> Callable[[], object]:
    return lambda: sw.trace(trace.model, trace.token_ids, importance)


def sweep(trace: STrace) -> Callable[[], object]:
    return masked(trace, np.geomspace(1, trace.n_edges, ROWS).astype(int), trace.parsed({}))


def toggle(trace: STrace) -> Callable[[], object]:
    return masked(trace, np.array([trace.n_edges // 3]), trace.parsed({f"{trace.graph.n_layers // 2}.0": "off"}))


if __name__ == "__main__":
    main()
