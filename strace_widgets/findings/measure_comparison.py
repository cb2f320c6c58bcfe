"""Importance measures compared with one of them: the figures of each prompt, and their summary over all prompts."""

from __future__ import annotations

import html
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
    model : str
    baseline : str
        The measure that the others are compared with.
    prompts : DataFrame
        One row a prompt, condition and measure: `masks`, `attention`, `ablation`, `prompt_id`, `kind`, `importance`;
        the smallest sizes of the grid from which on each criterion holds, `top1`, `top5`, `nucleus60`, `tv0.3` and
        `tv0.1` (1 where no smaller one lasts); and the areas under total variation from s = 0.001 to 1,
        `area_log10_s` (times decades) and `area_s`.
    curves : DataFrame
        `findings.error_by_size` of each condition, under the columns of the condition.
    failed : DataFrame
        The prompts without results, by condition, with the `reason`.
    costs : dict of float
        What weighing the edges takes with each measure, in plain forward passes
        (`strace_widgets.studies.timing.weighing_costs`); NaN for a model on a server.
    seed : int
        The seed of the bootstrap.
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
            modes = dict(zip(Condition._fields, condition, strict=True))
            for criterion in CRITERIA:
                figures = group.pivot(index="prompt_id", columns="importance", values=criterion)
                for name in group["importance"].unique():
                    found = _spread(figures[name])
                    if name != self.baseline:
                        found |= _against(figures[name].to_numpy(), figures[self.baseline].to_numpy(), self.seed)
                    rows.append(modes | {"importance": name, "criterion": criterion} | found)
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
        return f"{self._heading()}\n{self._shown().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._heading())}</p>{self._shown().to_html(index=False)}"

    def _heading(self) -> str:
        n_prompts, n_failed = self.prompts["prompt_id"].nunique(), self.failed["prompt_id"].nunique()
        failed = f" ({n_failed:,} more failed)" if n_failed else ""
        measures = ", ".join(self.prompts["importance"].unique())
        return (
            f"Measures {measures} on {n_prompts:,} prompts{failed} of {self.model}, compared with {self.baseline}: "
            "necessary sizes and areas, smaller is better; in brackets quartiles, and 95 % intervals over prompts"
        )

    def _shown(self) -> pd.DataFrame:
        """Return the summary in few columns of text; modes that all conditions share are left out."""
        rows = self._summary
        compared = rows["importance"] != self.baseline
        against = f"÷ {self.baseline}"
        shown = {name: rows[name] for name in Condition._fields if rows[name].nunique() > 1}
        shown |= {
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
        return pd.DataFrame(shown)


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
