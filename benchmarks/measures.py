"""The tables and the chart of docs/measures.md: importance measures on the reporting half of the shipped prompts.

    python benchmarks/measures.py build/measures            # hours; a stop loses at most a prompt
    python benchmarks/measures.py build/measures --write    # runs nothing; writes what is there into docs/

What comes out is written as it is. The measures were chosen on the other half.
"""

from __future__ import annotations

import argparse
import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import strace_widgets as sw
from strace_widgets.charts.measures import CRITERIA
from strace_widgets.findings.comparison_run import IMPORTANCE, SIZES
from strace_widgets.findings.measure_comparison import Condition

if TYPE_CHECKING:
    import pandas as pd

DOCS = Path(__file__).parents[1] / "docs"
START, END = "<!-- comparison -->\n", "<!-- /comparison -->"

BASELINE, OURS = "l1", "rescored"
CONDITIONS = [
    Condition(*modes) for modes in product(("all", "mlp+residual"), ("recomputed", "frozen"), ("zero", "mean"))
]
SETS: dict[str, dict[str, Any]] = {
    "main": {"conditions": CONDITIONS[:1], "importance": IMPORTANCE, "every": 1},
    "others": {"conditions": CONDITIONS[1:], "importance": (BASELINE, "fisher+projection", OURS), "every": 3},
}
"""A folder of its own for each, since a study is of one set of measures and sizes."""

CRITERIA_OF_OTHERS = ("top1", "nucleus60", "tv0.1", "area_log10_s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--conditions", choices=[*SETS, "all"], default="all")
    parser.add_argument(
        "--importance", nargs="+", metavar="NAME", help="(default: all five in main, three in the others)"
    )
    parser.add_argument(
        "--every", type=int, metavar="N", help="every Nth of the 37 sizes (default: 1; 3 in the others)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="draw N of the 100 prompts at random")
    parser.add_argument("--write", action="store_true", help="run nothing; write what is there into docs/")
    options = parser.parse_args()
    if options.write:
        write(options.folder)
        return
    model = sw.load_model()
    for name in SETS if options.conditions == "all" else [options.conditions]:
        for condition in SETS[name]["conditions"]:
            compared = sw.compare_measures(
                model,
                sw.shipped_prompts(half="reporting"),
                options.folder / name,
                importance=options.importance or SETS[name]["importance"],
                sizes=SIZES[:: options.every or SETS[name]["every"]],
                limit=options.limit,
                **condition._asdict(),
            )
            print(f"{' '.join(condition)}\n{compared}\n")


def write(folder: Path) -> None:
    """Write the tables between their marks in docs/measures.md, and draw docs/measures.png."""
    chosen = sw.load_measure_comparison(folder / "main", baseline=BASELINE)
    chosen.chart().save(DOCS / "measures.png", scale_factor=1.5)
    tables = [f"![Mean error against size by each measure, and each prompt's ratio to {BASELINE}](measures.png)\n"]
    tables.append(by_criterion(chosen))
    if (folder / "others").exists():
        tables.append(by_condition([chosen, sw.load_measure_comparison(folder / "others", baseline=BASELINE)]))
    page = DOCS / "measures.md"
    before, start, rest = page.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    page.write_text("\n".join([before + start, *tables, end + after]), encoding="utf-8")


def by_criterion(compared: sw.MeasureComparison) -> str:
    """Return the table of one condition: a row a criterion, a column a measure."""
    summary = compared.summary()
    rows = summary.set_index(["criterion", "importance"])
    measures = list(summary["importance"].unique())
    lines = [
        f"{int(summary['n_prompts'].iloc[0])} prompts, {compared.curves['size'].nunique()} sizes.\n",
        table_row("", *(f"`{name}`" for name in measures)),
        "|---" * (1 + len(measures)) + "|",
    ]
    for criterion, words in CRITERIA.items():
        lines.append(table_row(words, *(figures(rows.loc[criterion, name]) for name in measures)))
    lines.append(table_row("cost, in forward passes", *(f"{compared.costs[name]:.1f}" for name in measures)))
    return "\n".join(lines) + "\n"


def by_condition(comparisons: list[sw.MeasureComparison]) -> str:
    """Return the table of one measure: a row a condition, a column a criterion."""
    lines = {}
    for compared in comparisons:
        ours = compared.summary().query("importance == @OURS")
        for modes, rows in ours.groupby(list(Condition._fields)):
            found = rows.set_index("criterion")
            here = compared.curves[list(Condition._fields)].eq(list(modes)).all(axis=1)
            n = f"{int(rows['n_prompts'].iloc[0])} prompts, {compared.curves.loc[here, 'size'].nunique()} sizes"
            cells = [against(found.loc[name]) for name in CRITERIA_OF_OTHERS]
            lines[Condition(*modes)] = table_row(f"{', '.join(modes)}<br>{n}", *cells)
    heading = [
        f"`{OURS}` against `{BASELINE}` by [modes](#evaluation-modes): ratio of medians, lower / equal / higher.\n",
        table_row("masks, attention, ablation", *(CRITERIA[name] for name in CRITERIA_OF_OTHERS)),
        "|---" * (1 + len(CRITERIA_OF_OTHERS)) + "|",
    ]
    return "\n".join(heading + [lines[condition] for condition in CONDITIONS if condition in lines]) + "\n"


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def figures(row: pd.Series) -> str:
    """Return median and quartiles, and below them how they compare with the baseline's, if it is another measure."""
    own = f"{row['median']:.2g} [{row['lower']:.2g},&nbsp;{row['upper']:.2g}]"
    return own if math.isnan(row["ratio"]) else f"{own}<br>{against(row)}"


def against(row: pd.Series) -> str:
    """Return the ratio to the baseline, and on how many prompts the figure is lower, equal, higher."""
    ratio = f"**{row['ratio']:.2f}** [{row['ratio_low']:.2f},&nbsp;{row['ratio_high']:.2f}]"
    return f"{ratio}<br>{row['wins']} / {row['ties']} / {row['losses']}"


if __name__ == "__main__":
    main()
