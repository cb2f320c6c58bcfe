"""Importance measures compared with one of them: the figures of each prompt, and their summary over all prompts."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ..extras import pd
from . import statistics

if TYPE_CHECKING:
    from ..results.metrics import Axis

AREAS: dict[str, Axis] = {"area_log10_s": "log10 s", "area_s": "s"}
"""The areas under total variation, and over which axis (`strace_widgets.results.metrics.area`)."""

CRITERIA = ("top1", "top5", "nucleus60", "tv0.3", "tv0.1", *AREAS)
"""The figures of each prompt, of which smaller is better: necessary sizes (`Study.necessary`), and areas."""

COUNTS = ("wins", "ties", "losses")

INTERVAL = "{:.3g} [{:.3g}, {:.3g}]"
SHARE = "{:.0%} [{:.0%}, {:.0%}]"


class Condition(NamedTuple):
    """The evaluation modes of one study."""

    masks: str
    attention: str
    ablation: str


@dataclass(frozen=True, eq=False, repr=False)
class MeasureComparison:
    """What `strace_widgets.compare_measures` found; a condition is one combination of masks, attention and ablation.

    Attributes
    ----------
    baseline : str
        The measure that the others are compared with.
    prompts : DataFrame
        One row a model, condition, prompt and measure: `model`, `masks`, `attention`, `ablation`, `prompt_id`, `kind`,
        `importance`; the smallest sizes of the grid from which on each criterion holds, `top1`, `top5`, `nucleus60`,
        `tv0.3` and `tv0.1` (1 where no smaller one lasts); and the areas under total variation from s = 0.001 to 1,
        `area_log10_s` (times decades) and `area_s`.
    curves : DataFrame
        `findings.error_by_size` of each model and condition, under the columns `model` and those of the condition.
    failed : DataFrame
        The prompts without results, by model and condition, with the `reason`.
    costs : dict of dict of float
        What weighing the edges takes, in plain forward passes (`strace_widgets.studies.timing.weighing_costs`), by
        model and measure; NaN, or no entry, where it was not measured, as on a server.
    seed : int
        The seed of the bootstrap.
    """

    baseline: str
    prompts: pd.DataFrame
    curves: pd.DataFrame
    failed: pd.DataFrame
    costs: dict[str, dict[str, float]]
    seed: int = 0

    @property
    def models(self) -> list[str]:
        """The models' names, in the order in which they were compared."""
        return list(self.prompts["model"].unique())

    def overall(self) -> pd.DataFrame:
        """Return one row a condition, measure and criterion: what holds on every model, so that none hides another.

        Returns
        -------
        DataFrame
            `masks`, `attention`, `ablation`, `importance`, `criterion`, `n_models`, `n_prompts`. Of the columns of
            `summary`: the largest `ratio` of all models, with its interval, and `ratio_model`, the model whose it is;
            the smallest `share` of wins, with its interval, and `share_model`; `wins`, `ties` and `losses` on the
            prompts of all models together; and the largest `cost`. The baseline has no row.
        """
        rows = self._summary[self._summary["importance"] != self.baseline]
        by = [*Condition._fields, "importance", "criterion"]
        found = [dict(zip(by, which, strict=True)) | _worst(group) for which, group in rows.groupby(by, sort=False)]
        return pd.DataFrame(found).astype(dict.fromkeys(COUNTS, "Int64"))

    def summary(self) -> pd.DataFrame:
        """Return one row a model, condition, measure and criterion: the figures, and how the baseline's compare.

        Returns
        -------
        DataFrame
            `model`, `masks`, `attention`, `ablation`, `importance`, `criterion`, `n_prompts`; `median`, `lower` and
            `upper`, the quartiles over prompts. Against the baseline: `ratio`, of the medians, and `paired`, the median
            of each prompt's ratio, each with its 95 % interval by bootstrap over prompts, `_low` and `_high`; on how
            many prompts the figure is lower, equal or higher, `wins`, `ties` and `losses`; `share`, wins of all
            prompts, with its Wilson interval. They are missing for the baseline itself. `cost` is that of the measure.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = []
        for which, group in self.prompts.groupby(["model", *Condition._fields], sort=False):
            where = dict(zip(("model", *Condition._fields), which, strict=True))
            costs = self.costs.get(where["model"], {})
            for criterion in CRITERIA:
                figures = group.pivot(index="prompt_id", columns="importance", values=criterion)
                for name in group["importance"].unique():
                    found = _spread(figures[name])
                    if name != self.baseline:
                        found |= _against(figures[name].to_numpy(), figures[self.baseline].to_numpy(), self.seed)
                    cost = {"cost": costs.get(name, math.nan)}
                    rows.append(where | {"importance": name, "criterion": criterion} | found | cost)
        return pd.DataFrame(rows).astype(dict.fromkeys(COUNTS, "Int64"))

    def chart(
        self,
        *,
        model: str | None = None,
        masks: str | None = None,
        attention: str | None = None,
        ablation: str | None = None,
    ) -> Any:
        """Return an Altair chart of one condition: the mean error at each size, and each prompt against the baseline.

        Parameters
        ----------
        model : str, optional
            One of `models`; all of them, side by side, unless given.
        masks, attention, ablation : str, optional
            The condition; the first that was compared without them.
        """
        from ..charts import measure_comparison  # noqa: PLC0415 - drawn only on request

        return measure_comparison(self, model=model, masks=masks, attention=attention, ablation=ablation)

    def __repr__(self) -> str:
        tables = [f"{title}{table.to_string(index=False)}" for title, table in self._shown().items()]
        return "\n".join([self._heading(), *tables])

    def _repr_html_(self) -> str:
        tables = [f"<p>{html.escape(title)}</p>{table.to_html(index=False)}" for title, table in self._shown().items()]
        return f"<p>{html.escape(self._heading())}</p>{''.join(tables)}"

    def _heading(self) -> str:
        counts = []
        for model in self.models:
            n_prompts, n_failed = (
                table.loc[table["model"] == model, "prompt_id"].nunique() for table in (self.prompts, self.failed)
            )
            failed = f" ({n_failed:,} more failed)" if n_failed else ""
            counts.append(f"{n_prompts:,} prompts{failed} of {model}")
        measures = ", ".join(self.prompts["importance"].unique())
        return (
            f"Measures {measures} on {' and '.join(counts)}, compared with {self.baseline}: "
            "necessary sizes and areas, smaller is better; in brackets quartiles, and 95 % intervals over prompts"
        )

    def _shown(self) -> dict[str, pd.DataFrame]:
        """Return tables of few columns of text, by title; of several models first what holds on all of them."""
        rows, against = self._summary, f"÷ {self.baseline}"
        compared = rows["importance"] != self.baseline
        each = _telling(rows, "model", *Condition._fields, "criterion", "importance") | {
            "median": _written(rows, INTERVAL, "median", "lower", "upper"),
            f"medians {against}": _written(rows, INTERVAL, "ratio", "ratio_low", "ratio_high").where(compared, ""),
            f"each {against}": _written(rows, INTERVAL, "paired", "paired_low", "paired_high").where(compared, ""),
            "lower/equal/higher": _written(rows, "{}/{}/{}", *COUNTS).where(compared, ""),
            "share lower": _written(rows, SHARE, "share", "share_low", "share_high").where(compared, ""),
            "cost": rows["cost"].map("{:.2g}".format),
        }
        if len(self.models) == 1:
            return {"": pd.DataFrame(each)}
        rows = self.overall()
        overall = _telling(rows, *Condition._fields, "criterion", "importance") | {
            f"worst medians {against}": _written(rows, INTERVAL, "ratio", "ratio_low", "ratio_high"),
            "on": rows["ratio_model"],
            "lower/equal/higher": _written(rows, "{}/{}/{}", *COUNTS),
            "least share lower": _written(rows, SHARE, "share", "share_low", "share_high"),
            "of": rows["share_model"],
            "cost": rows["cost"].map("{:.2g}".format),
        }
        worst = f"\nOverall, by the worst of {len(self.models)} models:\n"
        return {worst: pd.DataFrame(overall), "\nOn each model:\n": pd.DataFrame(each)}


def _telling(rows: pd.DataFrame, *names: str) -> dict[str, pd.Series]:
    """Return columns by name, without a model or mode that all rows share."""
    always = {"criterion", "importance"}
    return {name: rows[name] for name in names if name in always or rows[name].nunique() > 1}


def _worst(rows: pd.DataFrame) -> dict[str, Any]:
    """Return what the models' rows of one measure and criterion say together; an undefined ratio is the worst."""
    ratio = rows.loc[rows["ratio"].fillna(math.inf).idxmax()]
    share = rows.loc[rows["share"].idxmin()]
    return {
        "n_models": len(rows),
        "n_prompts": rows["n_prompts"].sum(),
        **ratio[["ratio", "ratio_low", "ratio_high"]],
        "ratio_model": ratio["model"],
        **rows[list(COUNTS)].sum(),
        **share[["share", "share_low", "share_high"]],
        "share_model": share["model"],
        "cost": rows["cost"].max(),
    }


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
