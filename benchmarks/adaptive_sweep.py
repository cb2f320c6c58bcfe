"""How many passes the standard sweep takes, and what it misses, against the whole grid, on the shipped prompts.

``python benchmarks/adaptive_sweep.py`` prints a line a model: the median and the ninth decile of the share of
the grid's sizes that were evaluated, how many landmarks lie more than a step of the grid apart, and by how much the
areas under total variation differ. The models are SmolLM2 and Gemma 3 unless others are named. It takes
an hour.
"""

from __future__ import annotations

import argparse

import numpy as np
import several_runs

import strace_widgets as sw
from strace_widgets.graph.modes import Modes
from strace_widgets.results import criteria
from strace_widgets.results.adaptive_sweep import rounds
from strace_widgets.studies.prompts import shipped_prompts

LANDMARKS = ("top1", "top5", "tv0.05", "tv0.1", "tv0.2", "tv0.5", "nucleus20", "nucleus40", "nucleus60", "nucleus80")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    several_runs.add_models(parser)
    for model in several_runs.models(parser.parse_args()):
        shares, apart, areas = [], [], []
        for prompt in shipped_prompts(half="tuning"):
            trace = sw.trace(model, prompt["text"])
            grid = trace.evaluate(trace.standard_sizes())
            *_, sweep = rounds(trace, Modes())
            shares.append(len(sweep) / len(grid))
            apart += [steps_apart(sweep, grid, landmark) for landmark in LANDMARKS]
            areas.append([sweep.area() / grid.area() - 1, sweep.area("s") - grid.area("s")])
        wrong = int((np.array(apart) > 1).sum())
        over_log, over_s = np.mean(areas, axis=0)
        print(
            f"{model.name}: {np.median(shares):.0%} of the grid's sizes (ninth decile {np.quantile(shares, 0.9):.0%}), "
            f"{wrong} of {len(apart)} landmarks more than a step away, mean difference of areas over log s "
            f"{over_log:+.2%}, over s {over_s:+.4f}"
        )


def steps_apart(sweep: sw.Sweep, grid: sw.Sweep, landmark: str) -> int:
    """Return how many steps of the grid lie between a landmark by the one and by the other."""
    found = [criteria.necessary_edges(each, criteria.named(landmark)) for each in (sweep, grid)]
    rows = np.searchsorted(grid.n_edges, [grid.n_edges[-1] if n is None else n for n in found])
    return int(abs(rows[0] - rows[1]))


if __name__ == "__main__":
    main()
