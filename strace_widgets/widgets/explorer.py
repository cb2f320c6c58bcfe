"""The Explorer: drag s, watch the reconstructed head, switch components, all on one trace.

The traits are described in ``docs/explorer-state.md``. A request is a state: the front end writes ``n_edges`` and
``toggles``; the newest of them is evaluated on the worker thread, so that the kernel stays free for messages and
interrupts.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..edges import edges_kept, size_of
from ..errors import ToggleError
from ..session import Session, bundle
from ..toggles import normalise

if TYPE_CHECKING:
    from ..trace import STrace

STATIC = Path(__file__).parent / "static"

# nnsight keeps a trace on one thread, so all widgets share one worker.
_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="strace-evaluate")


class Explorer(anywidget.AnyWidget):
    """The widget on one trace.

    Parameters
    ----------
    trace : STrace

    Attributes
    ----------
    size : float
        The relative size s in (0, 1]; follows the slider, and moves it.
    n_edges : int
        The same as a number of edges, 1..E.
    toggles : dict
        ``{"21.4": "off", "18.mlp": "on"}``: components forced off or on.
    evaluation : dict or None
        The last exact result, with the request that it answers.
    status : dict
        ``{"state": "ready" | "running" | "error", "message": str}``.
    """

    _esm = STATIC / "explorer.js"
    _css = STATIC / "explorer.css"

    bundle = traitlets.Dict(read_only=True).tag(sync=True)
    n_edges = traitlets.Int(1).tag(sync=True)
    size = traitlets.Float(1.0).tag(sync=True)
    toggles = traitlets.Dict(key_trait=traitlets.Unicode(), value_trait=traitlets.Unicode()).tag(sync=True)
    evaluation = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    status = traitlets.Dict(default_value={"state": "ready", "message": ""}).tag(sync=True)
    live = traitlets.Bool(default_value=True).tag(sync=True)

    def __init__(self, trace: STrace, **kwargs: Any) -> None:
        self.session = Session(trace)
        self._loop = _running_loop()
        start = self.session.start_size()
        super().__init__(n_edges=start, size=size_of(start, trace.n_edges), **kwargs)
        self.set_trait("bundle", bundle(trace))
        self.observe(lambda _: self._evaluate(), names=["n_edges", "toggles"])
        self.on_msg(self._on_message)
        self._evaluate()

    @property
    def trace(self) -> STrace:
        """The trace that is shown."""
        return self.session.trace

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
        ranks = self.trace.ranks
        try:
            return normalise(proposal["value"], ranks.n_layers, ranks.n_heads)
        except ToggleError as reason:
            raise traitlets.TraitError(str(reason)) from None

    @traitlets.observe("size")
    def _follow_size(self, change: Any) -> None:
        self.n_edges = max(1, edges_kept(change["new"], self.trace.n_edges))

    @traitlets.observe("n_edges")
    def _follow_n_edges(self, change: Any) -> None:
        if edges_kept(self.size, self.trace.n_edges) != change["new"]:
            self.size = size_of(change["new"], self.trace.n_edges)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take the front end's state; what is not valid is said in the widget, not only in the kernel's log."""
        try:
            super().set_state(sync_data)
        except traitlets.TraitError as reason:
            self.status = {"state": "error", "message": str(reason)}

    def _on_message(self, _: Any, content: dict[str, Any], __: list[bytes]) -> None:
        if content.get("kind") == "evaluate":
            self._evaluate()

    def _wanted(self) -> tuple[int, dict[str, str]]:
        return self.n_edges, dict(self.toggles)

    def _evaluate(self) -> None:
        """Ask the worker for the present state."""
        self.status = {"state": "running", "message": ""}
        _worker.submit(self._work, self._wanted())

    def _work(self, request: tuple[int, dict[str, str]]) -> None:
        if request != self._wanted():
            return  # outdated while it waited: the newer request is behind it in the queue
        try:
            answer: dict[str, Any] | Exception = self.session.evaluate(*request)
        except Exception as reason:  # noqa: BLE001 - whatever fails in a model belongs on screen
            answer = reason
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._answer, request, answer)
        else:
            self._answer(request, answer)

    def _answer(self, request: tuple[int, dict[str, str]], answer: dict[str, Any] | Exception) -> None:
        if request != self._wanted():
            return
        if isinstance(answer, Exception):
            self.status = {"state": "error", "message": f"The evaluation failed: {_last_line(answer)}"}
            return
        with self.hold_sync():
            self.evaluation = answer
            self.status = {"state": "ready", "message": ""}


def _last_line(error: Exception) -> str:
    """Return the line of an error that says most: nnsight and torch put the cause last."""
    lines = str(error).strip().splitlines()
    return f"{lines[-1]} ({type(error).__name__})" if lines else type(error).__name__


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the kernel's event loop, on which traits are safely set from the worker; None in a plain script."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
