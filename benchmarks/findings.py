"""The README's table of findings, from studies of the shipped prompts on both real models.

    python benchmarks/findings.py build/findings            # hours; a stop loses at most a prompt
    python benchmarks/findings.py build/findings --print    # runs nothing; prints what is there

`several_runs` says how several runs share the work. What came out is printed as it is; nothing is tuned to agree with
the paper.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

import several_runs

import strace_widgets as sw
from strace_widgets import findings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMPORTANCE, MASKS = ("l1", "l2"), ("all", "mlp+residual")
RUNS = [(importance, masks) for masks in MASKS for importance in IMPORTANCE]
"""The first is what the findings are said of; the others show whether they depend on measure and masks."""

Run = tuple[str, str, str]
"""A model, an importance measure and a masks mode."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    several_runs.add_options(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="draw N of the 242 prompts at random")
    parser.add_argument("--print", action="store_true", help="run nothing; print what the folders hold")
    options = parser.parse_args()
    if not options.print:
        prompts, folder = several_runs.shared_out(options, sw.shipped_prompts())
        how: dict[str, Any] = {"importance": IMPORTANCE, "masks": MASKS, "hidden_states": True, "limit": options.limit}
        for model in several_runs.models(options):
            sw.study(model, prompts, folder / model.name, **how)
    if options.print or options.shard.n == 1:
        print_findings(studies_in(options.folders))


def studies_in(folders: list[Path]) -> dict[str, sw.Study]:
    """Return the study of each model, put together from all runs; a folder may also be a study itself."""
    found: dict[str, list[Path]] = {}
    for part in several_runs.parts(folders):
        for file in sorted([*part.glob("study.json"), *part.glob("*/study.json")]):
            found.setdefault(sw.load_study(file.parent).settings.model, []).append(file.parent)
    return {model: sw.load_study(*parts) for model, parts in found.items()}


def print_findings(studies: dict[str, sw.Study]) -> None:
    """Print a table of the first run on each model, one of the other runs, and what traces are made of."""
    tables = {model: found_in(study) for model, study in studies.items()}
    for model, study in studies.items():
        print(f"{int((study.prompts['status'] == 'ok').sum())} of {len(study.prompts)} prompts on {model}")
    for runs in (RUNS[:1], RUNS[1:]):
        columns = [(model, *run) for run in runs for model in studies]
        print("\n| finding | " + " | ".join(f"{model}, `{i}`, `{masks}`" for model, i, masks in columns) + " |")
        print("|---" * (1 + len(columns)) + "|")
        print_rows(columns, tables)
    for model, study in studies.items():
        print()
        print_by_size(model, findings.composition(study), findings.savings(study))


def found_in(study: sw.Study) -> dict[str, Any]:
    """Return the tables of a study that the rows below are taken from."""
    phases = findings.phases(study).query("subgraph == 'trace'")
    known = findings.shallow_statistics(study)
    n_prompts = int((study.prompts["status"] == "ok").sum())
    known = known[(known["subgraph"] == "trace") & (known["n_prompts"] >= n_prompts / 2)]
    return {
        "phases": phases,
        "nuclei": findings.nucleus_sizes(study),
        "certain": findings.uncertainty_correlation(study),
        "words": known[known["with"] == "unigram frequency"],
    }


def print_rows(columns: list[Run], tables: dict[str, dict[str, Any]]) -> None:
    """Print the rows of a table, one cell a run."""
    row = partial(print_row, columns, tables)
    row("error lost in construction (s from 1e-4 to 1e-2) and refinement (1e-2 to 1)", "phases", both_phases)
    row("fitted bend of the mean error, s [95 %]", "phases", partial(interval, "size", "low", "high", 3))
    for percent in (1, 40, 80):
        name = f"size for nucleus {percent} %, median [quartiles]"
        row(name, "nuclei", partial(of_nucleus, percent))
    name = "necessary size (top-1) against the model's entropy, Spearman [95 %]"
    row(name, "certain", partial(interval, "spearman", "low", "high", 2))
    row("highest median correlation with word frequency, and at which s", "words", highest)


def print_row(
    columns: list[Run], tables: dict[str, dict[str, Any]], name: str, table: str, cell: Callable[[Any], str]
) -> None:
    cells = []
    for model, importance, masks in columns:
        rows = tables[model][table]
        cells.append(cell(rows[(rows["importance"] == importance) & (rows["masks"] == masks)]))
    print(several_runs.table_row(name, *cells))


def of_nucleus(percent: int, rows: Any) -> str:
    return interval("median", "lower", "upper", 2, rows[rows["nucleus"] == percent])


def both_phases(rows: Any) -> str:
    one = rows.iloc[0]
    return f"{one['construction']:.2f} and {one['refinement']:.2f}"


def interval(value: str, low: str, high: str, digits: int, rows: Any) -> str:
    one = rows.iloc[0]
    return f"{one[value]:.{digits}f} [{one[low]:.{digits}f}, {one[high]:.{digits}f}]"


def highest(rows: Any) -> str:
    if rows["median"].isna().all():  # no token of the vocabulary is a word
        return "none"
    one = rows.loc[rows["median"].idxmax()]
    return f"{one['median']:.2f} at {one['size']:.2g}"


def print_by_size(model: str, composition: Any, savings: Any) -> None:
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
            print(f"{model}, {importance}, s = {near:.2g}: depth quarters {quarters}; {kinds}; {touched}")


def distance(size: float, other: float) -> float:
    return abs(size - other)


if __name__ == "__main__":
    main()
