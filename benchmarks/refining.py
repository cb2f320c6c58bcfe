"""What further passes gain: refined traces by budget, against l1 and l2, on the reporting half of the shipped prompts.

    python benchmarks/refining.py build/refining --budgets 13 30 100
    python benchmarks/refining.py build/refining --print

On both real models, unless others are named; `several_runs` says how several runs share the work.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import several_runs

import strace_widgets as sw
from strace_widgets.findings.comparison_run import SIZES
from strace_widgets.results import criteria

if TYPE_CHECKING:
    from pathlib import Path

BASELINE = "l1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    several_runs.add_options(parser)
    parser.add_argument("--budgets", nargs="+", type=int, default=[13, 30, 100], metavar="PASSES")
    parser.add_argument("--half", default="reporting", help="of the shipped prompts (default: reporting)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth of the prompts only")
    parser.add_argument("--print", action="store_true", help="run nothing; print what is there")
    options = parser.parse_args()
    if not options.print:
        prompts, folder = several_runs.shared_out(options, sw.shipped_prompts(half=options.half)[:: options.every])
        for model in several_runs.models(options):
            run(model, prompts, options.budgets, folder)
    print_table([file for part in several_runs.parts(options.folders) for file in sorted(part.glob("*.jsonl"))])


def run(model: sw.Model, prompts: list[Any], budgets: list[int], folder: Path) -> None:
    """Write a line a prompt: the figures of each measure and budget."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{model.name}.jsonl").open("w", encoding="utf-8") as lines:
        for prompt in prompts:
            traces = {name: sw.trace(model, prompt["text"], name) for name in (BASELINE, "l2")}
            for passes in budgets:
                traces[f"refined, {passes} passes"] = sw.trace(model, prompt["text"], "refined", passes=passes)
            found = {name: figures(trace) for name, trace in traces.items()}
            lines.write(
                json.dumps({"model": model.name, "prompt": prompt["id"], "figures": found}, allow_nan=False) + "\n"
            )


def figures(trace: sw.STrace) -> dict[str, float]:
    sweep = trace.evaluate(SIZES)
    return {
        "area over s": sweep.area("s"),
        "area over log10 s": sweep.area("log10 s"),
        "size for top-1": criteria.necessary_size(sweep, criteria.top(1)),
    }


def print_table(files: list[Path]) -> None:
    """Print medians over prompts, their ratio to the baseline's, and on what share of the prompts each is lower."""
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    for model in dict.fromkeys(row["model"] for row in rows):
        found = [row["figures"] for row in rows if row["model"] == model]
        names = list(found[0][BASELINE])
        print(f"\n{model}, {len(found)} prompts\n")
        print(several_runs.table_row("", *names))
        print("|---" * (1 + len(names)) + "|")
        for measure in found[0]:
            cells = [
                cell(*(np.array([each[which][name] for each in found]) for which in (measure, BASELINE)))
                for name in names
            ]
            print(several_runs.table_row(measure, *cells))


def cell(values: np.ndarray, baseline: np.ndarray) -> str:
    ratio = np.median(values) / np.median(baseline)
    return f"{np.median(values):.3f}, ratio {ratio:.2f}, lower on {np.mean(values < baseline):.0%}"


if __name__ == "__main__":
    main()
