"""The Explorer: drag s, watch the next-token probabilities, toggle heads and MLPs, all on one session.

`strace_widgets.explorer.contract` has the traits and messages. A request is a state: the front end writes
``n_edges`` and ``toggles``; the newest of them is evaluated on the worker thread, so that the kernel stays free for
messages and interrupts. What is no state (another trace, more curves, code) is asked by a message.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import traitlets

from ..errors import CancelledError, SessionFileError, ToggleError
from ..graph.edges import edges_kept, size_of
from ..results.replay import NO_MODEL
from . import bundle
from .contract import DEFAULTS, DERIVED_DEFAULTS, RESTORED, Shade, from_browser
from .groups import Naming
from .inside import LooksInside
from .leaving import Leaving
from .messages import Messages, detail, sentence
from .refining import Refines
from .requests import RequestRunner, SupersededError
from .session import Session, choices, curves_after
from .session_file import effects_in
from .settings import settings_of
from .still import Still
from .streaming import EFFECTS, LEVELS, Stream
from .turns import TurnDict, TurnFloat, TurnInt
from .view_state import effect_map, with_graph
from .why import Why

if TYPE_CHECKING:
    import asyncio

    from ipywidgets import Widget

    from ..paths import AnyPath
    from ..results.strace import STrace
    from .contract import Evaluation
    from .messages import Show
    from .requests import Progress

START: dict[str, Any] = {**DEFAULTS, **DERIVED_DEFAULTS}
READY: dict[str, Any] = START["status"]


class Explorer(Leaving, Refines, Why, LooksInside, Naming, Still):
    """The widget on one session.

    Parameters
    ----------
    trace : STrace
    session : str or Path, optional
        A session file to go on with.
    loop : asyncio.AbstractEventLoop, optional
        The event loop on which results arrive, where that is neither IPython's nor the loop of the calling task.

    Attributes
    ----------
    size : float
        The relative size s in (0, 1]; follows the slider, and moves it.
    n_edges : int
        The same as a number of edges, 1..E.
    toggles : dict
        ``{"21.4": "off", "12@3": "on"}``: heads, MLPs, positions and edges that are taken out or put in.
    evaluation : dict or None
        The last exact result, with the request that it answers.
    top_tokens : list of dict
        Its leading tokens: ``{"token": str, "probability": float}``.
    evaluations, refused : list of dict
        Exact results that are known ahead, and what has none, with the reason.
    shade, effects : str, and dict or None
        What the cells of heads and MLPs are shaded by; and what each does, as far as it was asked for.
    groups : list of dict
        Heads and MLPs that have a name. It can be set as ``{"name movers": ["9.6", "9.9"]}``; then colours are given.
    note : str
        What a person notes of the trace.
    total_variation : float
        Its TV.
    status : dict
        ``{"state": "ready" | "running" | "error", "message": str, "progress": float}``; with a server's ``job`` that is
        waited for, and of what failed its ``kind`` and the server's ``detail``.
    history : dict
        What was tried, as the front end keeps it.
    views : set of View
        Its single views that are open; they close with it.
    turn : threading.RLock
        Is held while an answer is shown, and while a size or a toggle is set.
    """

    _esm = bundle.module("explorer")
    _css = bundle.style("explorer")

    view_state = traitlets.Dict(default_value=START["view_state"], allow_none=True, read_only=True).tag(sync=True)
    n_edges = TurnInt(START["n_edges"]).tag(sync=True)
    size = TurnFloat(START["size"]).tag(sync=True)
    toggles = TurnDict(key_trait=traitlets.Unicode(), value_trait=traitlets.Unicode()).tag(sync=True)
    evaluation = traitlets.Dict(default_value=START["evaluation"], allow_none=True).tag(sync=True)
    evaluations: traitlets.List[Any] = traitlets.List().tag(sync=True)
    refused: traitlets.List[Any] = traitlets.List().tag(sync=True)
    top_tokens: traitlets.List[Any] = traitlets.List().tag(sync=True)
    total_variation = traitlets.Float(default_value=None, allow_none=True).tag(sync=True)
    status = traitlets.Dict(default_value=START["status"]).tag(sync=True)
    live = traitlets.Bool(START["live"]).tag(sync=True)
    choices = traitlets.Dict(default_value=START["choices"]).tag(sync=True)
    curves: traitlets.List[Any] = traitlets.List().tag(sync=True)
    shade = traitlets.Enum(get_args(Shade), START["shade"]).tag(sync=True)
    effects = traitlets.Dict(default_value=START["effects"], allow_none=True).tag(sync=True)
    history = traitlets.Dict(default_value=START["history"]).tag(sync=True)

    def __init__(
        self,
        trace: STrace,
        session: AnyPath | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        **kwargs: Any,
    ) -> None:
        saved = trace.saved_view
        shown = saved.get("view_state", {})
        modes = {name: shown[name] for name in ("masks", "ablation") if name in shown}
        self.session = Session(trace, jumps=saved.get("jumps", []), **modes)
        self.views: set[Widget] = set()
        self.closes_with_views = False
        self._requests = RequestRunner(self._show_progress, self._show_job, loop=loop)
        self.turn = self._requests.turn
        about = self._requests, lambda: self.session, self._rest_unless_failed, self._tell
        self._levels = Stream(LEVELS, self._show_levels, *about)
        self._effects = Stream(EFFECTS, self._show_effects, *about)
        self._messages = self._answered_messages()
        start = saved.get("n_edges") or self.session.start_size()
        self._opened = None if saved.get("n_edges") else start
        kept = trace.replayed and saved
        view_state = with_graph(saved["view_state"], trace) if kept else self.session.view_state()
        super().__init__(
            n_edges=start,
            size=size_of(start, trace.n_edges),
            choices=choices(),
            effects=effect_map(self.session.effects),
            live=not trace.replayed,
            status=READY | {"message": NO_MODEL if trace.replayed else ""},
            **{name: saved[name] for name in RESTORED if name in saved},
            **kwargs,
        )
        self.set_trait("view_state", view_state)
        self.observe(lambda _: self._evaluate(), names=["n_edges", "toggles"])
        self.on_msg(lambda _, content, __: self._messages.hear(content))
        if session is None:
            self._evaluate()
            self._levels.go_on()
            return
        try:
            self.load_session(session)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the Explorer and its single views; what is under way is given up, and links to it end.

        What it shows can still be read and saved by who holds it; when nobody does, nothing of it is left.
        """
        if self.comm is None:
            return
        self._requests.cancel()
        for view in tuple(self.views):
            view.close()
        super().close()

    def _shown(self) -> tuple[str, Explorer]:
        return "Explorer", self

    def complete_levels(self) -> None:
        """Run the levels that are not there yet now, rather than while one looks: an exported page has no model."""
        if self.live and not self.session.complete:
            self.session.sweep()
            self._show_levels()
            self._levels.go_on()
            self._rest()

    def _get_embed_state(self, drop_defaults: bool = False) -> Any:  # noqa: FBT001, FBT002 - as ipywidgets has it
        self.complete_levels()
        return super()._get_embed_state(drop_defaults)

    @traitlets.validate("n_edges")
    def _validate_n_edges(self, proposal: Any) -> int:
        n_edges = int(proposal["value"])
        if not 1 <= n_edges <= self.trace.n_edges:
            raise traitlets.TraitError(
                f"A trace here has 1 to {self.trace.n_edges:,} edges; {n_edges:,} is not in that range."
            )
        return n_edges

    @traitlets.validate("size")
    def _validate_size(self, proposal: Any) -> float:
        try:
            edges_kept(proposal["value"], self.trace.n_edges)
        except ValueError as reason:
            raise traitlets.TraitError(str(reason)) from None
        return float(proposal["value"])

    @traitlets.validate("toggles")
    def _validate_toggles(self, proposal: Any) -> dict[str, str]:
        try:
            return self.trace.parsed(proposal["value"]).plain()
        except ToggleError as reason:
            raise traitlets.TraitError(str(reason)) from None

    @traitlets.observe("size")
    def _follow_size(self, change: Any) -> None:
        self.n_edges = max(1, edges_kept(change["new"], self.trace.n_edges))

    @traitlets.observe("n_edges")
    def _follow_n_edges(self, change: Any) -> None:
        if edges_kept(self.size, self.trace.n_edges) != change["new"]:
            self.size = size_of(change["new"], self.trace.n_edges)

    @traitlets.observe("evaluation")
    def _follow_evaluation(self, change: Any) -> None:
        evaluation = change["new"]
        if evaluation is not None:
            self.top_tokens = [{key: row[key] for key in ("token", "probability")} for row in evaluation["top"]]
            self.total_variation = evaluation["total_variation"]

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take the front end's state; what is not valid is said in the widget, not only in the kernel's log."""
        try:
            taken = from_browser(sync_data)
            known = effects_in(taken.get("effects"), self.session)  # of a session file that was loaded there
            with self.turn:
                super().set_state(taken)
            self.trace.effect_maps.update(known)
        except (traitlets.TraitError, SessionFileError) as reason:
            self._tell("evaluate", reason)
        if "effects" in sync_data:
            self._show_effects()

    def _evaluate(self) -> None:
        """Ask the worker for the present state, the newest of which wins; in a replay, look for a known result."""
        if not self.live:
            known = (found for found in self.evaluations if found["n_edges"] == self.n_edges)
            self.evaluation = next((found for found in known if found["toggles"] == self.toggles), self.evaluation)
            return
        with self.turn:
            self.status = (self._coming or READY) | {"state": "running"}
            session, n_edges, toggles = self.session, self.n_edges, dict(self.toggles)
            self._requests.run(
                "evaluate",
                lambda _: session.evaluate(n_edges, toggles),
                done=self._show_evaluation,
                failed=partial(self._tell, "evaluate"),
            )

    def _show_evaluation(self, evaluation: Evaluation) -> None:
        with self.hold_sync():
            self.set_trait("evaluation", evaluation)
            self._rest_unless_failed()

    def _show_levels(self) -> None:
        """Show the levels that there are; a size that nobody has chosen goes to where the top token returns."""
        with self.turn, self.hold_sync():
            self.set_trait("view_state", self.session.view_state())
            if self.n_edges == self._opened and not self.toggles:
                self._opened = self.n_edges = self.session.start_size()

    def _show_effects(self) -> None:
        self.set_trait("effects", effect_map(self.session.effects))

    @property
    def _coming(self) -> dict[str, Any] | None:
        """What comes part by part."""
        return self._levels.status or self._effects.status

    def _rest(self, **about: Any) -> None:
        """Say that a request has ended; others, and what comes part by part, may still be under way."""
        with self.turn:
            self.status = self._coming or READY | {"state": self._requests.state} | about

    def _rest_unless_failed(self) -> None:
        if self.status["state"] != "error":  # what failed is said until something succeeds
            self._rest()

    def _show_progress(self, message: str, progress: float) -> None:
        self.status = {"state": "running", "message": message, "progress": progress}

    def _show_job(self, job: dict[str, Any]) -> None:
        if self.status["state"] == "running":
            self.status = self.status | {"job": job}

    def _tell(self, kind: str, reason: Exception) -> None:
        if isinstance(reason, SupersededError):
            return  # the status is about the newer request
        if kind == "refine":
            self._end_refining()
        with self.turn:
            state = self._requests.state if isinstance(reason, CancelledError) else "error"
            self.status = READY | {"state": state, "message": sentence(reason), "kind": kind} | detail(reason)

    def _answered_messages(self) -> Messages:
        return Messages(
            lambda answer: self.send(answer),  # noqa: PLW0108 - the tests put another function in its place
            self._requests,
            self._tell,
            at_once={
                # What came before the greeting may have found nobody there.
                "hello": lambda _: self.send_state(["status", "evaluation"]),
                "evaluate": lambda _: self._evaluate(),
                "levels": lambda _: self._go_on(self._levels),
                "effects": lambda _: self._go_on(self._effects),
                "node": lambda content: self.session.node(content["node"]),
                "code": lambda _: self.code() | {"note": self.session.code_note()},
                "cancel": lambda _: self._cancel(),
            },
            later={
                "trace": self._trace,
                "compare": self._other_curves,
                "refine": self._refine,
                "why": self._why,
                "inside": self._look_inside,
            },
        )

    def _cancel(self) -> None:
        self._requests.stop_waiting("evaluate", "refine")  # on this machine they are done in a moment, and shown
        if self._refining:
            self._refining.stopped = True
        self._requests.cancel(
            "trace", "compare", "levels", "effects", "why", "inside", *([] if self._refining else ["refine"])
        )

    def _go_on(self, stream: Stream) -> None:
        self._rest()
        stream.go_on()

    def _trace(self, content: dict[str, Any], progress: Progress) -> Show:
        if content.get("swap"):
            session = self.session.swapped(progress)
        else:
            settings = settings_of(content["settings"])
            session = self.session.with_settings(settings, progress, content.get("counterfactual"))
        return lambda: self._show_session(session, content.get("n_edges"), content.get("toggles"), None)

    def _other_curves(self, content: dict[str, Any], progress: Progress) -> Show:
        session = self.session
        curves = session.compare(list(content["names"]), progress)

        def show() -> None:
            if session is self.session:
                self.curves = curves
            self._rest()

        return show

    def _show_session(
        self, session: Session, n_edges: int | None, toggles: dict[str, str] | None, history: dict[str, Any] | None
    ) -> None:
        """Replace the session, once it is known that all of it can be shown; a size that its graph does not have stays.

        Raises
        ------
        ValueError
            When a size is no number of edges, or a toggle none of the model's.
        """
        if n_edges is not None and type(n_edges) is not int:
            raise ValueError(f"{n_edges!r} is no number of edges.")
        anew = session is not self.session
        opened = None
        if n_edges is None or not 1 <= n_edges <= session.trace.n_edges:
            n_edges = opened = session.start_size()
        toggles = session.trace.parsed(toggles).plain()
        view_state = session.view_state() if anew else self.view_state
        curves = curves_after(self.curves, self.session, session)
        with self.turn, self.hold_sync():
            self.session = session
            self._show_effects()
            if anew:
                self._effects.status = None  # whoever wants to know them of this trace asks again
                self.set_trait("view_state", view_state)
                self.curves, self.jumps, self.inside = curves, session.jumps, None
                self.set_trait("evaluation", None)
            self.set_trait("toggles", toggles)
            self.n_edges = n_edges
            self._opened = opened
            self.size = size_of(n_edges, session.trace.n_edges)
            if history is not None:
                self.history = history
        self._evaluate()
        self._levels.go_on()
