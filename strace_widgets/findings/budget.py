"""How large a trace a prompt may need, from what is known before it is traced, with a guarantee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FindingError
from ..extras import optimize, pd
from . import statistics
from .tables import Tables, chosen, table

if TYPE_CHECKING:
    from ..graph.edges import Array

FEWEST = 30
"""How many prompts a rule is fitted, calibrated and tested on at least; each is done on a third of them."""

FITTED = 2000
"""How many prompts a rule is fitted on at most: more would not change it, and take long."""

FEW = 5
"""How many prompts of a kind a rule needs to know it, and a comparison to be made of it."""

KNOWN = ("full_entropy", "full_top1_probability", "n_tokens")
"""What is known of a prompt before it is traced, beside its kind: one pass of the full model tells."""


@dataclass(frozen=True, eq=False, repr=False)
class Budget:
    """A rule that says how large a trace a prompt may need, and how it did on prompts that took no part in it.

    Attributes
    ----------
    criterion, importance, masks : str
        What is to hold, and of which traces.
    coverage : float
        The share of prompts for which it is to hold.
    coefficients : dict of float
        Of the rule for log10 s: ``constant``, `KNOWN` (``n_tokens`` by its log10), and ``kind`` by name.
    correction : float
        What the calibration adds to that.
    sizes : (K,) array
        The study's grid: a budget is the largest of them up to what the rule says.
    constant : float
        The one size for all prompts that has the same guarantee.
    prompts : DataFrame
        The prompts that the rule was tested on: `prompt_id`, `kind`, `needed`, `budget`, `covered`.
    by_kind : DataFrame
        `kind`, `n_prompts`, `covered`, `saved`, `saved_by_constant`, and the `gain`, the difference of these, with its
        95 % interval over prompts, `low` to `high`.
    """

    criterion: str
    importance: str
    masks: str
    coverage: float
    coefficients: dict[str, float]
    correction: float
    sizes: Array
    constant: float
    prompts: pd.DataFrame
    by_kind: pd.DataFrame

    @property
    def covered(self) -> statistics.Interval:
        """The share of the tested prompts whose budget was enough, with Wilson's 95 % interval."""
        return statistics.share(int(self.prompts["covered"].sum()), len(self.prompts))

    @property
    def saved(self) -> float:
        """The mean share of edges that the tested prompts do without."""
        return float(1 - self.prompts["budget"].mean())

    @property
    def saved_by_constant(self) -> float:
        """The same where all prompts get the one size with the same guarantee."""
        return 1 - self.constant

    @property
    def saved_at_best(self) -> float:
        """The same where each prompt gets just what it needs."""
        return float(1 - self.prompts["needed"].mean())

    @property
    def gain(self) -> statistics.Interval:
        """How much more the rule saves than the constant, as a share of the edges, with its 95 % interval."""
        return statistics.mean(self.constant - self.prompts["budget"].to_numpy())

    def size_for(self, *, entropy: float, top1_probability: float, n_tokens: int, kind: str | None = None) -> float:
        """Return the size of a trace for a prompt that was not traced yet.

        Parameters
        ----------
        entropy : float
            Of the full model's prediction, in nats.
        top1_probability : float
            Of its most probable token.
        n_tokens : int
        kind : str, optional
            One of the study's; of another, or without one, the mean over the study's kinds is taken.
        """
        row = pd.DataFrame(
            {"full_entropy": [entropy], "full_top1_probability": [top1_probability], "n_tokens": [n_tokens]}
        ).assign(kind=kind)
        return float(_on_grid(self.sizes, _ruled(row, self.coefficients) + self.correction)[0])

    def __repr__(self) -> str:
        return "\n".join(self.sentences())

    def sentences(self) -> list[str]:
        """Return what the rule is worth, in plain words."""
        gain = self.gain
        made = (
            f"Budget for {self.criterion} ({self.importance}, masks {self.masks}): the rule is made so that a trace of "
            f"the size it says is enough for {self.coverage:.0%} of prompts like these. On {len(self.prompts):,} "
            f"prompts that took no part in it, it was for {_percent(self.covered)}."
        )
        saves = (
            f"It saves {self.saved:.0%} of the edges on average. One size for all prompts, s = {self.constant:.3g}, "
            f"with the same guarantee, saves {self.saved_by_constant:.0%}; just what each prompt needs would save "
            f"{self.saved_at_best:.0%}."
        )
        lines = [made, saves]
        if gain.low > 0:
            lines.append(f"It saves {_points(gain)} more than the constant.")
        else:
            lines.append(f"It is no better than the constant: the difference is {_points(gain)}.")
        no_better = [str(row.kind) for row in self.by_kind.itertuples() if not row.low > 0]
        if gain.low > 0 and no_better:
            lines.append(f"It is no better than the constant for: {', '.join(no_better)}.")
        return lines


def budget(
    study: Tables,
    criterion: str = "top1",
    coverage: float = 0.9,
    *,
    importance: str | None = None,
    masks: str | None = None,
    seed: int = 0,
) -> Budget:
    """Fit a rule from what is known before tracing to the necessary size, which holds for a share of prompts.

    Parameters
    ----------
    study : Study
    criterion : str
        What must hold from the size on: "top1", "top5", "nucleus60", "tv0.1" and so on.
    coverage : float
        The share of prompts, between 0 and 1, for which the size that the rule says is to be enough.
    importance, masks : str, optional
        Which run of the study; its first, unless given.
    seed : int
        The seed of the division of the prompts into three parts.

    Returns
    -------
    Budget

    Raises
    ------
    FindingError
        When there are fewer than `FEWEST` prompts, or the study does not have the criterion.
    ValueError
        When the coverage is no share.

    Notes
    -----
    Conformalised quantile regression, one-sided (Romano, Patterson and Candès 2019, arXiv 1905.03222). On a third of
    the prompts, a linear rule for the `coverage` quantile of log10 s is fitted, from the entropy, the probability of
    the top token, log10 of the number of tokens, and the kind. To it the ceil((n + 1) coverage)th smallest of its n
    errors on another third is added. For any further prompt that is drawn as these were, the size is then enough with a
    probability of at least `coverage`, whatever the rule is worth: over all prompts, not for each kind. It is taken
    down to the grid, where what is needed was found. The last third says what came of it. The constant is the quantile
    of the first two thirds' sizes with the same guarantee.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage={coverage!r} is no share of prompts between 0 and 1, such as 0.9.")
    rows, run = _known(study, criterion, importance, masks)
    if len(rows) < FEWEST:
        raise FindingError(f"A budget needs at least {FEWEST} prompts that could be traced; there are {len(rows)}.")
    order = np.random.default_rng(seed).permutation(len(rows))
    fit, calibration, test = (rows.iloc[np.sort(part)] for part in np.array_split(order, 3))
    settings = getattr(study, "settings", None)
    sizes = np.sort(settings.sizes if settings else rows["needed"].unique())
    rule = _fitted(fit.head(FITTED), coverage)
    errors = np.log10(calibration["needed"].to_numpy()) - _ruled(calibration, rule)
    correction = _conformal(errors, coverage)
    constant = min(_conformal(pd.concat([fit, calibration])["needed"].to_numpy(), coverage), 1.0)
    given = _on_grid(sizes, _ruled(test, rule) + correction)
    tested = test[["prompt_id", "kind", "needed"]].assign(budget=given, covered=test["needed"].to_numpy() <= given)
    return Budget(criterion, *run, coverage, rule, correction, sizes, constant, tested, _by_kind(tested, constant))


def _known(
    study: Tables, criterion: str, importance: str | None, masks: str | None
) -> tuple[pd.DataFrame, tuple[str, str]]:
    """Return what is known of each prompt and the size that it needed, and the run that this is of."""
    prompts = table(study, "prompts", ["prompt_id", "kind", *KNOWN])
    needed = chosen(
        table(study, "necessary", ["prompt_id", "importance", "masks", "criterion", "size"]),
        criterion=criterion,
        importance=importance,
        masks=masks,
    )
    run = str(needed["importance"].iloc[0]), str(needed["masks"].iloc[0])
    sizes = needed[["prompt_id", "size"]].rename(columns={"size": "needed"}).astype({"prompt_id": str})
    prompts = prompts.assign(kind=prompts["kind"].astype("string").fillna("-").astype(object))
    return prompts.merge(sizes, on="prompt_id"), run


def _features(rows: pd.DataFrame) -> dict[str, Array]:
    return {
        "full_entropy": rows["full_entropy"].to_numpy(dtype=np.float64),
        "full_top1_probability": rows["full_top1_probability"].to_numpy(dtype=np.float64),
        "n_tokens": np.log10(rows["n_tokens"].to_numpy(dtype=np.float64)),
    }


def _fitted(rows: pd.DataFrame, coverage: float) -> dict[str, float]:
    """Return the linear rule for a quantile of log10 s: least pinball loss, as a linear programme (by scipy)."""
    columns = {"constant": np.ones(len(rows))} | _features(rows)
    counts = rows["kind"].value_counts()
    kinds = sorted(counts[counts >= FEW].index)
    columns |= {f"kind {name}": (rows["kind"] == name).to_numpy(dtype=np.float64) for name in kinds[1:]}
    names, x = list(columns), np.stack(list(columns.values()), axis=1)
    scale = np.maximum(np.abs(x).max(axis=0), 1e-12)
    n, y = len(rows), np.log10(rows["needed"].to_numpy(dtype=np.float64))
    found = optimize.linprog(
        np.concatenate([np.zeros(len(names)), np.full(n, coverage), np.full(n, 1 - coverage)]),
        A_eq=np.concatenate([x / scale, np.eye(n), -np.eye(n)], axis=1),
        b_eq=y,
        bounds=[(None, None)] * len(names) + [(0, None)] * (2 * n),
    )
    rule = dict(zip(names, (found.x[: len(names)] / scale).tolist(), strict=True))
    if kinds:  # a kind counts as its difference from the mean over kinds, so that a prompt may have none
        shift = sum(rule.get(f"kind {name}", 0.0) * float((rows["kind"] == name).mean()) for name in kinds)
        rule = {name: value - shift if name.startswith("kind ") else value for name, value in rule.items()}
        rule |= {f"kind {kinds[0]}": -shift, "constant": rule["constant"] + shift}
    return rule


def _ruled(rows: pd.DataFrame, rule: dict[str, float]) -> Array:
    """Return what a rule says of log10 s, (N,)."""
    said: Array = np.full(len(rows), rule["constant"])
    for name, values in _features(rows).items():
        said += rule[name] * values
    said += np.array([rule.get(f"kind {kind}", 0.0) for kind in rows["kind"]])
    return said


def _conformal(errors: Array, coverage: float) -> float:
    """Return the ceil((n + 1) coverage)th smallest of n errors; infinity where there are too few."""
    rank = int(np.ceil((len(errors) + 1) * coverage - 1e-9))
    return float(np.sort(errors)[rank - 1]) if rank <= len(errors) else np.inf


def _on_grid(sizes: Array, log_size: Array) -> Array:
    """Return the largest sizes (N,) of the grid up to log10 sizes, its smallest at least."""
    places = np.searchsorted(np.log10(sizes), np.asarray(log_size) + 1e-9, side="right") - 1
    found: Array = sizes[np.maximum(places, 0)]
    return found


def _by_kind(tested: pd.DataFrame, constant: float) -> pd.DataFrame:
    rows = []
    for kind, group in tested.groupby("kind", sort=True):
        if len(group) >= FEW:
            gain = statistics.mean(constant - group["budget"].to_numpy())
            rows.append(
                {
                    "kind": kind,
                    "n_prompts": len(group),
                    "covered": float(group["covered"].mean()),
                    "saved": float(1 - group["budget"].mean()),
                    "saved_by_constant": 1 - constant,
                    "gain": gain.value,
                    "low": gain.low,
                    "high": gain.high,
                }
            )
    columns = ["kind", "n_prompts", "covered", "saved", "saved_by_constant", "gain", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _percent(found: statistics.Interval) -> str:
    return f"{found.value:.0%} (95 % from {found.low:.0%} to {found.high:.0%})"


def _points(found: statistics.Interval) -> str:
    return f"{100 * found.value:.1f} % of the edges (95 % from {100 * found.low:.1f} to {100 * found.high:.1f})"
