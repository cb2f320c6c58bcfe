"""What a report says of a study: each finding's sentence, table and chart."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from .. import charts, findings
from ..errors import FindingError, StraceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..extras import pd
    from ..studies.store import Study


class Section(NamedTuple):
    """A finding as a report shows it.

    Attributes
    ----------
    name : str
        Of the finding, and of its chart.
    title, says : str
        A heading, and a sentence of what was measured.
    table : DataFrame
    chart : altair chart, or None
        None where there is too little to draw.
    """

    name: str
    title: str
    says: str
    table: pd.DataFrame
    chart: Any


class Asked(NamedTuple):
    """How a section is made."""

    name: str
    title: str
    says: str
    make: Callable[[Study], tuple[pd.DataFrame, Any]]


Sections = tuple[list[Section], dict[str, str]]
KEPT: WeakKeyDictionary[Study, Sections] = WeakKeyDictionary()
"""What was worked out: a report, its figures and its tables in LaTeX are of the same findings, which take long."""


def sections_of(study: Study) -> Sections:
    """Return the sections of a study, and of the findings that it has not, why; worked out once.

    Parameters
    ----------
    study : Study
    """
    if study not in KEPT:
        KEPT[study] = _worked_out(study)
    return KEPT[study]


def _worked_out(study: Study) -> Sections:
    found, without = [], {}
    for asked in ASKED:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of few prompts, which the table says
                table, chart = asked.make(study)
        except StraceError as reason:  # the study says itself that it kept no hidden states
            without[asked.title] = str(reason)
            continue
        found.append(Section(*asked[:3], table, chart))
    return found, without


def _drawn(chart: Callable[..., Any], table: pd.DataFrame, *others: pd.DataFrame) -> Any:
    """Return a chart; None where the table holds nothing to draw."""
    try:
        return chart(table, *others)
    except FindingError:
        return None


def _plainly(name: str) -> Callable[[Study], tuple[pd.DataFrame, Any]]:
    """Return what makes a section of the finding and the chart of one name."""

    def make(study: Study) -> tuple[pd.DataFrame, Any]:
        table = getattr(findings, name)(study)
        return table, _drawn(getattr(charts, name), table)

    return make


def _error(study: Study) -> tuple[pd.DataFrame, Any]:
    table = findings.error_by_size(study)
    try:
        return table, charts.error_by_size(table, findings.phases(study))
    except FindingError:  # too few sizes for two phases
        return table, _drawn(charts.error_by_size, table)


def _phases(study: Study) -> tuple[pd.DataFrame, Any]:
    return findings.phases(study), None


def _composition(study: Study) -> tuple[pd.DataFrame, Any]:
    table = findings.composition(study)
    return table, charts.composition(table, findings.nucleus_sizes(study))


def _uncertainty(study: Study) -> tuple[pd.DataFrame, Any]:
    correlation = findings.uncertainty_correlation(study)
    return correlation, _drawn(charts.uncertainty, findings.uncertainty(study), correlation)


def _savings(study: Study) -> tuple[pd.DataFrame, Any]:
    """Return the medians over prompts, since the finding has a row a prompt."""
    table = findings.savings(study)
    medians = table.groupby(["importance", "size"], observed=True)[["flops", "weights"]].median().reset_index()
    return medians, _drawn(charts.savings, table)


ASKED = (
    Asked(
        "error_by_size",
        "How well subgraphs reconstruct the prediction",
        "The total variation between the next-token distributions of subgraph and full model, by the share s of edges "
        "that is kept: mean and quartiles over prompts, for traces and for baselines of the same size.",
        _error,
    ),
    Asked(
        "phases",
        "Construction and refinement",
        "How much total variation the mean loses for s from 1e-4 to 1e-2 and from 1e-2 to 1, and the bend of a line of "
        "two segments over log10 s that is fitted to the mean, with its 95 % interval over prompts.",
        _phases,
    ),
    Asked(
        "nucleus_sizes",
        "What each nucleus needs",
        "The smallest size from which on a nucleus of the full model's distribution is recovered for good, with its "
        "tokens in order: mean and quartiles over prompts, and the share of prompts that need the whole graph.",
        _plainly("nucleus_sizes"),
    ),
    Asked(
        "composition",
        "What traces are made of",
        "The share of the trace's edges that attention heads, MLPs and residual streams have, by quarter of the depth, "
        "and the share of all their edges that is in the trace: means over prompts.",
        _composition,
    ),
    Asked(
        "component_use",
        "Which heads and MLPs are used",
        "The share of prompts in whose trace a head or an MLP has an edge, and the mean share of its edges there, at "
        "the sizes of the grid nearest to 0.001, 0.01 and 0.1.",
        _plainly("component_use"),
    ),
    Asked(
        "use_inequality",
        "How unevenly they are used",
        "A Lorenz curve over the mean density of heads and MLPs at each size, and its Gini coefficient: 0 where all "
        "are used alike, near 1 where a few have nearly all of the use.",
        _plainly("use_inequality"),
    ),
    Asked(
        "uncertainty",
        "Whether uncertain predictions need more",
        "Spearman's rank correlation of a prompt's necessary size for the top token with the entropy of the full "
        "model's prediction, with its 95 % interval by bootstrap over prompts.",
        _uncertainty,
    ),
    Asked(
        "groups",
        "What kinds of prompts need",
        "The necessary size for the top token by kind of prompt: mean and quartiles.",
        _plainly("groups"),
    ),
    Asked(
        "extremes",
        "The prompts that need least and most",
        "The prompts with the smallest and with the largest necessary size for the top token; equal sizes rank by the "
        "full model's entropy.",
        _plainly("extremes"),
    ),
    Asked(
        "shallow_statistics",
        "What sparse subgraphs follow",
        "Spearman's rank correlation, over the vocabulary, of a subgraph's probabilities with word frequency and with "
        "the full model's probabilities: mean and quartiles over prompts.",
        _plainly("shallow_statistics"),
    ),
    Asked(
        "faithfulness",
        "How much of the target's figure is there",
        "CPR and CMD: the means over sizes of the share f of the figure that a subgraph has, and of |1 - f|, by task.",
        _plainly("faithfulness"),
    ),
    Asked(
        "geometry",
        "How the last hidden state approaches the full model's",
        "Angle, distance and likeness of the last hidden state at each size to the full model's: quartiles over "
        "prompts.",
        _plainly("geometry"),
    ),
    Asked(
        "savings",
        "What share of the model a trace needs",
        "The share of the layers' operations and of their weights that the trace of each size needs, if single edges "
        "could be skipped: medians over prompts.",
        _savings,
    ),
)
"""The findings of a report, in its order."""
