"""Importance measures against one of them, over many prompts: how small traces may be, how far they err, at what cost.

Every combination of evaluation modes is a condition, and a study in a folder of its own; the studies' tables hold
everything, so that a comparison is stopped and gone on with as a study is.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import findings
from ..errors import StudyError
from ..extras import pd
from ..graph.modes import Modes
from ..results import metrics
from ..studies.prompts import read_prompts
from ..studies.run import Study, load_study, study
from ..studies.timing import weighing_costs
from . import statistics

if TYPE_CHECKING:
    from ..model.model import Model

MEASURES = ("l1", "l2", "fisher", "fisher+projection", "rescored")
"""The measures that are compared unless others are named."""

SIZES = tuple(float(f"{size:.4g}") for size in np.geomspace(1e-3, 1, 37))
"""The grid of sizes: twelve a decade."""

AREA_FROM = 1e-3
"""Where the areas under the error begin; at the smallest size evaluated, if that is larger."""

AREAS: dict[str, metrics.Axis] = {"area_log10_s": "log10 s", "area_s": "s"}
"""The areas under total variation, and over which axis."""

CRITERIA = ("top1", "top5", "nucleus60", "tv0.3", "tv0.1", *AREAS)
"""The figures of each prompt, of which less is better: necessary sizes (`Study.necessary`), and areas."""

COUNTS = ("wins", "ties", "losses")

INTERVAL = "{:.3g} [{:.3g}, {:.3g}]"

COSTED = 5
"""Prompts that costs are measured on."""

COSTS = "costs.json"
"""The file of them."""


class Condition(NamedTuple):
    """The evaluation modes of one study."""

    masks: str
    attention: str
    ablation: str


@dataclass(frozen=True, repr=False)
class MeasureComparison:
    """What `strace_widgets.compare_measures` found; a condition is one combination of masks, attention and ablation.

    Attributes
    ----------
    model : str
    baseline : str
        The measure that the others are set against.
    prompts : DataFrame
        One row a prompt, condition and measure: `masks`, `attention`, `ablation`, `prompt_id`, `kind`, `importance`;
        the smallest sizes of the grid from which on each criterion holds, `top1`, `top5`, `nucleus60`, `tv0.3` and
        `tv0.1` (1 where no smaller one lasts); and the areas under total variation from s = `AREA_FROM` to 1,
        `area_log10_s` (times decades) and `area_s`.
    curves : DataFrame
        `findings.error_by_size` of each condition, under the columns of the condition.
    failed : DataFrame
        The prompts without results, by condition, with the `reason`.
    costs : dict of float
        What weighing the edges takes with each measure, in plain forward passes (`costs.weighing_costs`); NaN for a
        model on a server.
    seed : int
        Of the bootstrap.
    """

    model: str
    baseline: str
    prompts: pd.DataFrame
    curves: pd.DataFrame
    failed: pd.DataFrame
    costs: dict[str, float]
    seed: int = 0

    def summary(self) -> pd.DataFrame:
        """Return one row a condition, measure and criterion: the figures, and how they compare with the baseline's.

        Returns
        -------
        DataFrame
            `masks`, `attention`, `ablation`, `importance`, `criterion`, `n_prompts`; `median`, `lower` and `upper`,
            the quartiles over prompts. Against the baseline: `ratio`, of the medians, and `paired`, the median of each
            prompt's ratio, each with its 95 % interval by bootstrap over prompts, `_low` and `_high`; on how many
            prompts the figure is lower, equal or higher, `wins`, `ties` and `losses`; `share`, wins of all prompts,
            with its Wilson interval. They are missing for the baseline itself. `cost` is that of the measure.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = []
        for condition, group in self.prompts.groupby(list(Condition._fields), sort=False):
            where = dict(zip(Condition._fields, condition, strict=True))
            for criterion in CRITERIA:
                figures = group.pivot(index="prompt_id", columns="importance", values=criterion)
                for name in group["importance"].unique():
                    found = _spread(figures[name])
                    if name != self.baseline:
                        found |= _against(figures[name].to_numpy(), figures[self.baseline].to_numpy(), self.seed)
                    rows.append(where | {"importance": name, "criterion": criterion} | found)
        table = pd.DataFrame(rows).astype(dict.fromkeys(COUNTS, "Int64"))
        return table.assign(cost=table["importance"].map(self.costs))

    def chart(self, *, masks: str | None = None, attention: str | None = None, ablation: str | None = None) -> Any:
        """Return an Altair chart of one condition: the mean error at each size, and each prompt against the baseline.

        Parameters
        ----------
        masks, attention, ablation : str, optional
            The condition; the first that was compared without them.
        """
        from ..charts import measure_comparison  # noqa: PLC0415 - drawn only on request

        return measure_comparison(self, masks=masks, attention=attention, ablation=ablation)

    def __repr__(self) -> str:
        return f"{self._heading()}\n{self._told().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._heading())}</p>{self._told().to_html(index=False)}"

    def _heading(self) -> str:
        n_prompts, n_failed = self.prompts["prompt_id"].nunique(), self.failed["prompt_id"].nunique()
        failed = f" ({n_failed:,} more failed)" if n_failed else ""
        measures = ", ".join(self.prompts["importance"].unique())
        return (
            f"Measures {measures} on {n_prompts:,} prompts{failed} of {self.model}, set against {self.baseline}: "
            "smallest sizes and areas, less is better; in brackets quartiles, and 95 % intervals over prompts"
        )

    def _told(self) -> pd.DataFrame:
        """Return the summary in few columns, to be read; the modes that are the same throughout are left out."""
        rows = self._summary
        compared = rows["importance"] != self.baseline
        against = f"÷ {self.baseline}"
        told = {name: rows[name] for name in Condition._fields if rows[name].nunique() > 1}
        told |= {
            "criterion": rows["criterion"],
            "importance": rows["importance"],
            "median": _written(rows, INTERVAL, "median", "lower", "upper"),
            f"medians {against}": _written(rows, INTERVAL, "ratio", "ratio_low", "ratio_high").where(compared, ""),
            f"each {against}": _written(rows, INTERVAL, "paired", "paired_low", "paired_high").where(compared, ""),
            "lower/equal/higher": _written(rows, "{}/{}/{}", *COUNTS).where(compared, ""),
            "share lower": _written(rows, "{:.0%} [{:.0%}, {:.0%}]", "share", "share_low", "share_high").where(
                compared, ""
            ),
            "cost": rows["cost"].map("{:.2g}".format),
        }
        return pd.DataFrame(told)


def compare_measures(
    model: Model,
    prompts: Any,
    folder: str | Path,
    *,
    measures: Iterable[str] = MEASURES,
    baseline: str = "l1",
    masks: Iterable[str] | str = ("all",),
    attention: Iterable[str] | str = ("recomputed",),
    ablation: Iterable[str] | str = ("zero",),
    sizes: Iterable[float] | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> MeasureComparison:
    """Evaluate importance measures on many prompts, or go on where that was stopped.

    Parameters
    ----------
    model : Model
    prompts : iterable, str or Path, or table
        As for `strace_widgets.study`; ``sw.shipped_prompts(half="tuning")`` to choose a measure with.
    folder : str or Path
        Where the results go: a study in a folder of its own for each condition, which `strace_widgets.load_study`
        opens, and ``costs.json``. `strace_widgets.load_measure_comparison` reads them all.
    measures : iterable of str
        Names of `strace_widgets.graph.measures.MEASURES`.
    baseline : str
        One of them: what the others are set against.
    masks, attention, ablation : str or several
        Values of the modes (`strace_widgets.graph.modes.Modes`); every combination is a condition.
    sizes : floats in (0, 1], optional
        The grid, with 1 added where it lacks; `SIZES` unless given.
    limit : int, optional
        How many prompts to draw at random.
    seed : int
        Of that draw, of the measure ``"random"``, and of the bootstrap.
    progress : bool
        Show a progress bar for each condition.

    Returns
    -------
    MeasureComparison

    Raises
    ------
    ValueError
        When a measure, mode or size does not exist, when the baseline is not among the measures or alone, or when
        there is no size below 1.
    StudyError
        As for `strace_widgets.study`.
    """
    measures = tuple(dict.fromkeys(measures))
    grid = tuple(SIZES if sizes is None else sizes)
    if baseline not in measures:
        raise ValueError(f"The baseline {baseline!r} is not among the measures {', '.join(map(repr, measures))}.")
    if len(measures) == 1:
        raise ValueError(f"There is nothing to compare {baseline!r} with: name another measure.")
    if not any(size < 1 for size in grid):
        raise ValueError("Measures differ only in traces of a part of the graph: give a size below 1.")
    conditions = [Condition(*each) for each in product(*map(_several, (masks, attention, ablation)))]
    for condition in conditions:  # all of them before the first takes its hours
        Modes(**condition._asdict())
    if isinstance(prompts, Iterator):  # each condition reads them again
        prompts = list(prompts)
    studies = {
        condition: study(
            model,
            prompts,
            Path(folder) / "-".join(condition),
            importance=measures,
            baselines=(),
            **condition._asdict(),
            sizes=grid,
            limit=limit,
            seed=seed,
            progress=progress,
        )
        for condition in conditions
    }
    costs = _costs(model, prompts, Path(folder), next(iter(studies.values())))
    return _compared(studies, baseline, costs, seed)


def load_measure_comparison(folder: str | Path, *, baseline: str = "l1", seed: int = 0) -> MeasureComparison:
    """Return what `strace_widgets.compare_measures` left in a folder, whole or as far as it has come.

    Parameters
    ----------
    folder : str or Path
    baseline : str
        What the others are set against.
    seed : int
        Of the bootstrap.

    Raises
    ------
    StudyError
        When no condition has a prompt with results, or a study in the folder cannot be read.
    ValueError
        When the baseline was not compared.
    """
    folder = Path(folder)
    begun = {
        Condition(*file.parent.name.split("-")): load_study(file.parent) for file in sorted(folder.glob("*/study.json"))
    }
    studies = {condition: each for condition, each in begun.items() if (each.prompts["status"] == "ok").any()}
    if not studies:
        raise StudyError(f"There are no results of a comparison in {str(folder)!r}: run `compare_measures` into it.")
    measures = next(iter(studies.values())).settings.importance
    if baseline not in measures:
        raise ValueError(f"The baseline {baseline!r} is not among the measures {', '.join(map(repr, measures))}.")
    return _compared(studies, baseline, _read_costs(folder) or dict.fromkeys(measures, np.nan), seed)


def _compared(studies: dict[Condition, Study], baseline: str, costs: dict[str, float], seed: int) -> MeasureComparison:
    return MeasureComparison(
        model=next(iter(studies.values())).settings.model,
        baseline=baseline,
        prompts=_by_condition(studies, _figures),
        curves=_by_condition(studies, findings.error_by_size),
        failed=_by_condition(studies, _failed),
        costs=costs,
        seed=seed,
    )


def _several(names: Iterable[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def _by_condition(studies: dict[Condition, Study], table: Any) -> pd.DataFrame:
    """Return a table of each study below one another, the modes of each in front."""
    modes = list(Condition._fields)
    tables = {where: table(each).drop(columns=modes, errors="ignore") for where, each in studies.items()}
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
    (folder / COSTS).write_text(json.dumps(costs, indent=1) + "\n", encoding="utf-8")
    return costs


def _read_costs(folder: Path) -> dict[str, float] | None:
    """Return what was measured; None where nothing was yet."""
    file = folder / COSTS
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _spread(figures: pd.Series) -> dict[str, float]:
    lower, median, upper = figures.quantile([0.25, 0.5, 0.75])
    return {"n_prompts": len(figures), "median": median, "lower": lower, "upper": upper}


def _against(figures: Any, baseline: Any, seed: int) -> dict[str, float]:
    """Return how N figures compare with the baseline's of the same prompts."""
    wins = int((figures < baseline).sum())
    intervals = {
        "ratio": statistics.ratio_of_medians(figures, baseline, seed=seed),
        "paired": statistics.median_ratio(figures, baseline, seed=seed),
        "share": statistics.share(wins, len(figures)),
    }
    counts = (wins, int((figures == baseline).sum()), int((figures > baseline).sum()))
    return dict(zip(COUNTS, counts, strict=True)) | {
        f"{name}{end}": value
        for name, interval in intervals.items()
        for end, value in zip(("", "_low", "_high"), interval, strict=True)
    }


def _written(rows: pd.DataFrame, form: str, *names: str) -> pd.Series:
    """Return some columns of each row as one text."""
    return rows[list(names)].apply(lambda row: form.format(*row), axis=1)
