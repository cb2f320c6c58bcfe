"""Whether the trace of one text carries over to an altered one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import FindingError
from ..trace import trace as trace_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..trace import STrace

SIZES = tuple(np.geomspace(1e-3, 1, 19))


def transfer(
    trace: STrace, altered: str | list[int], sizes: Sequence[float] | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Run an altered text on the trace of the clean one, on its own trace, and on a random one of the same size.

    Parameters
    ----------
    trace : STrace
        Of the clean text.
    altered : str or token ids
        As many tokens, since the trace says of each token which edges to keep.
    sizes : floats in (0, 1], optional
        Six a decade from 1e-3 unless given.
    seed : int
        Of the random baseline.

    Returns
    -------
    DataFrame
        `subgraph` ("own trace", "clean trace", "random"), `size`, `total_variation` from the full model on the altered
        text, `top1`, whether the most probable token is the full model's there, and `top1_token`.

    Raises
    ------
    FindingError
        When the texts have not equally many tokens.
    """
    own = trace_prompt(trace.model, altered, "l1" if trace.importance == "random" else trace.importance)
    if own.graph != trace.graph:
        raise FindingError(
            f"A trace carries over to a text of as many tokens; {trace.prompt!r} has {len(trace.tokens)} and "
            f"{own.prompt!r} has {len(own.tokens)}: {' | '.join(own.tokens)}"
        )
    subgraphs = {
        "own trace": own,
        "clean trace": replace(own, ranks=trace.ranks, weights=trace.weights, importance=trace.importance),
        "random": own.random(seed),
    }
    rows: list[dict[str, Any]] = []
    for name, subgraph in subgraphs.items():
        sweep = subgraph.evaluate(SIZES if sizes is None else sizes)
        rows += [
            {"subgraph": name, "size": size, "total_variation": error, "top1": bool(agrees), "top1_token": top[0].token}
            for size, error, agrees, top in zip(sweep.sizes, sweep.total_variation, sweep.top1, sweep.top, strict=True)
        ]
    return pd.DataFrame(rows)
