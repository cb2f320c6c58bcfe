"""The tables and the chart of docs/measures.md: importance measures on the reporting half of the shipped prompts.

    python benchmarks/measures.py build/measures            # hours; a stop loses at most a prompt
    python benchmarks/measures.py build/measures --write    # runs nothing; writes what is there into docs/

On both real models, unless others are named; `several_runs` says how several runs share the work. What comes out is
written as it is. The measures were chosen on the other half.
"""

from __future__ import annotations

import argparse
import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import several_runs

import strace_widgets as sw
from strace_widgets.charts.measures import CRITERIA
from strace_widgets.findings.comparison_run import COSTED, SIZES
from strace_widgets.findings.measure_comparison import Condition
from strace_widgets.studies.prompts import read_prompts

if TYPE_CHECKING:
    import pandas as pd

DOCS = Path(__file__).parents[1] / "docs"
START, END = "<!-- comparison -->\n", "<!-- /comparison -->"

IMPORTANCE = ("l1", "l2", "eap", "eap-ig", "fisher", "fisher+projection", "rescored", "refined")
BASELINE, OURS = "l1", "refined"
CONDITIONS = [
    Condition(*modes) for modes in product(("all", "mlp+residual"), ("recomputed", "frozen"), ("zero", "mean"))
]
SETS: dict[str, dict[str, Any]] = {
    "main": {"conditions": CONDITIONS[:1], "importance": IMPORTANCE, "every": 1},
    "others": {"conditions": CONDITIONS[1:], "importance": (BASELINE, "rescored", OURS), "every": 3},
}
"""A folder of its own for each, since a study is of one set of measures and sizes."""

CRITERIA_OF_OTHERS = ("top1", "nucleus60", "tv0.1", "area_log10_s", "area_s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    several_runs.add_options(parser)
    parser.add_argument("--conditions", choices=[*SETS, "all"], default="all")
    parser.add_argument("--importance", nargs="+", metavar="NAME", help=f"measures (default: {' '.join(IMPORTANCE)})")
    parser.add_argument(
        "--every", type=int, metavar="N", help="every Nth of the 37 sizes (default: 1; 3 in the others)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="draw N of the 100 prompts at random")
    parser.add_argument(
        "--costs", type=int, metavar="N", help=f"prompts to measure costs on (default: {COSTED}; in the first shard)"
    )
    parser.add_argument("--half", default="reporting", help="of the shipped prompts (default: reporting)")
    parser.add_argument("--write", action="store_true", help="run nothing; write what is there into docs/")
    parser.add_argument("--print", action="store_true", help="run nothing; print what --write would write")
    options = parser.parse_args()
    if options.write or options.print:
        chosen, others = (merged(options.folders, name) for name in SETS)
        if chosen is None:
            parser.error(f"there are no results of the main condition in {' '.join(map(str, options.folders))}")
        tables = "\n".join(written(chosen, others))
        print(tables)
        if options.write:
            chosen.chart().save(DOCS / "measures.png", scale_factor=1.5)
            write(tables)
        return
    models = several_runs.models(options)
    for name in SETS if options.conditions == "all" else [options.conditions]:
        run(name, models, options)


def run(name: str, models: list[sw.Model], options: argparse.Namespace) -> None:
    """Run one of `SETS`, or go on with it."""
    prompts = sw.shipped_prompts(half=options.half)
    drawn = {prompt.id for prompt in read_prompts(prompts, limit=options.limit)}
    here, folder = several_runs.shared_out(options, [prompt for prompt in prompts if prompt["id"] in drawn])
    costed = COSTED * (options.shard.k == 1 and name == "main") if options.costs is None else options.costs
    for condition in SETS[name]["conditions"]:
        compared = sw.compare_measures(
            models,
            here,
            folder / name,
            importance=options.importance or SETS[name]["importance"],
            sizes=SIZES[:: options.every or SETS[name]["every"]],
            costed=costed,
            **condition._asdict(),
        )
        print(f"{' '.join(condition)}\n{compared}\n", flush=True)


def merged(folders: list[Path], name: str) -> sw.MeasureComparison | None:
    """Return what all runs have found of one of `SETS`; None where there is nothing."""
    found = [part / name for part in several_runs.parts(folders) if (part / name).exists()]
    return sw.load_measure_comparison(*found, baseline=BASELINE) if found else None


def write(tables: str) -> None:
    """Write the tables between their marks in docs/measures.md."""
    page = DOCS / "measures.md"
    before, start, rest = page.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    page.write_text("\n".join([before + start, tables, end + after]), encoding="utf-8")


def written(chosen: sw.MeasureComparison, others: sw.MeasureComparison | None) -> list[str]:
    """Return the tables: the worst model first, then each; by measure, then by modes."""
    picture = f"![Mean error against size by each measure, and each prompt's ratio to {BASELINE}](measures.png)\n"
    several = len(chosen.models) > 1
    tables = [picture, *([by_criterion(chosen, chosen.overall(), worst(chosen))] if several else [])]
    tables += [by_criterion(chosen, of_model(chosen, model), model) for model in chosen.models]
    if others is not None:
        both = [chosen, others]
        if several:
            tables.append(by_condition(both, [each.overall() for each in both], worst(chosen)))
        for model in chosen.models:
            tables.append(by_condition(both, [of_model(each, model) for each in both], model))
    return tables


def of_model(compared: sw.MeasureComparison, model: str) -> pd.DataFrame:
    summary = compared.summary()
    return summary[summary["model"] == model]


def worst(compared: sw.MeasureComparison) -> str:
    return f"The worst of {' and '.join(compared.models)}"


def by_criterion(compared: sw.MeasureComparison, table: pd.DataFrame, title: str) -> str:
    """Return the table of one condition: a row a criterion, a column a measure."""
    rows = table.set_index(["criterion", "importance"])
    measures = list(table["importance"].unique())
    costs = rows.loc["top1", "cost"]
    lines = [
        f"**{title}**; {int(table['n_prompts'].iloc[0])} prompts, {compared.curves['size'].nunique()} sizes.\n",
        several_runs.table_row("", *(f"`{name}`" for name in measures)),
        "|---" * (1 + len(measures)) + "|",
    ]
    for criterion, words in CRITERIA.items():
        lines.append(several_runs.table_row(words, *(figures(rows.loc[(criterion, name)]) for name in measures)))
    known = ["" if math.isnan(costs[name]) else f"{costs[name]:.1f}" for name in measures]
    lines.append(several_runs.table_row("cost, in forward passes", *known))
    return "\n".join(lines) + "\n"


def by_condition(comparisons: list[sw.MeasureComparison], tables: list[pd.DataFrame], title: str) -> str:
    """Return the table of one measure: a row a condition, a column a criterion."""
    lines, measures = {}, comparisons[0].prompts["importance"].unique()
    ours = OURS if OURS in measures else measures[-1]
    for compared, table in zip(comparisons, tables, strict=True):
        for modes, rows in table[table["importance"] == ours].groupby(list(Condition._fields)):
            found = rows.set_index("criterion")
            here = compared.curves[list(Condition._fields)].eq(list(modes)).all(axis=1)
            n = f"{int(rows['n_prompts'].iloc[0])} prompts, {compared.curves.loc[here, 'size'].nunique()} sizes"
            cells = [against(found.loc[name]) for name in CRITERIA_OF_OTHERS]
            lines[Condition(*modes)] = several_runs.table_row(f"{', '.join(modes)}<br>{n}", *cells)
    heading = [
        f"**{title}**; `{ours}` against `{BASELINE}` by [modes](#evaluation-modes): ratio of medians, and counts.\n",
        several_runs.table_row("masks, attention, ablation", *(CRITERIA[name] for name in CRITERIA_OF_OTHERS)),
        "|---" * (1 + len(CRITERIA_OF_OTHERS)) + "|",
    ]
    return "\n".join(heading + [lines[condition] for condition in CONDITIONS if condition in lines]) + "\n"


def figures(row: pd.Series) -> str:
    """Return median and quartiles, and below them how they compare with the baseline's, if it is another measure."""
    if "median" not in row:  # of several models
        return against(row)
    own = f"{row['median']:.2g} [{row['lower']:.2g},&nbsp;{row['upper']:.2g}]"
    return own if math.isnan(row["ratio"]) else f"{own}<br>{against(row)}"


def against(row: pd.Series) -> str:
    """Return the ratio to the baseline, of which model, and on how many prompts the figure is lower, equal, higher."""
    ratio = f"**{row['ratio']:.2f}** [{row['ratio_low']:.2f},&nbsp;{row['ratio_high']:.2f}]"
    of = f"<br>{row['ratio_model']}" if "ratio_model" in row else ""
    return f"{ratio}{of}<br>{row['wins']} / {row['ties']} / {row['losses']}"


if __name__ == "__main__":
    main()
