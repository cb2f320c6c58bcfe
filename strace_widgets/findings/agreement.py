"""Whether models, checkpoints, languages and kinds of prompt need the same sizes and use the same components."""

from __future__ import annotations

import warnings
from collections.abc import Mapping  # noqa: TC003 - as in every signature here
from itertools import combinations, product

from ..errors import FindingError
from ..extras import pd
from . import statistics
from .composition import USED, used_in
from .tables import Tables, batches, chosen, mean_over, spread, table


def agreement(
    studies: Mapping[str, Tables],
    criterion: str = "top1",
    *,
    importance: str | None = None,
    masks: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate the necessary sizes of the same prompts, pair by pair.

    Parameters
    ----------
    studies : dict
        Name to study, of models, checkpoints or languages, in the order to show. Prompts match by `prompt_id`: give
        a prompt and its translation the same id.
    criterion : str
    importance, masks : str, optional
        Which run of each study; without one, its first.
    seed : int

    Returns
    -------
    DataFrame
        `first`, `second` (every pair both ways, and each with itself), `n_prompts` shared, `spearman`, and its 95 %
        interval, `low` and `high`.

    Raises
    ------
    FindingError
        When there are not two studies, or they share no prompt.

    Notes
    -----
    The paper's comparison of necessary computation across models and training checkpoints.
    """
    if len(studies) < 2:  # noqa: PLR2004
        raise FindingError(f"Agreement is between two studies or more; {len(studies)} was given.")
    columns = ["prompt_id", "importance", "masks", "criterion", "size"]
    sizes = pd.DataFrame(
        {
            name: chosen(
                table(study, "necessary", columns), criterion=criterion, importance=importance, masks=masks
            ).set_index("prompt_id")["size"]
            for name, study in studies.items()
        }
    )
    if sizes.dropna().empty:
        raise FindingError(f"The studies {', '.join(studies)} share no prompt: prompts match by their prompt_id.")
    return _pairs(sizes, "n_prompts", seed)


def shared_components(
    study: Tables, by: str = "kind", size: float = 0.01, *, importance: str | None = None, seed: int = 0
) -> pd.DataFrame:
    """Correlate how groups of prompts use the heads and MLPs, pair by pair.

    Parameters
    ----------
    study : Study
    by : str
        A column of the prompts: "kind", "language".
    size : float
        The study's nearest size is looked at.
    importance : str, optional
    seed : int

    Returns
    -------
    DataFrame
        `first`, `second` (every pair both ways, and each with itself), `n_components`, and the Spearman correlation of
        the components' mean density with its 95 % interval over components: `spearman`, `low`, `high`.

    Raises
    ------
    FindingError
        When no prompt has such a column.
    """
    group = f"prompt's {by}"  # components have a kind, too
    prompts = _grouped(study, by).rename(columns={by: group})
    used = (
        used_in(chosen(rows, importance=importance), [size]).merge(prompts, on="prompt_id")
        for rows in batches(study, "components", ["prompt_id", *USED, "n_edges", "n_total"])
    )
    means = mean_over(used, [group, *USED], ["density"])
    use = {}
    for name in prompts[group].unique():
        rows = means[means[group] == name]
        use[name] = rows.set_index(["layer", "kind", rows["head"].fillna(-1)])["density"]
    return _pairs(pd.DataFrame(use), "n_components", seed)


def groups(study: Tables, by: str = "kind", criterion: str = "top1") -> pd.DataFrame:
    """Compare the necessary size between groups of prompts.

    Parameters
    ----------
    study : Study
    by : str
        A column of the prompts: "kind", "language".
    criterion : str
        As for `uncertainty`.

    Returns
    -------
    DataFrame
        `importance`, `masks`, the column `by`, `n_prompts`, and of the necessary size `mean`, `lower`, `median` and
        `upper`; the necessary size of a prompt that needs the whole graph is 1.

    Raises
    ------
    FindingError
        When no prompt has such a column, or the study does not have the criterion.
    """
    needed = table(study, "necessary", ["prompt_id", "importance", "masks", "criterion", "size"])
    rows = chosen(needed, criterion=criterion).merge(_grouped(study, by), on="prompt_id")
    return spread(rows, ["importance", "masks", by], "size")


def _grouped(study: Tables, by: str) -> pd.DataFrame:
    prompts = table(study, "prompts", ["prompt_id", by]).dropna()
    if prompts.empty:
        raise FindingError(f"No prompt of the study has a {by}: give one with each prompt.")
    return prompts


def _pairs(values: pd.DataFrame, count: str, seed: int) -> pd.DataFrame:
    """Correlate every two columns over the rows that both have."""
    found = {(name, name): statistics.Correlation(1.0, 1.0, 1.0, int(values[name].count())) for name in values}
    for first, second in combinations(values, 2):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            correlation = statistics.spearman(values[first], values[second], seed=seed)
        for warning in warned:  # which pair it was is known only here
            warnings.warn(f"{first} and {second}: {warning.message}", stacklevel=3)
        found[first, second] = found[second, first] = correlation
    rows = [
        {"first": a, "second": b, count: c.n, "spearman": c.value, "low": c.low, "high": c.high}
        for (a, b), c in ((pair, found[pair]) for pair in product(values, repeat=2))
    ]
    return pd.DataFrame(rows)
