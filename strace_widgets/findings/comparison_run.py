"""Compare importance measures: run the studies that it takes, or read them, and collect the figures of each prompt.

Every combination of evaluation modes is a condition, and a study in a folder of its own; the studies' tables hold
everything, so that a comparison can be stopped and continued as a study can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StudyError
from ..extras import pd
from ..graph.modes import Modes
from ..json_files import decode, encode
from ..paths import absolute, expanded, write_file
from ..results import metrics
from ..studies.prompts import read_prompts
from ..studies.run import several, study
from ..studies.store import Study, load_study
from ..studies.timing import weighing_costs
from .measure_comparison import AREAS, CRITERIA, Condition, MeasureComparison
from .reconstruction import error_by_size

if TYPE_CHECKING:
    from pathlib import Path

    from ..model.model import Model
    from ..paths import AnyPath

IMPORTANCE = ("l1", "l2", "fisher", "fisher+projection", "rescored")
"""The measures that are compared unless others are named."""

SIZES = tuple(float(f"{size:.4g}") for size in np.geomspace(1e-3, 1, 37))
"""The grid of sizes: twelve a decade."""

AREA_FROM = 1e-3
"""The size at which the areas under the error begin, or the smallest size of the grid if that is larger."""

COSTED = 5
"""The number of prompts that costs are measured on."""

COSTS = "costs.json"
"""The file that keeps the costs."""


def compare_measures(
    model: Model,
    prompts: AnyPath | Any,
    folder: AnyPath,
    *,
    importance: Iterable[str] | str = IMPORTANCE,
    baseline: str = "l1",
    masks: Iterable[str] | str = ("all",),
    attention: Iterable[str] | str = ("recomputed",),
    ablation: Iterable[str] | str = ("zero",),
    sizes: Iterable[float] | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> MeasureComparison:
    """Evaluate importance measures on many prompts, or continue a comparison that was stopped.

    Parameters
    ----------
    model : Model
    prompts : iterable, str or Path, or table
        As for `strace_widgets.study`; ``sw.shipped_prompts(half="tuning")`` to choose a measure with.
    folder : str or Path
        For the results: a study in a folder of its own for each condition, and the costs.
    importance : iterable of str
        Names of `strace_widgets.graph.measures.MEASURES`.
    baseline : str
        The one of them that the others are compared with.
    masks, attention, ablation : str or several
        Values of the modes (`strace_widgets.graph.modes.Modes`); every combination is a condition.
    sizes : floats in (0, 1], optional
        The grid, with 1 added where it lacks; `SIZES` unless given.
    limit : int, optional
        How many prompts to draw at random.
    seed : int
        The seed of that draw, of the measure ``"random"``, and of the bootstrap.
    progress : bool
        Show a progress bar for each condition.

    Returns
    -------
    MeasureComparison

    Raises
    ------
    ValueError
        When a measure, mode or size does not exist, or there is nothing to compare: one measure, no size below 1.
    StudyError
        As for `strace_widgets.study`.
    """
    conditions = [Condition(*each) for each in product(*map(several, (masks, attention, ablation)))]
    measures, grid = several(importance), tuple(SIZES if sizes is None else sizes)
    _check(measures, baseline, grid, conditions)
    prompts = list(prompts) if isinstance(prompts, Iterator) else prompts  # each condition reads them again
    shared: dict[str, Any] = {"importance": measures, "baselines": (), "sizes": grid, "limit": limit, "seed": seed}
    studies = {
        each: study(model, prompts, expanded(folder) / "-".join(each), **shared, **each._asdict(), progress=progress)
        for each in conditions
    }
    return _compared(studies, baseline, _costs(model, prompts, expanded(folder), studies[conditions[0]]), seed)


def _check(measures: tuple[str, ...], baseline: str, grid: tuple[float, ...], conditions: list[Condition]) -> None:
    """Refuse what cannot be compared, before the first condition takes its hours."""
    _check_baseline(measures, baseline)
    if len(measures) == 1:
        raise ValueError(f"There is nothing to compare {baseline!r} with: name another measure.")
    if not any(size < 1 for size in grid):
        raise ValueError("Measures differ only in traces of a part of the graph: give a size below 1.")
    for condition in conditions:
        Modes(**condition._asdict())


def _check_baseline(measures: tuple[str, ...], baseline: str) -> None:
    if baseline not in measures:
        raise ValueError(f"The baseline {baseline!r} is not among the measures {', '.join(map(repr, measures))}.")


def load_measure_comparison(folder: AnyPath, *, baseline: str = "l1", seed: int = 0) -> MeasureComparison:
    """Return what `strace_widgets.compare_measures` left in a folder, whole or as far as it has come.

    Parameters
    ----------
    folder : str or Path
    baseline : str
        The measure that the others are compared with.
    seed : int
        The seed of the bootstrap.

    Raises
    ------
    StudyError
        When no condition has a prompt with results, or a study in the folder cannot be read.
    ValueError
        When the baseline was not compared.
    """
    folder = expanded(folder)
    begun = [load_study(file.parent) for file in sorted(folder.glob("*/study.json"))]
    studies = {_condition(each): each for each in begun if (each.prompts["status"] == "ok").any()}
    if not studies:
        raise StudyError(f"There are no results of a comparison in {absolute(folder)}: run `compare_measures` into it.")
    measures = next(iter(studies.values())).settings.importance
    _check_baseline(measures, baseline)
    return _compared(studies, baseline, _read_costs(folder) or dict.fromkeys(measures, np.nan), seed)


def _condition(done: Study) -> Condition:
    return Condition(done.settings.masks[0], done.settings.attention, done.settings.ablation)


def _compared(studies: dict[Condition, Study], baseline: str, costs: dict[str, float], seed: int) -> MeasureComparison:
    return MeasureComparison(
        model=next(iter(studies.values())).settings.model,
        baseline=baseline,
        prompts=_by_condition(studies, _figures),
        curves=_by_condition(studies, error_by_size),
        failed=_by_condition(studies, _failed),
        costs=costs,
        seed=seed,
    )


def _by_condition(studies: dict[Condition, Study], table: Any) -> pd.DataFrame:
    """Return a table of each study below one another, the modes of each in front."""
    modes = list(Condition._fields)
    tables = {condition: table(each).drop(columns=modes, errors="ignore") for condition, each in studies.items()}
    return pd.concat(tables, names=modes).reset_index(modes).reset_index(drop=True)


def _figures(done: Study) -> pd.DataFrame:
    """Return one row a prompt and measure: its necessary sizes, and the areas under its error."""
    rows = ["prompt_id", "importance"]
    necessary = done.necessary.pivot(index=rows, columns="criterion", values="size").reset_index()
    first = max(AREA_FROM, done.settings.sizes[0])
    areas = [
        dict(zip(rows, names, strict=True))
        | {
            name: metrics.area(points["size"].to_numpy(), points["total_variation"].to_numpy(), axis, first, 1)
            for name, axis in AREAS.items()
        }
        for names, points in done.points.groupby(rows, observed=True, sort=False)
    ]
    table = pd.DataFrame(areas).merge(necessary.astype(dict.fromkeys(rows, str)), on=rows)
    return table.merge(done.prompts[["prompt_id", "kind"]], on="prompt_id")[
        ["prompt_id", "kind", "importance", *CRITERIA]
    ]


def _failed(done: Study) -> pd.DataFrame:
    return done.prompts.loc[done.prompts["status"] == "failed", ["prompt_id", "text", "reason"]]


def _costs(model: Model, prompts: Any, folder: Path, done: Study) -> dict[str, float]:
    """Return what each measure costs, measured on a few prompts that could be traced; once a folder."""
    measures = done.settings.importance
    if model.server:
        return dict.fromkeys(measures, np.nan)
    if measured := _read_costs(folder):
        return measured
    traced = set(done.prompts.loc[done.prompts["status"] == "ok", "prompt_id"])
    contents = [prompt.content for prompt in read_prompts(prompts) if prompt.id in traced]
    chosen = contents[:: -(-len(contents) // COSTED)]
    costs = weighing_costs(model, map(model.encode, chosen), measures)
    write_file(folder / COSTS, encode(costs) + b"\n")
    return costs


def _read_costs(folder: Path) -> dict[str, float] | None:
    """Return the costs that were measured; None where none were yet.

    Raises
    ------
    StudyError
        When the file holds something else.
    """
    file = folder / COSTS
    if not file.exists():
        return None
    try:
        return decode(file.read_bytes(), dict[str, float])
    except (OSError, ValueError) as reason:
        raise StudyError(f"{file} does not hold the cost of each measure: {reason}. Delete the file.") from reason
