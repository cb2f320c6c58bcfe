"""Traces that follow from one prompt: of each token of a generated text, and of one prompt on another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import strace_widgets as sw

PROMPT = "w5 w17 w3 w88 w41 w2"


def test_a_generated_text(tiny: Any) -> None:
    table = sw.trace_generation(tiny, "w5 w17 w3", max_new_tokens=3, progress=False)
    assert table["position"].tolist() == [3, 4, 5]
    ids = [5, 17, 3]
    for row in table.itertuples():
        traced = sw.trace(tiny, ids)
        assert (row.token_id, row.token) == traced.top[0][:2]
        assert row.entropy == traced.entropy
        assert row.size == traced.smallest(top1=True)
        assert row.n_edges == traced.n_edges
        ids.append(row.token_id)
    with pytest.raises(sw.errors.PromptError, match="3 tokens and 31 generated ones are more than the 32"):
        sw.trace_generation(tiny, "w5 w17 w3", max_new_tokens=31)
    with pytest.raises(sw.errors.PromptError, match="no token to generate"):
        sw.trace_generation(tiny, "w5 w17 w3", max_new_tokens=0)


def test_a_trace_carried_over(tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT, "l2")
    altered = "w5 w17 w3 w60 w41 w2"
    table = sw.carry_over(trace, altered, [0.2, 0.6])
    assert table["subgraph"].tolist() == ["carried"] * 2 + ["own"] * 2
    own = sw.trace(tiny, altered, "l2")
    sweep = own.evaluate([0.2, 0.6])
    assert table["total_variation"].tolist()[2:] == sweep.total_variation.tolist()
    np.testing.assert_allclose(table["clean_top1_probability"][2:], sweep.probabilities[:, trace.top[0].id])
    # The clean edges, spelled out one by one on the altered prompt.
    carried = [float(own.evaluate_mask(trace.mask(size)).total_variation[0]) for size in (0.2, 0.6)]
    np.testing.assert_allclose(table["total_variation"][:2], carried, atol=1e-6)
    with pytest.raises(sw.errors.PromptError, match=r"clean one has 6 .* the altered one 5"):
        sw.carry_over(trace, "w5 w17 w3 w60 w41")
