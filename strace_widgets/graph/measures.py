"""Scores of edges to weights: how much each edge matters to the node that it enters.

`MEASURES` is the whole choice in one table. Most compare an edge's vector with its node; those of `GRADIENTS`
estimate what the prediction loses without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import NonFiniteError
from .edges import Array, Edges, Graph


class Measure(NamedTuple):
    """One importance measure: what is scored inside the model, and how scores become weights."""

    score: str
    """What `strace_widgets.interventions.edge_vectors.score_vectors` computes."""
    normalise: str
    """``share``: over the sum entering the node. ``clamp``, ``lift``: the same after setting negative scores to 0, or
    adding the size of the smallest. ``half``: (1 + score) / 2. ``none``: as it is. ``random``: drawn instead."""
    meaning: str
    cost: str
    group: str
    """What the measures that are offered together have in common."""
    label: str
    """The meaning in a few words, for a list to choose from."""


BY_SIZE, BY_DIRECTION, BY_GRADIENT, BY_TRIAL = (
    "by what an edge carries",
    "by where it points",
    "by gradients of the prediction",
    "by trying subgraphs",
)

MEASURES = {
    "l1": Measure(
        "l1",
        "share",
        "size of the vector, sum of absolute values (the paper's)",
        "factors: (T, H) norms",
        BY_SIZE,
        "its size, the paper's measure",
    ),
    "l2": Measure("l2", "share", "size of the vector, Euclidean", "factors: (T, H) norms", BY_SIZE, "its length"),
    "proximity": Measure(
        "proximity",
        "clamp",
        "how much smaller the node's L1 norm becomes without the edge; 0 if larger (information-flow routes)",
        "does not factor: every edge's vector, one head and target at a time",
        BY_DIRECTION,
        "how much smaller its node is without it",
    ),
    "proximity-unclamped": Measure(
        "proximity",
        "lift",
        "the same, shifted to be positive instead of clamped (the published code)",
        "as proximity",
        BY_DIRECTION,
        "the same, shifted (the published code)",
    ),
    "cosine": Measure(
        "cosine",
        "half",
        "direction only: 1 along the node, 0 against it",
        "factors: (T, T, H) products",
        BY_DIRECTION,
        "its angle to its node",
    ),
    "projection": Measure(
        "projection",
        "none",
        "signed length along the node",
        "factors: (T, T, H) products",
        BY_DIRECTION,
        "its length along its node",
    ),
    "fisher": Measure(
        "fisher",
        "none",
        "how far the prediction moves without the edge, to first order",
        "a backward pass a probe",
        BY_GRADIENT,
        "how far it moves the prediction",
    ),
    "fisher+projection": Measure(
        "fisher+projection",
        "none",
        "the same, plus the edge's share in its node's length, the more the prediction depends on that node",
        "as fisher",
        BY_GRADIENT,
        "the same, plus its share in its node",
    ),
    "rescored": Measure(
        "fisher+projection",
        "none",
        "fisher+projection, to which an edge's gain to a subgraph is added, at two sizes in turn",
        "as fisher, and two passes each time",
        BY_TRIAL,
        "the same, corrected at two sizes",
    ),
    "eap": Measure(
        "eap",
        "none",
        "gradient x activation at the full model: what the predicted token's log probability loses without the edge, "
        "to first order (edge attribution patching)",
        "a backward pass",
        BY_GRADIENT,
        "attribution patching, the circuit field's",
    ),
    "eap-ig": Measure(
        "eap-ig",
        "none",
        "the same of the KL divergence, by gradients averaged over inputs that fade to nothing (integrated gradients)",
        "one pass forward and one backward of a row a step",
        BY_GRADIENT,
        "the same, integrated along inputs",
    ),
    "refined": Measure(
        "l2",
        "none",
        "l2 or l1, whichever is better, corrected again and again by what each edge gains the trace's own subgraphs",
        "a budget of passes: 13 unless another is given",
        BY_TRIAL,
        "l2 or l1, corrected step by step",
    ),
    "random": Measure(
        "l1", "random", "uniform: a random connected order of every size", "none", "baselines", "a random order"
    ),
}
"""The importance measures by name."""

PROBED = ("fisher", "fisher+projection", "rescored")
"""The measures that probe the prediction at random: see `strace_widgets.interventions.gradients`."""

ATTRIBUTED = ("eap", "eap-ig")
"""The attribution methods of the field: see `strace_widgets.interventions.attribution`."""

GRADIENTS = (*PROBED, *ATTRIBUTED, "refined")
"""The measures that need gradients."""

BY_MODES = ("refined",)
"""The measures whose weights depend on how subgraphs are evaluated, so that each combination of modes has its own."""

RESCORED_AT = (0.2, 0.1)
"""The sizes of the subgraphs by whose gains ``rescored`` corrects its weights, one after the other."""

GAIN, HARM = 1.2, 0.5
"""What ``rescored`` adds to a weight: so many times what the edge gains the subgraph, or what it harms it by."""


@dataclass(frozen=True)
class Probing:
    """How the measures of `GRADIENTS` ask the prediction; each reads what concerns it.

    Attributes
    ----------
    probes : int
        K, how many random probes, at a backward pass each. More make the estimate steadier.
    seed : int
        Of the probes' signs: the same seed gives the same weights, bit for bit.
    constant : float
        c of ``fisher+projection`` and ``rescored``: how much an edge's share in its node counts beside its effect on
        the prediction.
    steps : int
        m of ``eap-ig``: how many inputs the gradients are averaged over, a row of one batch each.
    """

    probes: int = 4
    seed: int = 0
    constant: float = 0.3
    steps: int = 5

    def __post_init__(self) -> None:
        if self.probes < 1:
            raise ValueError(f"A measure with probes needs at least one of them; probes={self.probes!r} is none.")
        if not 0 <= self.constant < float("inf"):
            raise ValueError(f"The constant of a measure is a number from 0 on; this is {self.constant!r}.")
        if self.steps < 2:  # noqa: PLR2004
            raise ValueError(
                f"Integrated gradients take at least two steps, since the divergence has no slope at the last of them; "
                f"steps={self.steps!r} is too few."
            )

    def options(self, importance: str) -> dict[str, Any]:
        """Return what differs from a measure's defaults, as keyword arguments of `strace_widgets.trace`."""
        usual = asdict(probing_of(importance))
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def plain(self, score: str) -> dict[str, Any]:
        """Return the same as plain data for what captures a score: `gradients.capture_probed` or `attribution`'s."""
        if score == "eap":
            return {"steps": 1, "metric": "log probability"}
        if score == "eap-ig":
            return {"steps": self.steps, "metric": "divergence"}
        constant = 0.0 if score == "fisher" else self.constant
        return {"probes": self.probes, "seed": self.seed, "constant": constant}

    def backward_passes(self, importance: str) -> int:
        """Return how many backward passes weighing every edge takes, beside the forward pass."""
        if importance in PROBED:
            return self.probes
        return int(importance in ATTRIBUTED)


def depends_on_modes(importance: str) -> bool:
    """Return whether a measure's weights depend on the evaluation modes, which `strace_widgets.trace` then takes.

    Parameters
    ----------
    importance : str
    """
    return importance in BY_MODES


def probing_of(
    importance: str,
    probes: int | None = None,
    seed: int = 0,
    constant: float | None = None,
    steps: int | None = None,
) -> Probing:
    """Return how a measure probes: as it is given, and by default where it is None.

    Raises
    ------
    ValueError
        When a number makes no sense.
    """
    # Two probes leave ``rescored`` passes for its corrections, so that it costs as much as three more probes would.
    usual = Probing(2 if importance == "rescored" else Probing.probes, seed)
    given: dict[str, Any] = {"probes": probes, "constant": constant, "steps": steps}
    return replace(usual, **{name: value for name, value in given.items() if value is not None})


def add_gains(weights: Edges, gains: Edges) -> Edges:
    """Return weights plus `GAIN` times what an edge gains a subgraph, or `HARM` times what it harms it by.

    A gain is estimated by gradient x activation, known as attribution patching (Nanda 2023; Syed et al. 2023, arXiv
    2310.10348): see `strace_widgets.interventions.gradients.capture_gains`. Harm raises a weight too: an edge that
    harms a subgraph moves the prediction, and a larger subgraph needs it.
    """
    return Edges(
        *(weight + np.where(gain > 0, GAIN * gain, -HARM * gain) for weight, gain in zip(weights, gains, strict=True))
    )


class Captured(NamedTuple):
    """What every edge of a prompt's graph carries, for an importance function of your own; arrays of float32.

    Head h of layer l carries ``factors[l, h, t, s] * heads[l, h, s]`` from token s to token t.

    Attributes
    ----------
    factors : (L, H, T, T)
    heads : (L, H, T, M)
    attention_residual, mlp, mlp_residual : (L, T, M)
        The vectors themselves. In the last layer those into the output node are read through the final norm.
    attention_node, mlp_node : (L, T, M)
        The nodes that they enter; in a parallel block both are its one node.
    """

    factors: Array
    heads: Array
    attention_residual: Array
    mlp: Array
    mlp_residual: Array
    attention_node: Array
    mlp_node: Array


Importance = str | Callable[[Captured], Edges]


def measure_named(name: str) -> Measure:
    """Return a measure, or say which there are.

    Parameters
    ----------
    name : str
        A key of `MEASURES`.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    if name not in MEASURES:
        raise ValueError(f"There is no importance measure {name!r}: choose one of {', '.join(map(repr, MEASURES))}.")
    return MEASURES[name]


def weigh(scores: Edges, graph: Graph, measure: Measure, seed: int = 0) -> Edges:
    """Turn the scores of all edges into weights, node by node.

    Parameters
    ----------
    scores : Edges of float32
        From `strace_widgets.interventions.capture.capture`.
    graph : Graph
    measure : Measure
    seed : int
        For ``random`` only.

    Returns
    -------
    Edges of float32
        An edge that is not in the graph weighs 0. Where a measure divides by the sum (arXiv 2605.27033 for l1), the
        weights that enter a node sum to 1.

    Raises
    ------
    NonFiniteError
        When such a sum is more than float32 can hold, so that all shares would be 0; names the layer.
    """
    exists = graph.exists()
    if measure.normalise == "random":
        random = np.random.default_rng(seed)
        scores = Edges(*(np.asarray(random.random(kind.shape, dtype=np.float32)) for kind in scores))
    elif measure.normalise == "half":
        scores = Edges(*((1 + kind) / 2 for kind in scores))
    elif measure.normalise == "clamp":
        scores = Edges(*(np.maximum(kind, 0) for kind in scores))
    elif measure.normalise == "lift":
        scores = _by_node(np.add, scores, _entering(np.minimum, scores, exists, np.float32(np.inf), graph), np.abs)
    if measure.normalise in {"share", "clamp", "lift"}:
        total = _entering(np.add, in_graph(scores, exists), exists, np.float32(0), graph)
        for layer in range(graph.n_layers):
            if not all(np.isfinite(sums[layer]).all() for sums in total):  # or each share would be 0
                raise NonFiniteError(
                    f"The scores of the edges of layer {layer} add up to more than float32 can hold: choose another "
                    "importance measure, such as 'projection'.",
                    "scores",
                    layer,
                )
        # A node whose vectors are all zero, or that is not in the graph, has no share to give: its edges weigh 0.
        scores = _by_node(np.divide, scores, total, lambda sums: np.where(sums == 0, np.float32(1), sums))
    return in_graph(scores, exists)


def in_graph(values: Edges, exists: Edges) -> Edges:
    """Return the values with 0 where there is no edge."""
    return Edges(*(np.where(there, value, np.float32(0)) for value, there in zip(values, exists, strict=True)))


def _entering(combine: np.ufunc, scores: Edges, exists: Edges, empty: np.float32, graph: Graph) -> tuple[Array, Array]:
    """Combine the scores of all edges that enter each attention node and each MLP node, both (L, T)."""
    present = Edges(*(np.where(there, score, empty) for score, there in zip(scores, exists, strict=True)))
    attention = combine(combine.reduce(present.attention, axis=(1, 3)), present.attention_residual)
    mlp = combine(present.mlp, present.mlp_residual)
    if graph.parallel:
        attention = mlp = combine(attention, mlp)
    return attention, mlp


def _by_node(combine: np.ufunc, scores: Edges, nodes: tuple[Array, Array], prepare: Callable[[Array], Array]) -> Edges:
    """Combine each edge's score with a value of the node that it enters."""
    attention, mlp = (prepare(node) for node in nodes)
    return Edges(
        combine(scores.attention, attention[:, None, :, None]),
        combine(scores.attention_residual, attention),
        combine(scores.mlp, mlp),
        combine(scores.mlp_residual, mlp),
    )
