"""Which share of a model's operations and of its weights a trace needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FindingError
from ..extras import pd
from ..studies.tables import stacked
from .tables import Tables, batches

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRACE = ["prompt_id", "importance", "size"]  # what one row of the result is of


def savings(study: Tables, dimensions: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Say what share of the layers' floating-point operations and weights a trace needs.

    Parameters
    ----------
    study : Study
    dimensions : dict, optional
        From `strace_widgets.studies.model_sizes.dimensions`; without it, the study's own.

    Returns
    -------
    DataFrame
        `prompt_id`, `importance`, `size`, and the shares `flops` and `weights`.

    Raises
    ------
    FindingError
        When neither the study nor the call has the model's dimensions.

    Notes
    -----
    With d = `d_model`, c = `d_head`, H heads of which H/G share each of G keys and values, m weights of an MLP, and two
    operations for a multiplication and an addition, a layer does:

    - 2 m for each MLP edge;
    - 4 c for each attention edge (its score, and its value's sum);
    - 4 d c for each head and target token (query and output maps), and 4 d c G/H for each head and source token (its
      share of the key and value maps). These are spread evenly over the head's edges, so that all edges together cost
      what the layer costs (in the last layer, what the nodes do that lead to the output).

    Residual edges, norms, biases, embeddings and unembedding are not counted. This is the edges' share of the work; a
    program saves that much only if it can skip single edges.

    A head needs its 2 d c weights if the trace has one of its edges, and the 2 d c of a key and value are needed if the
    trace has an edge of a head that shares them.
    """
    dimensions = dimensions or getattr(getattr(study, "settings", None), "dimensions", None)
    if not dimensions or "mlp_weights" not in dimensions:
        raise FindingError(
            "The study does not hold how many weights its model's parts have: pass "
            "dimensions=strace_widgets.studies.model_sizes.dimensions(model), which also says so of a model that it "
            "cannot count."
        )
    columns = [*_TRACE, "layer", "kind", "head", "n_edges", "n_total"]
    shares = []
    for rows in batches(study, "components", columns):
        components = rows[rows["kind"] != "residual"]
        of_each = {"flops": _flops(components, dimensions), "weights": _weights(components, dimensions)}
        shares.append(pd.DataFrame(of_each).reset_index())
    return stacked(shares)


def _flops(components: pd.DataFrame, dimensions: Mapping[str, int]) -> pd.Series:
    """Return the share of all operations that each trace's edges do."""
    attention, last = components["kind"] == "attention", components["layer"] == components["layer"].max()
    # The last layer's heads have one edge a source token: their number is the number of tokens.
    last_heads = components[attention & last].groupby("prompt_id", observed=True)
    n_tokens = components["prompt_id"].map(last_heads["n_total"].max()).astype(float)
    n_targets = n_tokens.where(~last, 1.0)
    per_edge = _edge_flops(dimensions, n_tokens, n_targets, components["n_total"], attention)
    counted = components.assign(kept=components["n_edges"] * per_edge, whole=components["n_total"] * per_edge)
    sums = counted.groupby(_TRACE, observed=True, sort=False)[["kept", "whole"]].sum()
    return sums["kept"] / sums["whole"]


def _weights(components: pd.DataFrame, dimensions: Mapping[str, int]) -> pd.Series:
    """Return the share of all weights that each trace's components have."""
    d, attention, used = dimensions, components["kind"] == "attention", components["n_edges"] > 0
    own = components.assign(weights=np.where(attention, _per_head(d), d["mlp_weights"]) * used)
    weights = own.groupby(_TRACE, observed=True, sort=False)["weights"].sum()
    shared = components[attention & used]
    shared = shared.assign(group=shared["head"] * d["n_key_value_heads"] // d["n_heads"])
    n_shared = shared.drop_duplicates([*_TRACE, "layer", "group"]).groupby(_TRACE, observed=True).size()
    weights += n_shared.reindex(weights.index, fill_value=0) * _per_head(d)
    in_all = d["n_layers"] * (d["mlp_weights"] + (d["n_heads"] + d["n_key_value_heads"]) * _per_head(d))
    return weights / in_all


def _edge_flops(dimensions: Mapping[str, int], n_tokens: Any, n_targets: Any, n_edges: Any, attention: Any) -> Any:
    """Return the operations of one edge of each component, by the formula of `savings`.

    ``n_tokens`` and ``n_targets`` count the source and the target tokens of a component's edges, ``n_edges`` its edges
    in the whole graph; ``attention`` says which components are heads, the others being MLPs.
    """
    sharing = dimensions["n_key_value_heads"] / dimensions["n_heads"]
    maps = 2 * _per_head(dimensions) * (n_targets + n_tokens * sharing) / n_edges
    return np.where(attention, maps + 4 * dimensions["d_head"], 2 * dimensions["mlp_weights"])


def _per_head(dimensions: Mapping[str, int]) -> int:
    """Return 2 d c: the weights of a head's query and output, and of a key and value."""
    return 2 * dimensions["d_model"] * dimensions["d_head"]
