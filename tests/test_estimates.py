"""What a request will cost is known before it is sent; and masks are the same from the few bytes that are sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.graph.edges import Edges
from strace_widgets.model import request_estimates as estimates
from strace_widgets.model.tensors import coarsened
from strace_widgets.remote.server import Server


@given(
    ranks=st.lists(st.integers(0, 400), min_size=4, max_size=40),
    kept=st.lists(st.integers(1, 400), min_size=1, max_size=30),
)
def test_coarse_ranks_give_the_same_masks(ranks: list[int], kept: list[int]) -> None:
    edges = Edges(*(np.array(part, dtype=np.int32) for part in np.array_split(ranks, 4)))
    sizes = np.array([-1, *kept])
    coarse, thresholds = coarsened(edges, sizes)
    for size, threshold in zip(sizes, thresholds, strict=True):
        for fine, rough in zip(edges, coarse, strict=True):
            assert rough.dtype == np.uint8
            assert ((fine < size) == (rough < threshold)).all()
    assert thresholds[0] == -1, "the whole model stays the whole model"


def test_attention_ranks_that_no_mask_reads_stay_here() -> None:
    edges = Edges(np.arange(16).reshape(1, 1, 4, 4), *(np.zeros((1, 4), dtype=int) for _ in range(3)))
    assert coarsened(edges, np.array([3]), attention=False)[0].attention.size == 1


def test_what_a_prompt_will_cost(tiny: Any) -> None:
    there = replace(tiny, server=Server("http://127.0.0.1:9"))
    graph = there.architecture
    cost = sw.estimate(there, [1, 2, 3, 4, 5], n_sizes=3)
    arrays = 4 * graph.n_layers * (graph.n_heads * 25 + 3 * 5)
    logits = 4 * there.vocabulary_size
    assert cost.requests == cost.passes == 2
    assert cost.bytes_down == arrays + logits + 3 * logits
    assert cost.bytes_up == 2 * estimates.OVERHEAD + arrays // 4
    half = replace(there, server=replace(there.server, precision="float16"))
    assert sw.estimate(half, [1, 2, 3, 4, 5], n_sizes=3).bytes_down < 0.6 * cost.bytes_down


def test_what_mean_ablation_will_cost(tiny: Any) -> None:
    there = replace(tiny, server=Server("http://127.0.0.1:9"))
    trace = replace(sw.trace(tiny, [1, 2, 3, 4, 5]), model=there)
    plain, mean = trace.estimate([0.1, 0.5]), trace.estimate([0.1, 0.5], ablation="mean")
    travels = sum(values.nbytes for values, _ in tiny.means())
    heads_a_value = 2  # counted as if no two heads shared one
    counted = travels + (heads_a_value - 1) * tiny.means()[0][0].nbytes
    assert (mean.passes, mean.requests) == (plain.passes + 1, plain.requests + 1)
    assert mean.bytes_down - plain.bytes_down == counted
    assert mean.bytes_up - plain.bytes_up == estimates.OVERHEAD + counted


def test_too_large_is_refused_before_anything_is_sent(tiny: Any) -> None:
    there = replace(tiny, server=Server("http://127.0.0.1:9", limit=1000))
    with pytest.raises(sw.errors.RequestTooLargeError, match=r"1 forward pass in 1 request, at most .* limit=\d"):
        sw.trace(there, [1, 2, 3])


def test_layers_fall_into_parts() -> None:
    assert estimates.parts(30, 1) == [(0, 30)]
    assert estimates.parts(5, 2) == [(0, 2), (2, 5)]
    assert estimates.parts(3, 3) == [(0, 1), (1, 2), (2, 3)]
