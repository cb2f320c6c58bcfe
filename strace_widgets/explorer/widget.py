"""The Explorer: drag s, watch the next token come back, toggle heads and MLPs, all on one session.

`strace_widgets.explorer.contract` has the traits and messages. A request is a state: the front end writes
``n_edges`` and ``toggles``; the newest of them is evaluated on the worker thread, so that the kernel stays free for
messages and interrupts. What is no state (another trace, more curves, code) is asked by a message.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..errors import CancelledError, RemoteError, StraceError, ToggleError
from ..graph.edges import edges_kept, size_of
from ..graph.toggles import normalise
from ..results.replay import NO_MODEL
from . import session as sessions
from .contract import DEFAULTS, DERIVED_DEFAULTS
from .session import Session, Settings
from .worker import last_line, post_to_kernel, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from ..remote.server import Stage
    from ..results.strace import STrace
    from .contract import Evaluation
    from .html_page import KnownToggles
    from .session import Progress

STATIC = Path(__file__).parent / "static"
START: dict[str, Any] = {**DEFAULTS, **DERIVED_DEFAULTS}
READY: dict[str, Any] = START["status"]
RESTORED = ("toggles", "evaluation", "evaluations", "curves", "history")
CANCELLED = "Cancelled: everything is as it was."
STOPPED = "No longer waiting: the job may still finish on the server, but its answer is dropped."


class Explorer(anywidget.AnyWidget):
    """The widget on one session.

    Parameters
    ----------
    trace : STrace
    file : str or Path, optional
        A session file to go on with.

    Attributes
    ----------
    size : float
        The relative size s in (0, 1]; follows the slider, and moves it.
    n_edges : int
        The same as a number of edges, 1..E.
    toggles : dict
        ``{"21.4": "off", "18.mlp": "on"}``: heads and MLPs that are taken out or put in.
    evaluation : dict or None
        The last exact result, with the request that it answers.
    top_tokens : list of dict
        Its leading tokens: ``{"token": str, "probability": float}``.
    evaluations : list of dict
        Exact results that are known ahead, for a replay.
    total_variation : float
        Its TV.
    status : dict
        ``{"state": "ready" | "running" | "error", "message": str, "progress": float}``; where a job on a server is
        waited for, with its ``job``, and where something failed, with its ``kind`` and the server's ``detail``.
    history : dict
        What was tried, as the front end keeps it.
    """

    _esm = STATIC / "explorer.js"
    _css = STATIC / "explorer.css"

    view_state = traitlets.Dict(default_value=START["view_state"], allow_none=True, read_only=True).tag(sync=True)
    n_edges = traitlets.Int(START["n_edges"]).tag(sync=True)
    size = traitlets.Float(START["size"]).tag(sync=True)
    toggles = traitlets.Dict(key_trait=traitlets.Unicode(), value_trait=traitlets.Unicode()).tag(sync=True)
    evaluation = traitlets.Dict(default_value=START["evaluation"], allow_none=True).tag(sync=True)
    evaluations: traitlets.List[Any] = traitlets.List().tag(sync=True)
    top_tokens: traitlets.List[Any] = traitlets.List().tag(sync=True)
    total_variation = traitlets.Float(default_value=None, allow_none=True).tag(sync=True)
    status = traitlets.Dict(default_value=START["status"]).tag(sync=True)
    live = traitlets.Bool(START["live"]).tag(sync=True)
    choices = traitlets.Dict(default_value=START["choices"]).tag(sync=True)
    curves: traitlets.List[Any] = traitlets.List().tag(sync=True)
    history = traitlets.Dict(default_value=START["history"]).tag(sync=True)

    def __init__(self, trace: STrace, file: str | Path | None = None, **kwargs: Any) -> None:
        saved = trace.saved_view
        self.session = Session(trace, saved["view_state"]["masks"] if saved else "all")
        self._post = post_to_kernel()
        # Set to give up the request of a kind that is under way.
        self._given_up = {kind: threading.Event() for kind in ("evaluate", "trace", "compare")}
        start = saved.get("n_edges") or self.session.start_size()
        super().__init__(
            n_edges=start,
            size=size_of(start, trace.n_edges),
            choices=sessions.choices(),
            live=not trace.replayed,
            status=READY | {"message": NO_MODEL if trace.replayed else ""},
            **{name: saved[name] for name in RESTORED if name in saved},
            **kwargs,
        )
        self.set_trait("view_state", saved["view_state"] if trace.replayed and saved else self.session.view_state())
        self.observe(lambda _: self._evaluate(), names=["n_edges", "toggles"])
        self.on_msg(self._on_message)
        if file is None:
            self._evaluate()
        else:
            self.load(file)

    @property
    def trace(self) -> STrace:
        """The trace that is shown."""
        return self.session.trace

    def save(self, path: str | Path) -> Path:
        """Write the session, its history included, to a file; return its path.

        Parameters
        ----------
        path : str or Path
        """
        sessions.write_file(Path(path), self.session, self.n_edges, self.toggles, self.history)
        return Path(path)

    def load(self, path: str | Path) -> None:
        """Go on with a session that was saved; nothing changes when the file cannot be read.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        SessionFileError
            When it is no session file, or of another version or model.
        """
        state = sessions.read_file(Path(path), self.trace.model.name)
        session = self.session.with_settings(state["settings"], self._progress)
        self._show(session, state["n_edges"], state["toggles"], state["history"])

    def code(self) -> dict[str, str]:
        """Return two programs that reproduce the numbers on screen: with this package, and with nnsight alone."""
        return self.session.code(self.n_edges, self.toggles)

    def to_html(self, path: str | Path, *, toggles: KnownToggles = None) -> Path:
        """Write the Explorer as it stands as one page that needs no kernel and no network; return its path.

        See `strace_widgets.to_html`.

        Parameters
        ----------
        path : str or Path
        toggles : {None, "single"}
            As for `strace_widgets.to_html`.
        """
        from .html_page import to_html  # noqa: PLC0415 - only when asked

        return to_html(self, path, toggles=toggles)

    def save_trace(self, path: str | Path, *, precision: str = "float32") -> Path:
        """Write the trace with the session as it stands to one file that opens without a model; return its path.

        See `strace_widgets.STrace.save`.

        Parameters
        ----------
        path : str or Path
        precision : {"float32", "float16"}
            Of the weights, as for `STrace.save`.
        """
        from ..results.trace_file import save_trace  # noqa: PLC0415 - only when asked
        from .html_page import encoded, shown  # noqa: PLC0415

        return save_trace(self.trace, path, encoded(shown(self)), precision=precision)

    # The state on both sides.

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
            return normalise(proposal["value"], self.trace.graph.n_layers, self.trace.graph.n_heads)
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
            super().set_state(sync_data)
        except traitlets.TraitError as reason:
            self._tell("evaluate", reason)

    def _tell(self, kind: str, reason: Exception) -> None:
        """Say how a request ended that has no result."""
        state = "ready" if isinstance(reason, CancelledError) else "error"
        self.status = READY | {"state": state, "message": _sentence(reason), "kind": kind} | _detail(reason)

    def _in_place_of_older(self, kind: str) -> threading.Event:
        """Give up the request of a kind that is under way; return the event that gives up the next one."""
        self._given_up[kind].set()
        given_up = self._given_up[kind] = threading.Event()
        return given_up

    def _telling(self, given_up: threading.Event) -> AbstractContextManager[None]:
        """Tell where the jobs of a block are on their server; to give up is to stop waiting for them."""
        from ..remote.backend import listening  # noqa: PLC0415 - a saved trace is shown without torch

        job: dict[str, Any] = {}

        def hear(stage: Stage) -> None:
            if given_up.is_set():
                raise CancelledError(STOPPED)
            if stage.name == "error" or (stage.name, stage.description) == (job.get("stage"), job.get("description")):
                return  # an error is told by what it raises
            since = job["since"] if job.get("stage") == stage.name else time.time()
            job.update(stage=stage.name, description=stage.description, since=since)
            self._post(partial(self._show_job, dict(job)))

        return listening(hear)

    def _show_job(self, job: dict[str, Any]) -> None:
        if self.status["state"] == "running":
            self.status = self.status | {"job": job}

    # Evaluations: the newest state wins.

    def _evaluate(self) -> None:
        """Ask the worker for the present state; in a replay, look whether its result is known."""
        if not self.live:
            known = (found for found in self.evaluations if found["n_edges"] == self.n_edges)
            self.evaluation = next((found for found in known if found["toggles"] == self.toggles), self.evaluation)
            return
        self.status = READY | {"state": "running"}
        given_up = self._in_place_of_older("evaluate")
        worker.submit(self._work, given_up, self.session, self.n_edges, dict(self.toggles))

    def _is_newest(self, given_up: threading.Event) -> bool:
        return given_up is self._given_up["evaluate"]

    def _work(self, given_up: threading.Event, session: Session, n_edges: int, toggles: dict[str, str]) -> None:
        if not self._is_newest(given_up):
            return  # outdated while it waited: the newer request is behind it in the queue
        try:
            with self._telling(given_up):
                answer: Evaluation | Exception = session.evaluate(n_edges, toggles)
        except Exception as reason:  # noqa: BLE001 - whatever fails in a model belongs on screen
            answer = reason
        self._post(lambda: self._answer(given_up, answer))

    def _answer(self, given_up: threading.Event, answer: Evaluation | Exception) -> None:
        if not self._is_newest(given_up):
            return
        if isinstance(answer, Exception):
            self._tell("evaluate", answer)
            return
        with self.hold_sync():
            self.set_trait("evaluation", answer)
            self.status = READY

    # What is asked by a message.

    def _on_message(self, _: Any, content: dict[str, Any], __: list[bytes]) -> None:
        at_once: dict[str, Callable[[], Mapping[str, Any] | None]] = {
            "hello": dict,
            "evaluate": self._evaluate,
            "node": lambda: self.session.node(content["node"]),
            "code": lambda: self.code() | {"note": self.session.code_note()},
            "cancel": self._cancel,
        }
        in_stages = {"trace": self._retrace, "compare": self._compare}
        kind = content.get("kind")
        if kind in in_stages:
            self._run(content, in_stages[kind])
        elif kind in at_once:
            try:
                self._reply(content, **(at_once[kind]() or {}))
            except Exception as reason:  # noqa: BLE001 - the sentence belongs on screen
                self._reply(content, error=_sentence(reason))
        else:
            self._reply(content, error=f"There is no request {kind!r}.")

    def _cancel(self) -> None:
        for given_up in self._given_up.values():
            given_up.set()

    def _run(self, content: dict[str, Any], work: Callable[[dict[str, Any], Progress], Callable[[], None]]) -> None:
        """Run work on the worker; what it returns is done on the kernel's thread. A failure is shown and answered."""
        given_up = self._in_place_of_older(content["kind"])

        def go_on() -> None:
            if given_up.is_set():
                raise CancelledError(CANCELLED)

        def progress(message: str, done: float) -> None:
            go_on()
            self._progress(message, done)

        def task() -> None:
            try:
                go_on()
                with self._telling(given_up):
                    show = work(content, progress)
            except Exception as reason:  # noqa: BLE001 - the worker must live on
                self._post(partial(self._refuse, content, reason))
            else:
                self._post(partial(finish, show))

        def finish(show: Callable[[], None]) -> None:
            try:
                go_on()
                show()
            except Exception as reason:  # noqa: BLE001 - the sentence belongs on screen
                self._refuse(content, reason)
            else:
                self._reply(content)

        worker.submit(task)

    def _refuse(self, content: dict[str, Any], reason: Exception) -> None:
        self._tell(content["kind"], reason)
        cancelled = {"cancelled": True} if isinstance(reason, CancelledError) else {}
        self._reply(content, error=_sentence(reason), **_detail(reason), **cancelled)

    def _reply(self, content: dict[str, Any], error: str | None = None, **payload: Any) -> None:
        outcome = {"ok": True} if error is None else {"ok": False, "error": error}
        self.send({"id": content.get("id"), "kind": content.get("kind"), **outcome, **payload})

    def _progress(self, message: str, progress: float) -> None:
        self._post(lambda: self.set_trait("status", {"state": "running", "message": message, "progress": progress}))

    def _retrace(self, content: dict[str, Any], progress: Progress) -> Callable[[], None]:
        session = self.session.with_settings(Settings(**content["settings"]), progress)
        return lambda: self._show(session, content.get("n_edges"), content.get("toggles"), None)

    def _compare(self, content: dict[str, Any], progress: Progress) -> Callable[[], None]:
        session = self.session
        curves = session.compare(list(content["names"]), progress)

        def show() -> None:
            if session is self.session:
                self.curves = curves
            self.status = READY

        return show

    def _show(self, session: Session, n_edges: int | None, toggles: dict[str, str] | None, history: Any) -> None:
        """Replace the session; sizes and toggles that the new graph does not have are left behind."""
        anew = session is not self.session
        if n_edges is None or not 1 <= n_edges <= session.trace.n_edges:
            n_edges = session.start_size()
        toggles = normalise(toggles, session.trace.graph.n_layers, session.trace.graph.n_heads)
        view_state = session.view_state() if anew else self.view_state
        curves = sessions.curves_after(self.curves, self.session, session)
        with self.hold_sync():
            self.session = session
            if anew:
                self.set_trait("view_state", view_state)
                self.curves = curves
                self.set_trait("evaluation", None)
            self.set_trait("toggles", toggles)
            self.n_edges = n_edges
            self.size = size_of(n_edges, session.trace.n_edges)
            if history is not None:
                self.history = history
        self._evaluate()


def _sentence(reason: Exception) -> str:
    """Return what a person reads of an error: ours are sentences already."""
    ours = isinstance(reason, (StraceError, ValueError, traitlets.TraitError)) and "\n" not in str(reason)
    return str(reason) if ours else last_line(reason)


def _detail(reason: Exception) -> dict[str, str]:
    """Return what a server said, whole; nothing for what went wrong here."""
    return {"detail": reason.text} if isinstance(reason, RemoteError) else {}
