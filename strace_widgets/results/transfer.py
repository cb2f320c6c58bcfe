"""A clean trace applied to an altered prompt: whether the same edges carry another prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import PromptError
from ..extras import pd
from .run import trace as trace_prompt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.text.prompts import Prompt
    from .strace import STrace


def carry_over(trace: STrace, prompt: Prompt, sizes: Iterable[float] | None = None, **modes: Any) -> pd.DataFrame:
    """Evaluate the subgraphs of a clean prompt's trace on an altered prompt, beside the altered prompt's own.

    Parameters
    ----------
    trace : STrace
        Of the clean prompt.
    prompt : str, token ids or messages
        The altered prompt, of as many tokens as the clean one, so that their graphs have the same edges.
    sizes : floats in (0, 1], optional
        The standard sweep's, unless given.
    **modes
        As for `STrace.evaluate`.

    Returns
    -------
    pandas.DataFrame
        One row a ``subgraph`` and ``size``. ``subgraph`` is "carried" (the clean ranks) or "own" (ranks of a
        trace of the altered prompt by the same importance measure). The columns of
        `strace_widgets.results.sweep.Sweep.to_frame` compare with the full model *on the altered prompt*;
        ``clean_top1_probability`` is what the subgraph gives to the token that the full model predicts on the clean
        prompt.

    Raises
    ------
    PromptError
        When the altered prompt has another number of tokens; shows both.
    ValueError
        When the trace's importance measure was a function, which is not kept.
    """
    own = trace_prompt(trace.model, prompt, trace.importance, **trace.options)
    if len(own.tokens) != len(trace.tokens):
        raise PromptError(
            f"A trace carries over to a prompt of as many tokens: the clean one has {len(trace.tokens)} "
            f"({trace.tokens}), the altered one {len(own.tokens)} ({own.tokens})."
        )
    sizes = trace.standard_sizes() if sizes is None else list(sizes)
    carried = replace(own, weights=trace.weights, order=trace.order)
    tables = []
    for name, traced in (("carried", carried), ("own", own)):
        sweep = traced.evaluate(sizes, **modes)
        table = sweep.to_frame().assign(clean_top1_probability=sweep.probabilities[:, trace.top[0].id].astype(float))
        table.insert(0, "subgraph", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
