"""The reports of the documentation: the shipped prompts on each real model, and what is known of them before tracing.

    python benchmarks/reports.py build/reports      # runs both studies (half an hour); a stop loses at most a prompt

The pages go to ``docs/reports``; what `strace_widgets.Study.budget` says is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import several_runs

import strace_widgets as sw

DOCS = Path(__file__).parents[1] / "docs" / "reports"
CRITERIA = ("top1", "nucleus60", "tv0.1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    several_runs.add_models(parser)
    options = parser.parse_args()
    for model in several_runs.models(options):
        study = sw.study(model, sw.shipped_prompts(), options.folder / model.name)
        page = study.report(DOCS / f"{model.name}.html")
        print(f"\n{page}: {page.stat().st_size / 1e6:.2f} MB, {len(study.prompts)} prompts")
        for criterion in CRITERIA:
            print(study.budget(criterion))


if __name__ == "__main__":
    main()
