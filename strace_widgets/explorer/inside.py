"""What a subgraph looks like inside, in the Explorer: the logit lens, what components write, what a head attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets

from ..graph.edges import size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..results.lens import HeadView, LogitLens
    from .inside_contract import Inside
    from .messages import Show
    from .requests import Progress
    from .session import Session

MOST_TOKENS = 64
"""Of how many tokens, the last ones, attention is shown."""

DIGITS = 4


class LooksInside(traitlets.HasTraits):
    """The part of `strace_widgets.explorer.widget.Explorer` that looks inside."""

    session: Session
    n_edges: int
    toggles: Any
    inside: Any = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def _rest(self, **about: Any) -> None:
        """Say that a request has ended."""
        raise NotImplementedError

    def _look_inside(self, content: dict[str, Any], progress: Progress) -> Show:
        session, n_edges, toggles = self.session, self.n_edges, dict(self.toggles)
        progress("looking inside the subgraph", 0.0)
        found = look_inside(session, n_edges, toggles, content.get("node", ""))

        def show() -> None:
            if session is self.session:
                self.inside = found
            self._rest()

        return show


def look_inside(session: Session, n_edges: int, toggles: Mapping[str, str], node: str) -> Inside:
    """Return what a session's subgraph looks like inside, and the head that is named, if one is.

    Parameters
    ----------
    session : Session
    n_edges : int
    toggles : dict
    node : str
        A head ``"21.4"``; of anything else nothing more is told.

    Raises
    ------
    ToggleError
        When there is no such head.
    """
    from ..results.lens import head_view, logit_lens  # noqa: PLC0415 - it runs the model, for which it needs torch

    trace, head = session.trace, None
    how = size_of(n_edges, trace.n_edges), dict(toggles), session.modes
    if node and not node.endswith("mlp"):
        head = head_view(trace, node, *how)
    lens = head.lens if head else logit_lens(trace, *how)
    direct: list[float] = []
    if lens.heads is not None and lens.mlp is not None:
        direct = np.concatenate([lens.heads, lens.mlp[..., None]], axis=-1).round(DIGITS).ravel().tolist()
    return {
        "n_edges": n_edges,
        "toggles": dict(toggles),
        "answer": " or ".join(lens.answers),
        "rival": " or ".join(lens.rivals),
        "layers": [
            cast("Any", {name: _predicted(lens, row, layer) for row, name in enumerate(("full", "subgraph"))})
            for layer in range(len(lens.full))
        ],
        "direct": direct,
        "refusal": lens.refusal or "",
        "head": _head(head) if head else None,
    }


def _predicted(lens: LogitLens, row: int, layer: int) -> dict[str, Any]:
    first = (lens.subgraph if row else lens.full)[layer][0]
    logit = float(lens.logit_difference[row, layer])
    return {"token": first.token, "probability": round(first.probability, DIGITS), "logit": round(logit, DIGITS)}


def _head(head: HeadView) -> Any:
    first = max(0, len(head.tokens) - MOST_TOKENS)
    shown = head.attention[:, first:, first:]
    return {
        "node": head.name,
        "first": first,
        "attention": (shown.clip(0, 1) * 255).round().astype(int).ravel().tolist(),
        "promoted": [
            [{"token": token, "logit": round(logit, DIGITS)} for token, logit in tokens] for tokens in head.promoted
        ],
    }
