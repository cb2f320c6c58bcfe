"""The necessary computation: from which size on a criterion holds, at every larger size too.

A criterion says of each row of a sweep whether something is as in the full model. `top`, `recovered`
and `within` make those that the package uses, and `named` finds them by the names that studies write. How they are
judged is said once, in `strace_widgets.results.sweep.Sweep.lasting`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..graph.edges import size_of
from .metrics import NUCLEI

if TYPE_CHECKING:
    from ..graph.edges import Array
    from .sweep import Sweep

BETWEEN = 16
"""How many sizes `smallest` tries between two computed levels."""

Criterion = Callable[["Sweep"], "Array"]


def top(k: int) -> Criterion:
    """Return the criterion that the k most probable tokens are the full model's, in any order.

    Parameters
    ----------
    k : int
    """
    return lambda sweep: sweep.top1 if k == 1 else sweep.top_agreement(k) == 1


def recovered(mass: float) -> Criterion:
    """Return the criterion that the nucleus of a share of the probability, or a larger one, is the full model's.

    Parameters
    ----------
    mass : float
        The share: 0.6 for 60 %.

    Raises
    ------
    ValueError
        When no nucleus of that share is compared.
    """
    if not 0 < mass <= NUCLEI[-1]:
        raise ValueError(
            f"A nucleus is given as its share of the probability, such as 0.6, up to {NUCLEI[-1]}; {mass!r} is none."
        )
    return lambda sweep: sweep.nucleus >= mass


def within(bound: float) -> Criterion:
    """Return the criterion that total variation is at most a bound.

    Parameters
    ----------
    bound : float
    """
    return lambda sweep: sweep.total_variation <= bound


def faithful(share: float) -> Criterion:
    """Return the criterion that at least a share of the target's figure is there: see `Sweep.faithfulness`.

    Parameters
    ----------
    share : float
    """
    return lambda sweep: sweep.faithfulness >= share


def named(name: str) -> Criterion:
    """Return the criterion of a name.

    Parameters
    ----------
    name : str
        ``"top5"``: the five most probable tokens; ``"nucleus60"``: the nucleus of 60 %; ``"tv0.1"``: a total variation
        of at most 0.1.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    found = re.fullmatch(r"(?:top([1-9]\d*)|nucleus(\d+)|tv(\d+(?:\.\d+)?))", name)
    if found is None:
        raise ValueError(f"There is no criterion {name!r}: write 'top1', 'nucleus60' or 'tv0.1'.")
    k, percent, bound = found.groups()
    if k:
        return top(int(k))
    return recovered(int(percent) / 100) if percent else within(float(bound))


def chosen(
    *, top1: bool, total_variation: float | None, nucleus: float | None, logit_difference: float | None
) -> list[Criterion]:
    """Return the criteria that were asked for, as `strace_widgets.STrace.smallest` takes them.

    Raises
    ------
    ValueError
        When there is none, or no nucleus of that share is compared.
    """
    asked = [top(1)] if top1 else []
    asked += [] if total_variation is None else [within(total_variation)]
    asked += [] if nucleus is None else [recovered(nucleus)]
    asked += [] if logit_difference is None else [faithful(logit_difference)]
    if not asked:
        raise ValueError("Say what must hold: top1=True, total_variation=0.1, nucleus=0.6 or logit_difference=0.9.")
    return asked


def smallest(
    sweep: Sweep, must_hold: Sequence[Criterion], n_edges: int, evaluate: Callable[[list[float]], Sweep] | None
) -> float:
    """Return the smallest s from which on criteria hold: at the sizes of a sweep, then at `BETWEEN` more.

    Parameters
    ----------
    sweep : Sweep
    must_hold : sequence of criteria
    n_edges : int
        E, of the whole graph.
    evaluate : callable, optional
        From sizes to a sweep; without it, only the sizes of the first sweep are judged.
    """
    if evaluate is None:
        return necessary_size(sweep, *must_hold)
    last_failing, first_lasting = bracket(sweep, must_hold)
    between = np.unique(np.linspace(last_failing, first_lasting, BETWEEN + 1).round().astype(int))
    between = between[between > last_failing]  # where these are neighbours, the one that fails came up again
    return necessary_size(evaluate([size_of(int(n), n_edges) for n in between]), *must_hold)


def lasting(sweep: Sweep, *criteria: Criterion) -> int | None:
    """Return the row from which on all criteria hold for good; None where they fail at the largest size.

    Parameters
    ----------
    sweep : Sweep
    *criteria
        Functions from a sweep to (K,) bool, such as `named` returns.
    """
    return sweep.lasting(np.logical_and.reduce([criterion(sweep) for criterion in criteria]))


def necessary_edges(sweep: Sweep, *criteria: Criterion) -> int | None:
    """Return from how many edges on all criteria hold for good; None where they fail at the largest size.

    Parameters
    ----------
    sweep : Sweep
    *criteria
        As for `lasting`.
    """
    row = lasting(sweep, *criteria)
    return None if row is None else int(sweep.n_edges[row])


def necessary_size(sweep: Sweep, *criteria: Criterion) -> float:
    """Return from which size on all criteria hold for good.

    Where they fail even at the largest size, it is the largest size: a whole sweep ends with the whole graph, which is
    the model, so that only rounding can fail there.

    Parameters
    ----------
    sweep : Sweep
    *criteria
        As for `lasting`.
    """
    row = lasting(sweep, *criteria)
    return float(sweep.sizes.max() if row is None else sweep.sizes[row])


def bracket(sweep: Sweep, criteria: Sequence[Criterion]) -> tuple[int, int]:
    """Return the edges of the two sizes between which the criteria begin to hold for good; the first fails, or is 0."""
    row = lasting(sweep, *criteria)
    row = len(sweep) - 1 if row is None else row
    return (int(sweep.n_edges[row - 1]) if row else 0), int(sweep.n_edges[row])
