"""A prompt and the full model's prediction after it, with the ranked graph of what led there: what a trace is about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from ..cache import Cache
from ..errors import ModelChangedError, PromptError
from ..graph.ranked import RankedGraph
from ..model.text.contrasts import Contrast
from ..model.text.prompts import Origin
from . import metrics
from .display import html_table
from .replay import ReplayModel
from .sweep import Sweep, TopToken, top_tokens

if TYPE_CHECKING:
    from ..graph.edges import Array
    from ..graph.modes import Modes
    from ..model.model import Model
    from .effects import Effects, Kept

KEPT_EFFECTS = 32
"""How many maps of effects are kept: one for each size, combination of modes, and kind of part."""


SHOWN = 5
"""Tokens that the table of a trace shows."""


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class Explained(RankedGraph):
    """What `strace_widgets.STrace` says of its prompt; the attributes are described there.

    Attributes
    ----------
    contrast : Contrast
        What is asked: why a target rather than a foil, and against which other prompt.
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
    contrast: Contrast = field(default_factory=Contrast)
    model_state: int | None = None
    # The target's figure without any edge, by modes. Traces that come from one another share both of these.
    empty_figures: Cache[Modes, float] = field(default_factory=partial(Cache, KEPT_EFFECTS))
    effect_maps: Cache[Kept, Effects] = field(default_factory=partial(Cache, KEPT_EFFECTS))

    def _repr_html_(self) -> str:
        title = (
            f"STrace of “{self.prompt}” on {self.model.name}: {self.graph.n_tokens} tokens, "
            f"{self.n_edges:,} edges by {self.importance}{', loaded from a file' if self.replayed else ''}"
        )
        title = " ".join(filter(None, [title, self.origin.note, self.origin.warning]))
        tokens, probabilities = zip(*((top.token, f"{top.probability:.3f}") for top in self.top[:SHOWN]), strict=True)
        columns = {"the full model's next token": tokens, "probability": probabilities}
        return html_table(title, columns, texts={"the full model's next token"})

    def __repr__(self) -> str:
        first = self.top[0]
        return (
            f"STrace of {self.prompt!r} on {self.model.name}: {len(self.tokens)} tokens, {self.n_edges:,} edges by "
            f"{self.importance}; the full model says {first.token!r} at {first.probability:.2f}"
        )

    @cached_property
    def top(self) -> list[TopToken]:
        """The full model's most probable next tokens."""
        return top_tokens(np.exp(metrics.log_probabilities(self.full_logits)), self.model.decode)

    @property
    def question(self) -> tuple[list[int], list[int]]:
        """The token ids asked for, and those that they are set against, as far as nobody says: the two leading ones."""
        answers = list(self.contrast.target) or [self.top[0].id]
        return answers, list(self.contrast.foil) or [next(top.id for top in self.top if top.id not in answers)]

    @property
    def entropy(self) -> float:
        """The full model's uncertainty, in nats."""
        return float(metrics.entropy(metrics.log_probabilities(self.full_logits)))

    @property
    def replayed(self) -> bool:
        """Whether this trace was loaded from a file and has no model."""
        return isinstance(self.model, ReplayModel)

    def rows(self, modes: Modes) -> Array:
        """Return the token ids that `Model.evaluate` runs: (T,), or when patching with the counterfactual, (2, T).

        Raises
        ------
        PromptError
            When dropped edges are to carry what they carry in a counterfactual prompt, and there is none.
        """
        if not modes.patched:
            return self.token_ids
        if not self.contrast.counterfactual:
            raise PromptError(
                f"ablation={modes.ablation!r} needs another prompt to patch from: sw.trace(model, prompt, "
                "counterfactual=...), of as many tokens."
            )
        return np.stack([self.token_ids, np.array(self.contrast.counterfactual)])

    def with_figure(self, sweep: Sweep, logits: Array, modes: Modes) -> Sweep:
        """Return a sweep with the target's figure of each row of logits (K, V); the same where none is asked for."""
        if not self.contrast.target:
            return sweep
        full = float(self.contrast.of(self.full_logits))
        empty = self.empty_figures.get(modes, np.nan)
        return replace(sweep, figure=self.contrast.of(logits), full_figure=full, empty_figure=empty)

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
