"""The Explorer's views one by one, for a layout of one's own.

Each shows a part of one Explorer's session, which need not be displayed itself. They hold no data of their own: the
view state stays with the Explorer, and all of them are in step with it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import anywidget
import traitlets

from ..results.strace import STrace
from .still import Still
from .widget import Explorer

SHARED, TOLD = ("n_edges", "size", "toggles"), ("top_tokens", "total_variation")
"""The traits of the session that a view can change, and those that it only says."""

KEPT = {"explorer", "view", *TOLD}
"""What a browser says of these is passed over."""

# The views' own module is a few lines: it asks the Explorer's, which holds the view state, to draw into this cell.
_MOUNT = """
async function render({ model, el, host, signal }) {
  const reference = model.get("explorer");
  if (!reference) {
    el.textContent = "The Explorer of this view was closed.";
    return;
  }
  const explorer = await host.getWidget(reference, { signal });
  return explorer.exports.mount(model.get("view"), el);
}
export default { render };
"""


class View(Still):
    """A part of an Explorer.

    Parameters
    ----------
    session : Explorer, View or STrace
        Whose session to share; a trace gets a session of its own, which ends with its last view.

    Attributes
    ----------
    size, n_edges, toggles, top_tokens, total_variation
        Those of the session, in step with it: see `strace_widgets.explorer.widget.Explorer`. They can be observed, and
        linked with ``ipywidgets.jslink`` or ``traitlets.link``.
    """

    VIEW: ClassVar[str]

    _esm = _MOUNT
    explorer = anywidget.WidgetTrait().tag(sync=True)
    view = traitlets.Unicode().tag(sync=True)
    size = traitlets.Float(1.0).tag(sync=True)
    n_edges = traitlets.Int(1).tag(sync=True)
    toggles: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    top_tokens: traitlets.List[Any] = traitlets.List().tag(sync=True)
    total_variation = traitlets.Float(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, session: Explorer | View | STrace, **kwargs: Any) -> None:
        if isinstance(session, STrace):
            session = Explorer(session)
            session.closes_with_views = True
        explorer = session.explorer if isinstance(session, View) else session
        if not isinstance(explorer, Explorer):
            raise TypeError(
                f"A view shares the session of an Explorer, a view or a trace; {type(session).__name__} has none."
            )
        # A view is as wide as it is given: in a row of boxes it has to ask for its share.
        kwargs.setdefault("layout", {"flex": "1 1 0%", "min_width": "0"})
        super().__init__(explorer=explorer, view=self.VIEW, **kwargs)
        for name in SHARED:
            traitlets.link((explorer, name), (self, name))
        for name in TOLD:
            traitlets.dlink((explorer, name), (self, name))
        explorer.views.add(self)

    def _shown(self) -> tuple[str, Explorer]:
        return self.VIEW, self.explorer

    @traitlets.validate(*SHARED)
    def _validate_shared(self, proposal: Any) -> Any:
        """Refuse what the session would, before the view is out of step with it."""
        return getattr(self.explorer, f"_validate_{proposal['trait'].name}")(proposal)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Hand what a link in the browser says of the session on to it, which tells the view what it made of that."""
        shared = {name: value for name, value in sync_data.items() if name in SHARED}
        super().set_state({name: value for name, value in sync_data.items() if name not in {*SHARED, *KEPT}})
        if shared:
            self.explorer.set_state(shared)

    def close(self) -> None:
        """Let go of the session and close the view."""
        if self.comm is None:
            return
        super().close()
        self.explorer.views.discard(self)
        if self.explorer.closes_with_views and not self.explorer.views:
            self.explorer.close()


class SizeSlider(View):
    """The size, on the reconstruction curve."""

    VIEW = "SizeSlider"


class CurveView(View):
    """Error against size with all curves that were computed."""

    VIEW = "CurveView"


class FormingView(View):
    """The prediction forming: the probabilities of the leading tokens stacked over size."""

    VIEW = "FormingView"


class TopKView(View):
    """The next token: the subgraph's probabilities beside the full model's."""

    VIEW = "TopKView"


class GraphView(View):
    """The trace, drawn: tokens by layers, its edges as they enter."""

    VIEW = "GraphView"


class LayerView(View):
    """The heads and MLPs of every layer, and their toggles."""

    VIEW = "LayerView"


class TokenView(View):
    """The prompt, each token's share of the trace, and tokens by layers."""

    VIEW = "TokenView"
