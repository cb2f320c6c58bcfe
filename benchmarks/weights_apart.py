"""Why a measure that is good on one model is bad on another: its weights taken apart, on some tuning prompts.

    python benchmarks/weights_apart.py --prompts 6

The weights of ``"fisher+projection"`` are F + c G P (`strace_widgets.interventions.gradients.weigh_probed`). Printed
are the areas under total variation by F and c G P alone, by their sum with other c, with c G P for some kinds of edges
only, and by what ``"rescored"`` does from each start and at other sizes; and how large c G P is beside F, by kind of
edge.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import several_runs

import strace_widgets as sw
from strace_widgets.findings.comparison_run import SIZES
from strace_widgets.graph.edges import Edges
from strace_widgets.graph.measures import RESCORED_AT, add_gains, in_graph
from strace_widgets.graph.ranking import rank_edges
from strace_widgets.graph.refining import as_edges, inside, quantiles
from strace_widgets.results import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

GRID = np.array(SIZES[::3])
TARGETS = (0.4, 0.6)
"""The total variations at which gains are asked in place of the sizes 0.2 and 0.1."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    several_runs.add_models(parser)
    parser.add_argument("--prompts", type=int, default=6, metavar="N", help="how many (default: 6)")
    options = parser.parse_args()
    tuning = sw.shipped_prompts(half="tuning")
    prompts = [prompt["text"] for prompt in tuning[:: -(-len(tuning) // options.prompts)]]
    for model in several_runs.models(options):
        areas, ratios = defaultdict(list), defaultdict(list)
        for prompt in prompts:
            weights = parts_of(model, prompt)
            start = sw.trace(model, prompt, "l2")
            for name, each in weights.items():
                areas[name].append(areas_under(curve(start, each)))
            for name, targets in product(("F", "F + cGP"), (None, TARGETS)):
                found = curve(start, rescored(start, weights[name], targets))
                areas[f"{name}, rescored at {'TV 0.4, 0.6' if targets else '0.2, 0.1'}"].append(areas_under(found))
            for kind, f, gp, there in zip(
                Edges._fields, weights["F"], weights["cGP"], start.graph.exists(), strict=True
            ):
                ratios[kind].append(np.median(gp[there] / np.maximum(f[there], 1e-30)))
        print_areas(model.name, areas)
        print("median of c G P / F: " + ", ".join(f"{kind} {np.median(found):.2g}" for kind, found in ratios.items()))


def parts_of(model: sw.Model, prompt: str) -> dict[str, Edges]:
    """Return weights of several kinds, by name."""
    traces = [sw.trace(model, prompt, name) for name in ("l1", "l2", "fisher", "fisher+projection")]
    l1, l2, f, whole = (trace.weights for trace in traces)
    exists = traces[0].graph.exists()
    gp = Edges(*(np.maximum(both - alone, 0) for both, alone in zip(whole, f, strict=True)))  # the probes are the same
    # Two measures are mixed by their quantiles.
    ours, theirs = (as_edges(quantiles(inside(each, exists)), exists) for each in (whole, l2))
    return {
        "l1": l1,
        "l2": l2,
        "F": f,
        "cGP": gp,
        "F + cGP": whole,
        "F + cGP / 3": plus(f, gp, 1 / 3),
        "F + cGP / 10": plus(f, gp, 1 / 10),
        "F + cGP / 100": plus(f, gp, 1 / 100),
        "F + cGP for attention only": Edges(whole.attention, *f[1:]),
        "F + cGP for the rest only": Edges(f.attention, *whole[1:]),
        "attention by F + cGP, the rest by l2": Edges(ours.attention, *theirs[1:]),
        "attention by l2, the rest by F + cGP": Edges(theirs.attention, *ours[1:]),
    }


def plus(f: Edges, gp: Edges, share: float) -> Edges:
    return Edges(*(a + share * b for a, b in zip(f, gp, strict=True)))


def ranks_of(start: sw.STrace, weights: Edges) -> Edges:
    return rank_edges(in_graph(weights, start.graph.exists()), start.graph)


def curve(start: sw.STrace, weights: Edges) -> Any:
    """Return the total variation (K,) at each size of the grid."""
    kept = np.array([int(size * start.n_edges) for size in GRID])
    logits = start.model.evaluate(start.token_ids, ranks_of(start, weights), kept)
    of_model = metrics.log_probabilities(start.full_logits)
    return metrics.total_variation(np.exp(of_model), np.exp(metrics.log_probabilities(logits)))


def areas_under(errors: Any) -> tuple[float, float]:
    return metrics.area(GRID, errors, "log10 s"), metrics.area(GRID, errors, "s")


def rescored(start: sw.STrace, weights: Edges, targets: Iterable[float] | None = None) -> Edges:
    """Return weights with gains added as ``"rescored"`` does; with targets, at the sizes of that total variation."""
    for step in targets or RESCORED_AT:
        size = GRID[np.abs(curve(start, weights) - step).argmin()] if targets else step
        mask = Edges(*(kind < int(size * start.n_edges) for kind in ranks_of(start, weights)))
        weights = add_gains(weights, start.model.capture_gains(start.token_ids, mask, start.full_logits))
    return weights


def print_areas(model: str, areas: dict[str, list[tuple[float, float]]]) -> None:
    baseline = np.array(areas["l1"])
    print(f"\n| {model} | area over log10 s | area over s | over s less than by l1 |\n|---|---|---|---|")
    for name, found in areas.items():
        over_log, over_s = np.median(found, axis=0)
        wins = int((np.array(found)[:, 1] < baseline[:, 1]).sum())
        print(f"| {name} | {over_log:.2f} | {over_s:.3f} | {wins} of {len(found)} |", flush=True)


if __name__ == "__main__":
    main()
