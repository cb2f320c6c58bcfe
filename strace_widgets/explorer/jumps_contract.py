"""What the Explorer knows of the curve's jumps: a part of `strace_widgets.explorer.contract`."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict


class EnteringEdge(TypedDict):
    """An edge of the trace, and what its entering does to the error."""

    kind: Annotated[Literal["attention", "attention_residual", "mlp", "mlp_residual"], "which of a layer's edges it is"]
    layer: Annotated[int, "its layer"]
    head: Annotated[int | None, "its head, of an attention edge"]
    source: Annotated[int, "the token from which it comes"]
    target: Annotated[int, "the token to which it leads"]
    rank: Annotated[int, "in the trace of n edges where below n"]
    before: Annotated[float, "total variation without it"]
    after: Annotated[float, "total variation with it"]


class Jump(TypedDict):
    """Why the error changes between two sizes, as far as single edges make it."""

    n_edges: Annotated[list[int], "the two sizes"]
    total_variation: Annotated[list[float], "the error at both"]
    edges: Annotated[list[EnteringEdge], "that make at least 5 % of the change each, at most four, the largest first"]
