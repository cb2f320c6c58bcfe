"""The table of docs/targets.md: how faithful subgraphs are on paired tasks, by importance measure and ablation.

    python benchmarks/tasks.py build/tasks            # hours; a stop loses at most a study
    python benchmarks/tasks.py build/tasks --print    # runs nothing; prints what is there

On both real models, unless others are named. What comes out is printed as it is, whoever wins.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import several_runs

import strace_widgets as sw
from strace_widgets import findings
from strace_widgets.studies.pairs import pair_tasks

IMPORTANCE = ("l1", "l2", "refined", "eap", "eap-ig")
ABLATIONS = ("zero", "patch")
SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Those of the Mechanistic Interpretability Benchmark."""

REFINED_UNDER = "zero"
"""Refining cannot patch: under patching its traces are those of the other ablation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    several_runs.add_models(parser)
    parser.add_argument("--pairs", type=int, default=40, metavar="N", help="pairs of each task (default: 40)")
    parser.add_argument("--tasks", nargs="+", default=list(pair_tasks()), metavar="TASK")
    parser.add_argument("--print", action="store_true", help="run nothing; print what is there")
    options = parser.parse_args()
    if not options.print:
        for model in several_runs.models(options):
            run(model, options)
    print_tables(options.folder)


def run(model: sw.Model, options: Any) -> None:
    """Run a study a task and ablation."""
    for task in options.tasks:
        pairs = sw.shipped_pairs(task, model=model, n_pairs=options.pairs)
        for ablation in ABLATIONS:
            names = [name for name in IMPORTANCE if name != "refined" or ablation == REFINED_UNDER]
            folder = options.folder / model.name / ablation / task
            sw.study(model, pairs, folder, importance=names, sizes=SIZES, ablation=ablation, baselines=["random"])


def print_tables(folder: Path) -> None:
    """Print CMD and CPR of each model and ablation: a row a task, a column a measure; the mean and its interval."""
    for where in sorted({file.parent.parent for file in folder.glob("*/*/*/study.json")}):
        print(f"\n**{where.parent.name}**, {where.name} ablation\n")
        studies = [sw.load_study(file.parent) for file in sorted(where.glob("*/study.json"))]
        for score in ("cmd", "cpr"):
            rows = [table[table["score"] == score] for table in map(findings.faithfulness, studies)]
            names = list(dict.fromkeys(name for each in rows for name in each["importance"]))
            print(several_runs.table_row(score.upper(), *(f"`{name}`" for name in names)))
            print("|---" * (1 + len(names)) + "|")
            for each in rows:
                found = each.set_index("importance")
                cells = [
                    f"{found.loc[name, 'mean']:.2f} [{found.loc[name, 'low']:.2f}, {found.loc[name, 'high']:.2f}]"
                    for name in names
                ]
                print(several_runs.table_row(f"{each['kind'].iloc[0]}, {each['n_prompts'].iloc[0]} pairs", *cells))
            print()


if __name__ == "__main__":
    main()
