"""A prompt and the full model's prediction after it, with the ranked graph of what led there: what a trace is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from ..cache import Cache
from ..errors import ModelChangedError
from ..graph.ranked import RankedGraph
from ..model.text.prompts import Origin
from . import metrics
from .replay import ReplayModel
from .sweep import TopToken, top_tokens

if TYPE_CHECKING:
    from ..graph.edges import Array
    from ..model.model import Model
    from .effects import Effects, Kept

KEPT_EFFECTS = 32
"""How many maps of effects are kept: one for each size, combination of modes, and kind of part."""


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class Explained(RankedGraph):
    """What `strace_widgets.STrace` says of its prompt; the attributes are described there.

    Attributes
    ----------
    model_state : int or None
        What the model was like when it was traced: its weights and adapters.
    effect_maps : Cache from Kept to Effects
        What is known of the effects of components.
    """

    model: Model
    prompt: str
    token_ids: Array
    importance: str
    full_logits: Array
    origin: Origin = field(default_factory=Origin)
    model_state: int | None = None
    # Traces that come from one another share it.
    effect_maps: Cache[Kept, Effects] = field(default_factory=partial(Cache, KEPT_EFFECTS))

    @cached_property
    def top(self) -> list[TopToken]:
        """The full model's most probable next tokens."""
        return top_tokens(np.exp(metrics.log_probabilities(self.full_logits)), self.model.decode)

    @property
    def entropy(self) -> float:
        """The full model's uncertainty, in nats."""
        return float(metrics.entropy(metrics.log_probabilities(self.full_logits)))

    @property
    def replayed(self) -> bool:
        """Whether this trace was loaded from a file and has no model."""
        return isinstance(self.model, ReplayModel)

    def traced_model(self) -> Model:
        """Return the model, if it is still what was traced.

        Raises
        ------
        ModelChangedError
            When its weights or adapters are others.
        """
        if self.model_state is not None and self.model_state != self.model.state():
            raise ModelChangedError(
                f"{self.model.name} is no longer what was traced: its weights were trained, or an adapter was "
                "switched, merged or disabled. Put it back as it was, or trace it again."
            )
        return self.model
