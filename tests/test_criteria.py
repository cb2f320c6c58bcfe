"""From where on a criterion holds, against its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.graph.edges import size_of
from strace_widgets.results import criteria


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([0, 0.01, 0.6, 0.99])), min_size=1))
def test_the_first_size_from_which_on_it_holds_at_every_larger_size(rows: list[tuple[float, bool, float]]) -> None:
    variation, top1, nucleus = (np.array(column) for column in zip(*rows, strict=True))
    n_rows = len(rows)
    blank: Any = np.zeros(n_rows)
    sweep = sw.Sweep(
        sizes=np.arange(1, n_rows + 1) / n_rows,
        n_edges=np.arange(1, n_rows + 1),
        n_edges_kept=np.arange(1, n_rows + 1),
        total_variation=variation,
        kl=blank,
        jensen_shannon=blank,
        entropy=blank,
        top1=top1,
        nucleus=nucleus,
        nucleus_size=blank,
        top=[],
        probabilities=blank,
        full_probabilities=blank,
    )
    wanted = [criteria.named(name) for name in ("tv0.3", "top1", "nucleus60")]
    holds = (variation <= 0.3) & top1 & (nucleus >= 0.6)
    lasting = [row for row in range(n_rows) if holds[row:].all()]
    assert criteria.lasting(sweep, *wanted) == (lasting[0] if lasting else None)
    assert criteria.necessary_edges(sweep, *wanted) == (lasting[0] + 1 if lasting else None)
    assert criteria.necessary_size(sweep, *wanted) == sweep.sizes[lasting[0] if lasting else -1]
    first = lasting[0] if lasting else n_rows - 1
    assert criteria.bracket(sweep, wanted) == (first, first + 1)


def test_criteria_by_name(tiny_trace: sw.STrace) -> None:
    sweep = tiny_trace.sweep()
    for name, holds in {
        "top1": sweep.top1,
        "top5": sweep.top_agreement(5) == 1,
        "nucleus60": sweep.nucleus >= 0.6,
        "tv0.1": sweep.total_variation <= 0.1,
    }.items():
        np.testing.assert_array_equal(criteria.named(name)(sweep), holds)
    for name in ("top0", "nucleus", "tv", "entropy1", "nucleus60 "):
        with pytest.raises(ValueError, match=r"write 'top1', 'nucleus60' or 'tv0\.1'"):
            criteria.named(name)
    with pytest.raises(ValueError, match=r"up to 0\.99"):
        criteria.named("nucleus100")


def test_a_nucleus_is_a_share(tiny_trace: sw.STrace) -> None:
    sweep = tiny_trace.sweep()
    assert sweep.nucleus.dtype == np.float64
    assert sweep.nucleus[-1] == 0.99
    assert 0 < tiny_trace.smallest(nucleus=0.1) <= tiny_trace.smallest(nucleus=0.6) <= 1


def test_a_criterion_that_holds_at_one_edge_already(tiny_trace: sw.STrace) -> None:
    assert tiny_trace.smallest(total_variation=1) == size_of(1, tiny_trace.n_edges)
    for first in (1, 2, 3):  # neighbours, and one edge between

        def holds(sweep: sw.Sweep, first: int = first) -> Any:
            return sweep.n_edges >= first

        sweep, evaluate = tiny_trace.evaluate([size_of(n, tiny_trace.n_edges) for n in (1, 3)]), tiny_trace.evaluate
        found = criteria.smallest(sweep, [holds], tiny_trace.n_edges, evaluate)
        assert found == size_of(first, tiny_trace.n_edges)
