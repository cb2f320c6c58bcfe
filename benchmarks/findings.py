"""The README's table of findings, from a study of the shipped prompts.

    python benchmarks/findings.py build/study-shipped

runs the study if the folder does not hold it whole (half an hour on two quiet cores), goes on where it stopped, and
prints the table. What came out is printed as it is; nothing is tuned to agree with the paper.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import strace_widgets as sw
from strace_widgets import findings

if TYPE_CHECKING:
    from collections.abc import Callable

IMPORTANCE, MASKS = ("l1", "l2"), ("all", "mlp+residual")
RUNS = [(importance, masks) for masks in MASKS for importance in IMPORTANCE]


def main(folder: str) -> None:
    study = sw.study(
        sw.load_model(), sw.shipped_prompts(), folder, importance=IMPORTANCE, masks=MASKS, hidden_states=True
    )
    n_prompts = int((study.prompts["status"] == "ok").sum())
    print(f"{n_prompts} of {len(study.prompts)} prompts\n")
    phases = findings.phases(study).query("subgraph == 'trace'")
    nuclei = findings.nucleus_sizes(study)
    certain = findings.uncertainty_correlation(study)
    known = findings.shallow_statistics(study)
    known = known[(known["subgraph"] == "trace") & (known["n_prompts"] >= n_prompts / 2)]
    words = known[known["with"] == "unigram frequency"]
    print("| finding | " + " | ".join(f"`{importance}`, `{masks}`" for importance, masks in RUNS) + " |")
    print("|---" * (1 + len(RUNS)) + "|")
    print_row("error lost in construction (s from 1e-4 to 1e-2) and refinement (1e-2 to 1)", phases, both_phases)
    print_row("fitted bend of the mean error, s [95 %]", phases, partial(interval, "size", "low", "high", 3))
    for percent in (1, 40, 80):
        rows = nuclei[nuclei["nucleus"] == percent]
        name = f"size for nucleus {percent} %, median [quartiles]"
        print_row(name, rows, partial(interval, "median", "lower", "upper", 2))
    name = "necessary size (top-1) against the model's entropy, Spearman [95 %]"
    print_row(name, certain, partial(interval, "spearman", "low", "high", 2))
    print_row("highest median correlation with word frequency, and at which s", words, highest)
    print()
    print_by_size(findings.composition(study), findings.savings(study))


def print_row(name: str, frame: Any, cell: Callable[[Any], str]) -> None:
    """Print a row of the table, one cell a run."""
    cells = [cell(frame[(frame["importance"] == i) & (frame["masks"] == m)]) for i, m in RUNS]
    print(f"| {name} | " + " | ".join(cells) + " |")


def both_phases(rows: Any) -> str:
    one = rows.iloc[0]
    return f"{one['construction']:.2f} and {one['refinement']:.2f}"


def interval(value: str, low: str, high: str, digits: int, rows: Any) -> str:
    one = rows.iloc[0]
    return f"{one[value]:.{digits}f} [{one[low]:.{digits}f}, {one[high]:.{digits}f}]"


def highest(rows: Any) -> str:
    one = rows.loc[rows["median"].idxmax()]
    return f"{one['median']:.2f} at {one['size']:.2g}"


def print_by_size(composition: Any, savings: Any) -> None:
    """Print what traces of a few sizes are made of, and what share of the model they touch."""
    for importance in IMPORTANCE:
        parts, needs = (frame[frame["importance"] == importance] for frame in (composition, savings))
        for size in (1e-3, 1e-2, 1e-1, 0.3):
            near = min(parts["size"].unique(), key=partial(distance, size))
            made_of, needed = parts[parts["size"] == near], needs[needs["size"] == near]
            quarters = ", ".join(f"{share:.2f}" for share in made_of.groupby("quarter")["share"].sum())
            kinds = ", ".join(f"{k} {share:.2f}" for k, share in made_of.groupby("kind")["share"].sum().items())
            touched = (
                f"{needed['flops'].median():.2f} of the operations, {needed['weights'].median():.2f} of the weights"
            )
            print(f"{importance}, s = {near:.2g}: depth quarters {quarters}; {kinds}; {touched}")


def distance(size: float, other: float) -> float:
    return abs(size - other)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "build/study-shipped")
