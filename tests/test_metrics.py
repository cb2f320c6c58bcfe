"""The measures of agreement, against their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strace_widgets import metrics
from strace_widgets.sweep import top_tokens

logits = arrays(np.float32, 12, elements=st.floats(-8, 8, width=32))


def nucleus_as_defined(p: Any, percent: int) -> list[int]:
    """Tokens by falling probability, each kept while the mass before it is at most the percentage."""
    mass, kept = 0.0, []
    for token in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        if mass > percent / 100:
            break
        kept.append(token)
        mass += p[token]
    return kept


@given(logits, logits)
def test_recovered_nucleus_is_the_largest_that_agrees(first: Any, second: Any) -> None:
    p, q = (np.exp(metrics.log_probabilities(x)) for x in (first, second))
    agree = [n for n in metrics.NUCLEI if nucleus_as_defined(p, n) == nucleus_as_defined(q, n)]
    assert metrics.recovered_nuclei(p, q[None])[0] == max(agree, default=0)


@given(logits, logits)
def test_distances_behave(first: Any, second: Any) -> None:
    log_p, log_q = metrics.log_probabilities(first), metrics.log_probabilities(second)
    p, q = np.exp(log_p), np.exp(log_q)
    variation = metrics.total_variation(p, q)
    assert 0 <= variation <= 1
    assert metrics.total_variation(p, p) == 0
    # Pinsker: TV <= sqrt(KL / 2).
    assert variation <= np.sqrt(metrics.kl_divergence(log_p, log_q) / 2) + 1e-6
    assert 0 <= metrics.entropy(log_p) <= np.log(12) + 1e-9


@given(logits, st.integers(1, 20))
def test_top_tokens_are_the_most_probable(values: Any, n_tokens: int) -> None:
    p = np.exp(metrics.log_probabilities(values))
    top = top_tokens(p, str, n_tokens)
    expected = sorted(range(len(p)), key=lambda i: (-p[i], i))[:n_tokens]
    assert [token.id for token in top] == expected
    assert [token.token for token in top] == [str(i) for i in expected]
