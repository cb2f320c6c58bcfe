"""What stands in a model's place when a trace is loaded from a file: the texts of its tokens, and nothing that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import ModelMismatchError, NoModelError
from ..graph.toggles import forced
from . import metrics

if TYPE_CHECKING:
    from ..model.model import Model
    from .strace import STrace

NO_MODEL = "This trace was loaded from a file and has no model: give it one with trace.with_model(model)."

TOLERANCE, HALF_TOLERANCE = 1e-3, 5e-2
"""Largest total variation between two runs of one model: where both are at least float32, and otherwise."""


@dataclass(frozen=True)
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


def check_same(trace: STrace, model: Model) -> None:
    """Refuse a model that is not the one a trace was made with: by its sizes, then by what it predicts.

    The name alone decides nothing, since a folder may hold the same model as the hub.

    Raises
    ------
    ModelMismatchError
    """
    saved, found = trace.graph, model.architecture
    wanted = saved.n_layers, saved.n_heads, saved.parallel
    nothing = forced({}, saved.n_layers, saved.n_heads)
    gap = 1.0
    if (found.n_layers, found.n_heads, found.parallel) == wanted and trace.token_ids.max() < model.vocabulary_size:
        logits = model.evaluate(trace.token_ids, trace.ranks, np.array([-1]), nothing)[0]  # -1: the whole model
        if len(logits) == len(trace.full_logits):
            p, q = (np.exp(metrics.log_probabilities(each)) for each in (trace.full_logits, logits))
            gap = float(metrics.total_variation(p, q))
    exact = {trace.model.dtype, model.dtype} <= {"float32", "float64"}
    if not gap <= (TOLERANCE if exact else HALF_TOLERANCE):
        raise ModelMismatchError(
            f"This trace was made with {trace.model.name} ({saved.n_layers} layers of {saved.n_heads} heads, "
            f"{len(trace.full_logits)} token ids), and {model.name} ({found.n_layers} layers of {found.n_heads} heads, "
            f"{model.vocabulary_size} token ids) is not the same model: after the prompt they differ by a total "
            f"variation of {gap:.2g}."
        )
