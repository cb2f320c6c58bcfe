"""Which prompts need larger traces, and what the predictions of sparse subgraphs correlate with."""

from __future__ import annotations

from ..extras import pd
from . import statistics
from .tables import Tables, chosen, spread, table

_RUN = ["importance", "masks", "criterion"]


def uncertainty(study: Tables, criterion: str = "top1") -> pd.DataFrame:
    """Set the necessary size of each prompt beside the full model's uncertainty.

    Parameters
    ----------
    study : Study
    criterion : str
        What must hold from the size on: "top1", "top5", "nucleus60", "tv0.1" and so on.

    Returns
    -------
    DataFrame
        `prompt_id`, `text`, `kind`, `importance`, `masks`, `criterion`, `size` (1 where the whole graph is needed) and
        `entropy`, the full model's in nats.

    Raises
    ------
    FindingError
        When the study does not have the criterion.
    """
    prompts = table(study, "prompts", ["prompt_id", "text", "kind", "full_entropy"])
    needed = chosen(table(study, "necessary", ["prompt_id", *_RUN, "size"]), criterion=criterion)
    rows = prompts.merge(needed, on="prompt_id")
    return rows.rename(columns={"full_entropy": "entropy"})[
        ["prompt_id", "text", "kind", *_RUN, "size", "entropy"]
    ].reset_index(drop=True)


def uncertainty_correlation(study: Tables, criterion: str = "top1", *, seed: int = 0) -> pd.DataFrame:
    """Correlate the necessary size of a prompt with the full model's uncertainty, by rank.

    Parameters
    ----------
    study : Study
    criterion : str
        As for `uncertainty`.
    seed : int
        The seed of the bootstrap.

    Returns
    -------
    DataFrame
        `importance`, `masks`, `criterion`, `n_prompts`, `spearman`, and its 95 % interval by bootstrap over prompts,
        `low` and `high`. NaN, with a warning, below 3 prompts or where all sizes or entropies are equal.

    Notes
    -----
    The paper's finding that the amount of necessary computation goes with the model's uncertainty.
    """
    rows = []
    for names, group in uncertainty(study, criterion).groupby(_RUN, observed=True):
        found = statistics.spearman(group["size"], group["entropy"], seed=seed)
        rows.append(
            {
                **dict(zip(_RUN, names, strict=True)),
                "n_prompts": found.n,
                "spearman": found.value,
                "low": found.low,
                "high": found.high,
            }
        )
    return pd.DataFrame(rows)


def extremes(study: Tables, criterion: str = "top1", n_prompts: int = 5) -> pd.DataFrame:
    """List the prompts that need least and most.

    Parameters
    ----------
    study : Study
    criterion : str
        As for `uncertainty`.
    n_prompts : int
        How many at either end.

    Returns
    -------
    DataFrame
        The rows of `uncertainty`, with `place` "easiest" or "hardest": `n_prompts` of each for every importance and
        masks mode, fewer where there are not twice as many, and none at a size that prompts of both places need.
        Equal sizes rank by the full model's entropy.
    """
    lists = []
    for _, group in uncertainty(study, criterion).groupby(_RUN, observed=True):
        ordered = group.sort_values(["size", "entropy"], kind="stable")
        n = min(n_prompts, len(ordered) // 2)
        easy, hard = ordered.head(n), ordered.tail(n).iloc[::-1]
        both = set(easy["size"]) & set(hard["size"])  # what is easiest there is as hard as what is hardest
        lists += [
            rows[~rows["size"].isin(both)].assign(place=place)
            for place, rows in {"easiest": easy, "hardest": hard}.items()
        ]
    return pd.concat(lists, ignore_index=True)


def shallow_statistics(study: Tables) -> pd.DataFrame:
    """Correlate subgraphs' predictions, by size, with word frequency and with the full model's prediction.

    Parameters
    ----------
    study : Study

    Returns
    -------
    DataFrame
        `importance`, `masks`, `subgraph`, `size`, `n_prompts`, `with` ("unigram frequency" or "full model"), and over
        prompts the `mean`, `lower`, `median` and `upper` of the Spearman correlation over the vocabulary.

    Notes
    -----
    The paper's finding that sparse subgraphs encode shallow statistics such as unigram frequency.
    """
    curve = ["importance", "masks", "subgraph", "size"]
    points = table(study, "points", ["prompt_id", *curve, "unigram_correlation", "full_correlation"])
    long = points.rename(columns={"unigram_correlation": "unigram frequency", "full_correlation": "full model"}).melt(
        ["prompt_id", *curve], ["unigram frequency", "full model"], "with", "correlation"
    )
    return spread(long, [*curve, "with"], "correlation")
