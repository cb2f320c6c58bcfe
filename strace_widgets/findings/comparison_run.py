"""Compare importance measures: run the studies that it takes, or read them, and collect the figures of each prompt.

Every model has a folder, and every combination of evaluation modes is a condition, and a study in a folder of its own
there; the studies' tables hold everything, so that a comparison can be stopped and continued as a study can.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import count, product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StudyError
from ..extras import pd
from ..graph.measures import measure_named
from ..graph.modes import Modes
from ..json_files import decode, encode
from ..paths import absolute, expanded, write_file
from ..results import metrics
from ..studies.prompts import read_prompts
from ..studies.run import study
from ..studies.settings import several
from ..studies.store import Study, load_study
from ..studies.timing import weighing_costs
from ..studies.work import opened
from .measure_comparison import AREAS, CRITERIA, Condition, MeasureComparison
from .reconstruction import error_by_size

if TYPE_CHECKING:
    from collections.abc import Collection
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
"""The number of prompts that costs are measured on, unless another is given."""

COSTS = "costs.json"
"""The file that keeps the costs."""


def compare_measures(
    models: Any,
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
    costed: int = COSTED,
    progress: bool = True,
) -> MeasureComparison:
    """Evaluate importance measures on many prompts and one model or several, or continue what was stopped.

    Parameters
    ----------
    models : Model, or what `strace_widgets.load_model` takes, or a function that returns a Model; or a list of these
        What is not loaded yet is loaded when its turn comes, and let go of after it, so that no two models need be in
        memory at once. Of models with one name the second is called ``name-2``, and so on in the order given.
    prompts : iterable, str or Path, or table
        As for `strace_widgets.study`; ``sw.shipped_prompts(half="tuning")`` to choose a measure with.
    folder : str or Path
        For the results: a folder for each model, with the costs and a study in a folder of its own for each condition.
    importance, baseline : iterable of str, str
        Names of `strace_widgets.graph.measures.MEASURES`, and the one of them that the others are compared with.
    masks, attention, ablation : str or several
        Values of the modes (`strace_widgets.graph.modes.Modes`); every combination is a condition.
    sizes : floats in (0, 1], optional
        The grid, with 1 added where it lacks; `SIZES` unless given.
    limit, seed : int
        How many prompts to draw at random, or all; the seed of that, of the measure ``"random"``, and of the bootstrap.
    costed, progress : int, bool
        How many prompts costs are measured on, 0 for no costs; whether to show a progress bar for each condition.

    Returns
    -------
    MeasureComparison

    Raises
    ------
    ValueError, StudyError
        When a measure, mode or size does not exist, or there is nothing to compare; and as for `strace_widgets.study`.
    """
    conditions = [Condition(*each) for each in product(*map(several, (masks, attention, ablation)))]
    measures, grid = several(importance), tuple(SIZES if sizes is None else sizes)
    sources = list(models) if isinstance(models, (list, tuple)) else [models]
    _check(sources, measures, baseline, grid, conditions)
    options = {"importance": measures, "sizes": grid, "limit": limit, "seed": seed, "progress": progress}
    evaluate = partial(_evaluate, _kept(prompts), expanded(folder), conditions, costed, options)
    studies: dict[tuple[str, Condition], Study] = {}
    costs: dict[str, dict[str, float]] = {}
    for source in sources:
        name, of_model, costs[name] = evaluate(source, costs)
        studies |= {(name, condition): done for condition, done in of_model.items()}
    return _compared(studies, baseline, costs, seed)


def _kept(prompts: Any) -> Any:
    """Return prompts that can be read more than once, as each condition does."""
    return list(prompts) if isinstance(prompts, Iterator) else prompts


def _evaluate(
    prompts: Any,
    folder: Path,
    conditions: list[Condition],
    costed: int,
    options: dict[str, Any],
    source: Any,
    taken: Collection[str],
) -> tuple[str, dict[Condition, Study], dict[str, float]]:
    """Return what one model is called here, its studies and its costs; let go of it if it was loaded for that."""
    model = opened(source)
    name = _name(model.name, taken)
    home = _home(folder, name, model.name)
    studies = {
        each: study(model, prompts, home / "-".join(each), baselines=(), **options, **each._asdict())
        for each in conditions
    }
    costs = _costs(model, prompts, home, studies[conditions[0]], costed)
    if model is not source:
        del model
        gc.collect()  # a module and its hooks hold each other
    return name, studies, costs


def _name(name: str, taken: Collection[str]) -> str:
    """Return what a model is called in a comparison, and its folder: its name, numbered if another has it."""
    plain = re.sub(r"[^A-Za-z0-9@._-]+", "-", name).strip("-.") or "model"
    known = {other.casefold() for other in taken}  # some file systems take no notice of case
    return next(each for k in count(1) if (each := plain if k == 1 else f"{plain}-{k}").casefold() not in known)


def _home(folder: Path, name: str, full_name: str) -> Path:
    """Return a model's folder; it is the whole folder if that was begun when a comparison was of a single model."""
    begun = next(folder.glob("*/study.json"), None)
    first = name == _name(full_name, ())
    return folder if begun and first and load_study(begun.parent).settings.model == full_name else folder / name


def _check(
    models: list[Any], measures: tuple[str, ...], baseline: str, grid: tuple[float, ...], conditions: list[Condition]
) -> None:
    """Refuse what cannot be compared, before the first condition takes its hours."""
    if not models:
        raise ValueError("There is no model to compare measures on: give one, or None for the default model.")
    _check_baseline(measures, baseline)
    if len(measures) == 1:
        raise ValueError(f"There is nothing to compare {baseline!r} with: name another measure.")
    if not any(size < 1 for size in grid):
        raise ValueError("Measures differ only in traces of a part of the graph: give a size below 1.")
    for name in measures:
        measure_named(name)
    for condition in conditions:
        Modes(**condition._asdict())


def _check_baseline(measures: tuple[str, ...], baseline: str) -> None:
    if baseline not in measures:
        raise ValueError(f"The baseline {baseline!r} is not among the measures {', '.join(map(repr, measures))}.")


def load_measure_comparison(
    folder: AnyPath, *others: AnyPath, baseline: str = "l1", seed: int = 0
) -> MeasureComparison:
    """Return what `strace_widgets.compare_measures` left in a folder, whole or as far as it has come.

    Parameters
    ----------
    folder : str or Path
    *others : str or Path
        Further folders of the same comparison, where its prompts were divided among several runs.
    baseline : str
        The measure that the others are compared with.
    seed : int
        The seed of the bootstrap.

    Raises
    ------
    StudyError
        When no condition has a prompt with results, a study in a folder cannot be read, or the folders' settings
        differ, or two of them hold the same prompt.
    ValueError
        When the baseline was not compared.
    """
    parts: dict[tuple[str, Condition], list[Path]] = {}
    costs: dict[str, list[dict[str, float]]] = {}
    folders = [expanded(each) for each in (folder, *others)]
    for home, file in ((each, file) for each in folders for file in _studies_in(each)):
        done = load_study(file.parent)
        of_model = file.parent.parent
        name = _name(done.settings.model, ()) if of_model == home else of_model.name
        parts.setdefault((name, _condition(done)), []).append(done.folder)
    read = {which: load_study(*each) for which, each in parts.items()}
    studies = {which: done for which, done in read.items() if (done.prompts["status"] == "ok").any()}
    if not studies:
        where = ", ".join(str(absolute(each)) for each in folders)
        raise StudyError(f"There are no results of a comparison in {where}: run `compare_measures` into it.")
    for done in studies.values():
        _check_baseline(done.settings.importance, baseline)
    for (name, _), each in parts.items():
        costs[name] = [found for home in dict.fromkeys(part.parent for part in each) if (found := _read_costs(home))]
    return _compared(studies, baseline, {name: _medians(found) for name, found in costs.items()}, seed)


def _studies_in(folder: Path) -> list[Path]:
    """Return the files of a comparison's studies; first those that no model's folder is around, as it once was."""
    return [*sorted(folder.glob("*/study.json")), *sorted(folder.glob("*/*/study.json"))]


def _medians(costs: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for each in costs for name in each)
    return {name: float(np.median([each[name] for each in costs if name in each])) for name in names}


def _condition(done: Study) -> Condition:
    return Condition(done.settings.masks[0], done.settings.attention, done.settings.ablation)


def _compared(
    studies: dict[tuple[str, Condition], Study], baseline: str, costs: dict[str, dict[str, float]], seed: int
) -> MeasureComparison:
    return MeasureComparison(
        baseline=baseline,
        prompts=_by_condition(studies, _figures),
        curves=_by_condition(studies, error_by_size),
        failed=_by_condition(studies, _failed),
        costs=costs,
        seed=seed,
    )


def _by_condition(studies: dict[tuple[str, Condition], Study], table: Any) -> pd.DataFrame:
    """Return a table of each study below one another, in front its model and modes."""
    tables = []
    for (model, condition), done in studies.items():
        found = table(done).drop(columns=list(Condition._fields), errors="ignore")
        for at, (name, value) in enumerate(({"model": model} | condition._asdict()).items()):
            found.insert(at, name, value)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)


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


def _costs(model: Model, prompts: Any, home: Path, done: Study, costed: int) -> dict[str, float]:
    """Return what each measure costs, measured on a few prompts that could be traced; once a folder."""
    measures = done.settings.importance
    if measured := _read_costs(home):
        return measured
    if model.server or not costed:
        return dict.fromkeys(measures, np.nan)
    traced = set(done.prompts.loc[done.prompts["status"] == "ok", "prompt_id"])
    contents = [prompt.content for prompt in read_prompts(prompts) if prompt.id in traced]
    chosen = contents[:: -(-len(contents) // costed)]
    costs = weighing_costs(model, map(model.encode, chosen), measures)
    write_file(home / COSTS, encode(costs) + b"\n")
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
