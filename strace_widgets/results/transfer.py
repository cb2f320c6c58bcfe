"""A clean trace applied to an altered prompt: whether the same edges carry another prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import PromptError
from ..extras import pd
from .run import trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .strace import Array, STrace


def carry_over(
    clean: STrace, altered_prompt: str | list[int] | Array, sizes: Iterable[float] | None = None, **modes: Any
) -> pd.DataFrame:
    """Evaluate the subgraphs of a clean prompt's trace on an altered prompt, beside the altered prompt's own.

    Parameters
    ----------
    clean : STrace
    altered_prompt : str or token ids
        Of as many tokens as the clean one, so that their graphs have the same edges.
    sizes : floats in (0, 1], optional
        The standard sweep's, unless given.
    **modes
        As for `STrace.evaluate`.

    Returns
    -------
    pandas.DataFrame
        One row a ``subgraph`` and ``size``. ``subgraph`` is "carried" (the clean ranks) or "own" (ranks of a
        trace of the altered prompt by the same importance measure). ``n_edges``, ``total_variation``, ``kl`` (nats),
        ``entropy`` (nats), ``top1``, ``nucleus`` (per cent) compare with the full model *on the altered prompt*;
        ``top1_token`` and ``top1_probability`` are the subgraph's; ``clean_top1_probability`` is what it gives to
        the token that the full model predicts on the clean prompt.

    Raises
    ------
    PromptError
        When the altered prompt has another number of tokens; shows both.
    ValueError
        When the trace's importance measure was a function, which is not kept.
    """
    own = trace(clean.model, altered_prompt, clean.importance, **clean.options)
    if len(own.tokens) != len(clean.tokens):
        raise PromptError(
            f"A trace carries over to a prompt of as many tokens: the clean one has {len(clean.tokens)} "
            f"({clean.tokens}), the altered one {len(own.tokens)} ({own.tokens})."
        )
    sizes = clean.standard_sizes() if sizes is None else list(sizes)
    carried = replace(own, weights=clean.weights, ranks=clean.ranks)
    tables = []
    for name, traced in (("carried", carried), ("own", own)):
        sweep = traced.evaluate(sizes, **modes)
        tables.append(
            pd.DataFrame(
                {
                    "subgraph": name,
                    **sweep.columns(),
                    "top1_token": [top[0].token for top in sweep.top],
                    "top1_probability": [top[0].probability for top in sweep.top],
                    "clean_top1_probability": sweep.probabilities[:, clean.top[0].id].astype(float),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
