"""What stands in a model's place when a trace is loaded from a file: the texts of its tokens, and nothing that runs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import ModelMismatchError, NoModelError
from . import metrics

if TYPE_CHECKING:
    from ..graph.edges import Array, Edges, Graph
    from ..model.model import Model
    from .sweep import Sweep

NO_MODEL = "This trace was loaded from a file and has no model: give it one with trace.with_model(model)."

TOLERANCE, HALF_TOLERANCE = 1e-3, 5e-2
"""Largest total variation between two runs of one model: where both are at least float32, and otherwise."""


@dataclass(frozen=True, eq=False)
class ReplayModel:
    """The model of a saved trace, as far as a file can hold it.

    Attributes
    ----------
    name, dtype : str
    texts : dict from int to str
        Of every token that the trace or its results name.
    """

    name: str
    dtype: str
    texts: dict[int, str] = field(repr=False)
    server: ClassVar[None] = None  # it runs nowhere

    def decode(self, token_id: int) -> str:
        """Return a token's text, or its id in angle brackets where the file does not have it."""
        return self.texts.get(token_id, f"<{token_id}>")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NoModelError(NO_MODEL)


def check_same(
    saved: Model | ReplayModel, graph: Graph, token_ids: Array, ranks: Edges, full_logits: Array, model: Model
) -> None:
    """Refuse a model that is not the one a trace was made with: by its sizes, then by what it predicts.

    The name alone decides nothing, since a folder may hold the same model as the hub.

    Parameters
    ----------
    saved : Model or ReplayModel
        The trace's own.
    graph, token_ids, ranks, full_logits
        The trace's: see `strace_widgets.STrace`.
    model : Model
        The one to check.

    Raises
    ------
    ModelMismatchError
    """
    found = model.architecture
    gap = 1.0
    same_sizes = (found.n_layers, found.n_heads, found.parallel) == (graph.n_layers, graph.n_heads, graph.parallel)
    if same_sizes and token_ids.max() < model.vocabulary_size:
        logits = model.evaluate(token_ids, ranks, np.array([-1]))[0]  # -1: the whole model
        if len(logits) == len(full_logits):
            p, q = (np.exp(metrics.log_probabilities(each)) for each in (full_logits, logits))
            gap = float(metrics.total_variation(p, q))
    exact = {saved.dtype, model.dtype} <= {"float32", "float64"}
    if not gap <= (TOLERANCE if exact else HALF_TOLERANCE):
        raise ModelMismatchError(
            f"This trace was made with {saved.name} ({graph.n_layers} layers of {graph.n_heads} heads, "
            f"{len(full_logits)} token ids), and {model.name} ({found.n_layers} layers of {found.n_heads} heads, "
            f"{model.vocabulary_size} token ids) is not the same model: after the prompt they differ by a total "
            f"variation of {gap:.2g}."
        )


def warn_of_another_model(model: Model, found: Sweep, n_edges: int) -> None:
    """Warn where all edges are kept, and yet the prediction is not the one that was traced."""
    whole = found.total_variation[found.n_edges == n_edges]
    tolerance = 1e-3 if model.dtype in {"float32", "float64"} else 2e-2
    if (whole > tolerance).any():
        warnings.warn(
            f"With all edges kept, {model.name} no longer predicts what was traced (TV {whole.max():.2g}): "
            "weights, adapters or hooks have changed since. Trace the prompt again.",
            stacklevel=4,
        )
