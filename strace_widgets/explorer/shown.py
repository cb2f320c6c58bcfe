"""What is shown of a trace or an Explorer, as plain data: for a page, and for a saved trace."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..errors import NonFiniteError
from ..graph.edges import edges_kept, size_of
from ..json_files import refuse_not_finite
from ..results.strace import STrace
from ..waiting import say, saying
from .contract import DEFAULTS
from .refining import without_refining
from .session import Session
from .view_state import effect_map, with_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graph.modes import Modes
    from ..results.sweep import Sweep
    from .contract import Evaluation, Refusal, Toggle, Toggles


class SessionView(Protocol):
    """An Explorer: besides its session it has the traits that `DEFAULTS` names."""

    session: Session

    def complete_levels(self) -> None:
        """Run the levels that are not there yet."""


Explored = STrace | SessionView

LOG = logging.getLogger(__name__)

TOGGLED_A_PASS = 32
"""Subgraphs that one call of the model evaluates for a page."""


def shown(item: Explored) -> dict[str, Any]:
    """Return the state of an Explorer as it stands, or as it would open on a trace, with all levels.

    Raises
    ------
    TypeError
        When it is neither.
    """
    if isinstance(item, STrace):
        if item.replayed and item.saved_view:
            return {**DEFAULTS, **item.saved_view, "view_state": with_graph(item.saved_view["view_state"], item)}
        return state_of(Session(item))
    if not hasattr(item, "view_state"):
        raise TypeError(f"A page shows traces, Explorers and texts; {type(item).__name__} is none of these.")
    item.complete_levels()
    here = ("choices", "live", "status")  # those of a page are another matter
    state = {**DEFAULTS, **{name: getattr(item, name) for name in DEFAULTS if name not in here}}
    return {**state, "curves": without_refining(state["curves"])}


def state_of(session: Session) -> dict[str, Any]:
    """Return the state of an Explorer that opens on a session, with all levels."""
    session.sweep()
    known = {"n_edges": session.start_size(), "effects": effect_map(session.effects)}
    return {**DEFAULTS, "view_state": session.view_state(), **known}


def session_of(item: Explored) -> Session:
    """Return the session that an Explorer shows, or a new one on a trace."""
    return Session(item) if isinstance(item, STrace) else item.session


def single_toggles(session: Session, n_edges: int) -> tuple[list[Evaluation], list[Refusal]]:
    """Return the results of toggling each head and MLP off and on by itself, at one size, and which have none.

    Switching off what the trace does not have changes nothing, nor does switching on what it has whole: these are not
    run again.

    Returns
    -------
    list of Evaluation
    list of Refusal
        Subgraphs that overflow.
    """
    from . import view_state as view  # noqa: PLC0415

    trace = session.trace
    graph, size = trace.graph, size_of(n_edges, trace.n_edges)
    nodes = [f"{layer}.{part}" for layer in range(graph.n_layers) for part in (*range(graph.n_heads), "mlp")]
    states: tuple[Toggle, ...] = ("off", "on")
    asked: list[Toggles] = [{node: state} for node in nodes for state in states]
    changing = [toggles for toggles in asked if _changes(trace, size, toggles)]
    passes = [changing[at : at + TOGGLED_A_PASS] for at in range(0, len(changing), TOGGLED_A_PASS)]
    LOG.info(
        "%d subgraphs of %s, a head or an MLP toggled in each, in %d batched passes; the page grows by about %.1f MB",
        len(changing),
        trace.model.name,
        len(passes),
        len(asked) * 1.4e-3,
    )
    found: dict[tuple[tuple[str, str], ...], Evaluation] = {}
    refused: list[Refusal] = []
    with saying("running toggled subgraphs"):
        for done, toggles in enumerate(passes):
            say(f"running toggled subgraphs: {done * TOGGLED_A_PASS} of {len(changing)}")
            sweep, rows = _finite(trace, size, toggles, session.modes, refused)
            for row, each in enumerate(rows):
                found[tuple(each.items())] = view.evaluation(cast("Sweep", sweep), trace, each, row)
    unchanged = session.evaluate(n_edges, {})
    without = [each["toggles"] for each in refused]
    known = [toggles for toggles in asked if toggles not in without]
    results = [_rounded(found.get(tuple(toggles.items())) or {**unchanged, "toggles": toggles}) for toggles in known]
    return results, refused


def _finite(
    trace: STrace, size: float, toggles: list[Toggles], modes: Modes, refused: list[Refusal]
) -> tuple[Sweep | None, list[Toggles]]:
    """Return one sweep of subgraphs under toggles, and of which; those that overflow are told to ``refused``."""
    try:
        return trace.evaluate([size] * len(toggles), toggles, **asdict(modes)), toggles
    except NonFiniteError as reason:
        if len(toggles) == 1:
            n_edges = edges_kept(size, trace.n_edges)
            refused.append({"n_edges": n_edges, "toggles": toggles[0], "reason": str(reason)})
            return None, []
    rest = [each for one in toggles for each in _finite(trace, size, [one], modes, refused)[1]]
    return (trace.evaluate([size] * len(rest), rest, **asdict(modes)) if rest else None), rest


def _changes(trace: STrace, size: float, toggles: Mapping[str, str]) -> bool:
    ((node, state),) = toggles.items()
    layer, part = node.split(".")
    ranks = trace.ranks.mlp[int(layer)] if part == "mlp" else trace.ranks.attention[int(layer), int(part)]
    ranks = ranks[ranks < trace.n_edges]
    kept = ranks < edges_kept(size, trace.n_edges)
    return bool(kept.any() if state == "off" else not kept.all())


def _rounded(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation with six decimals, since a page holds hundreds of them."""
    return {
        **evaluation,
        "total_variation": round(evaluation["total_variation"], 6),
        "kl": None if evaluation["kl"] is None else round(evaluation["kl"], 6),
        "entropy": round(evaluation["entropy"], 6),
        "top": [
            {**row, "probability": round(row["probability"], 6), "full_probability": round(row["full_probability"], 6)}
            for row in evaluation["top"]
        ],
    }


def encoded(state: Mapping[str, Any]) -> str:
    """Return a state as JSON, with bytes as base64 text.

    Raises
    ------
    NonFiniteError
        When it holds a number that JSON does not have; a figure without a value is None.
    """
    refuse_not_finite(state, "The Explorer's state")
    text = json.dumps(state, default=_base64, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace").decode()  # half a character has no place in a file


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} does not belong into a page's state.")
