"""Which edges the traces of a task share: not from position to position, but from role to role of its template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FindingError
from ..extras import pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graph.edges import Array
    from ..graph.ranked import RankedGraph


def shared_roles(traces: Sequence[RankedGraph], roles: Sequence[Sequence[str]], size: float) -> pd.DataFrame:
    """Return in how many traces each head and MLP has an edge from one role to another.

    Parameters
    ----------
    traces : list of STrace
        Of prompts of one task, on one model.
    roles : list of list of str
        The role of each token of each prompt: see `strace_widgets.studies.pairs.token_roles`.
    size : float
        The relative size s of the subgraphs.

    Returns
    -------
    DataFrame
        A row for each component and pair of roles that any of the traces has: `component` (as toggles name it),
        `source`, `target`, `n_prompts` and `share` of all prompts, the most shared first. An MLP leads from a role to
        itself.

    Raises
    ------
    FindingError
        When there is no trace, or not a role for each token.
    """
    if not traces or len(traces) != len(roles):
        raise FindingError(f"There are {len(traces)} traces and the roles of {len(roles)} prompts: give both, as many.")
    names = list(dict.fromkeys(role for each in roles for role in each))
    heads, mlps = (
        sum(found)
        for found in zip(*(_edges(*both, names, size) for both in zip(traces, roles, strict=True)), strict=True)
    )
    rows: list[tuple[Any, ...]] = [
        (f"{layer}.{head}", names[source], names[target], int(heads[layer, head, target, source]))
        for layer, head, target, source in np.argwhere(heads)
    ]
    rows += [(f"{layer}.mlp", names[role], names[role], int(mlps[layer, role])) for layer, role in np.argwhere(mlps)]
    table = pd.DataFrame(rows, columns=["component", "source", "target", "n_prompts"])
    table["share"] = table["n_prompts"] / len(traces)
    return table.sort_values("n_prompts", ascending=False, kind="stable", ignore_index=True)


def _edges(trace: RankedGraph, roles: Sequence[str], names: list[str], size: float) -> tuple[Array, Array]:
    """Return which edges a trace has: of heads (L, H, R, R) by target and source role, of MLPs (L, R)."""
    mask = trace.mask(size)
    if len(roles) != mask.mlp.shape[1]:
        raise FindingError(f"There are {len(roles)} roles for a prompt of {mask.mlp.shape[1]} tokens: give each one.")
    has = np.array([[role == name for name in names] for role in roles], dtype=np.float32)
    heads = has.T @ (mask.attention.astype(np.float32) @ has)
    return (heads > 0).astype(np.int64), (mask.mlp.astype(np.float32) @ has > 0).astype(np.int64)
