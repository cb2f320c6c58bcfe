"""What is inside a subgraph: its hidden states, what its layers predict, what its heads attend to and write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.edges import Edges
from ..graph.modes import modes_of
from .explained import Explained
from .sweep import Sweep, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..graph.edges import Array
    from .lens import HeadView, LogitLens


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class Opened(Explained):
    """What `strace_widgets.STrace` says of a single subgraph; the attributes are described there."""

    def hidden_states(self, sizes: Iterable[float], **modes: Any) -> Array:
        """Return what the unembedding reads in the subgraphs of K sizes, then in the full model: (K + 1, M) float32.

        Parameters
        ----------
        sizes : floats in (0, 1]
        **modes
            As for `evaluate`.
        """
        kept = np.append(self.kept(sizes), -1)  # -1: the whole model
        chosen = modes_of(**modes)
        return self.traced_model().evaluate(self.rows(chosen), self.ranks, kept, None, chosen, states=True)

    def evaluate_mask(self, mask: Edges, **modes: Any) -> Sweep:
        """Run one subgraph that is given edge by edge; return a sweep of one row, whose size is the share kept.

        Parameters
        ----------
        mask : Edges of bool
        **modes
            As for `evaluate`.
        """
        ranks = Edges(*(np.where(kind, 0, 1).astype(np.int32) for kind in mask))
        chosen = modes_of(**modes)
        logits = self.traced_model().evaluate(self.rows(chosen), ranks, np.array([1]), None, chosen)
        kept = np.array([mask.n_kept])
        return compare(self.full_logits, logits, [mask.n_kept / self.n_edges], kept, kept, self.model.decode)

    def lens(self, s: float = 1.0, toggles: Mapping[str, str] | None = None, **modes: Any) -> LogitLens:
        """Return what the stream predicts after each layer, and what each component writes: one pass of two rows.

        Parameters
        ----------
        s : float in (0, 1]
            The size of the subgraph that is set beside the full model.
        toggles, **modes
            As for `STrace.evaluate`.

        Raises
        ------
        ValueError
            When the size is not in (0, 1].
        ToggleError
            When a component does not exist.
        NoModelError
            When the trace was loaded from a file.
        """
        from .lens import logit_lens  # noqa: PLC0415 - it runs the model, for which it needs torch

        return logit_lens(self, s, toggles, modes_of(**modes))

    def head(self, name: str, s: float = 1.0, toggles: Mapping[str, str] | None = None, **modes: Any) -> HeadView:
        """Return what one head attends to and what it writes: one pass of two rows.

        Parameters
        ----------
        name : str
            ``"21.4"``: layer and head.
        s, toggles, **modes
            As for `lens`; raises what that does.
        """
        from .lens import head_view  # noqa: PLC0415 - likewise

        return head_view(self, name, s, toggles, modes_of(**modes))
