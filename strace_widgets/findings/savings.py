"""How much of a model's work and of its weights a trace touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FindingError
from ..extras import pd
from .tables import Tables, table

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    With stream width d, head width c, H heads of which H/G share each of G keys and values, m weights of an MLP, and
    two operations a multiplication and addition, a layer does:

    - 2 m an MLP edge;
    - 4 c an attention edge (its score, and its value's sum);
    - 4 d c a head and target token (query and output maps), and 4 d c G/H a head and source token (its share of the key
      and value maps). These are spread evenly over the head's edges, so that all edges together cost what the layer
      costs (in the last layer, what the nodes do that lead to the output).

    Residual edges, norms, biases, embeddings and unembedding are not counted. This is what the edges' share of the work
    is; a program saves that much only if it can skip single edges.

    A head whose edges are all dropped touches none of its 2 d c weights, and the 2 d c of a key and value are touched
    with the first of the heads that share them.
    """
    dimensions = dimensions or getattr(getattr(study, "settings", None), "dimensions", None)
    if not dimensions or "mlp_weights" not in dimensions:
        raise FindingError(
            "The study does not hold how many weights its model's parts have: pass "
            "dimensions=strace_widgets.studies.model_sizes.dimensions(model), which also says so of a model that it "
            "cannot count."
        )
    columns = ["prompt_id", "importance", "size", "layer", "kind", "head", "n_edges", "n_total"]
    components = table(study, "components", columns)
    components = components[components["kind"] != "residual"]
    by = ["prompt_id", "importance", "size"]
    attention = components["kind"] == "attention"
    # The last layer's heads have one edge a source token: their number is the number of tokens.
    last = components[attention & (components["layer"] == components["layer"].max())]
    n_tokens = components["prompt_id"].map(last.groupby("prompt_id", observed=True)["n_total"].max()).astype(float)
    n_targets = n_tokens.where(components["layer"] != components["layer"].max(), 1.0)
    per_edge = edge_flops(dimensions, n_tokens, n_targets, components["n_total"], attention)
    counted = components.assign(
        kept=components["n_edges"] * per_edge,
        whole=components["n_total"] * per_edge,
        weights=_own_weights(dimensions, attention) * (components["n_edges"] > 0),
    )
    sums = counted.groupby(by, observed=True, sort=False)[["kept", "whole", "weights"]].sum()
    shared = counted[attention & (counted["n_edges"] > 0)]
    shared = shared.assign(group=shared["head"] * dimensions["n_key_value_heads"] // dimensions["n_heads"])
    n_shared = shared.drop_duplicates([*by, "layer", "group"]).groupby(by, observed=True).size()
    weights = sums["weights"] + n_shared.reindex(sums.index, fill_value=0) * _per_head(dimensions)
    in_all = dimensions["n_layers"] * (
        dimensions["mlp_weights"] + (dimensions["n_heads"] + dimensions["n_key_value_heads"]) * _per_head(dimensions)
    )
    return pd.DataFrame({"flops": sums["kept"] / sums["whole"], "weights": weights / in_all}).reset_index()


def edge_flops(dimensions: Mapping[str, int], n_tokens: Any, n_targets: Any, n_edges: Any, attention: Any) -> Any:
    """Return the floating-point operations of one edge of a component, by the formula of `savings`.

    Parameters
    ----------
    dimensions : dict
    n_tokens, n_targets : arrays
        Source and target tokens of the component's edges.
    n_edges : array
        Its edges in the whole graph.
    attention : array of bool
        A head rather than an MLP.
    """
    sharing = dimensions["n_key_value_heads"] / dimensions["n_heads"]
    maps = 2 * _per_head(dimensions) * (n_targets + n_tokens * sharing) / n_edges
    return np.where(attention, maps + 4 * dimensions["head_width"], 2 * dimensions["mlp_weights"])


def _per_head(dimensions: Mapping[str, int]) -> int:
    """Return 2 d c: the weights of a head's query and output, and of a key and value."""
    return 2 * dimensions["width"] * dimensions["head_width"]


def _own_weights(dimensions: Mapping[str, int], attention: Any) -> Any:
    return np.where(attention, _per_head(dimensions), dimensions["mlp_weights"])
