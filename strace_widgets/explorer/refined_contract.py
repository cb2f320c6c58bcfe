"""How a trace was refined: a part of `strace_widgets.explorer.contract`."""

from __future__ import annotations

from typing import Annotated, TypedDict


class Refinement(TypedDict):
    """One refinement."""

    passes: Annotated[float, "its budget, in forward passes"]
    masks: Annotated[str, "which edges the subgraphs that it looked at might lose"]
    attention: Annotated[str, "where their attention came from"]
    ablation: Annotated[str, "what their dropped edges carried"]
    gradients: Annotated[bool, "whether gradients were used"]


class Refined(TypedDict):
    """How a trace was refined."""

    start: Annotated[str, "the measure whose weights it began with; empty for the measure `refined`"]
    refinements: Annotated[list[Refinement], "one after the other"]
