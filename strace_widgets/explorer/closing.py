"""What it takes that nothing of a closed widget is left.

ipywidgets forgets a widget only where Python closes it. Here it is closed with its comm as well, whoever closes that,
and the links that lead to it end with it: each would keep it, and go on moving what nobody sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets
from ipywidgets.widgets.widget import _instances
from ipywidgets.widgets.widget_link import Link

if TYPE_CHECKING:
    from collections.abc import Iterator


class ClosingWidget(anywidget.AnyWidget):
    """A widget of which nothing is left once it is closed and nobody holds it.

    Closed it is by `close`, by the front end, by a host (marimo closes the comms of a cell that runs again), and by an
    error while it is made.
    """

    _made_layout: ipywidgets.Layout | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(kwargs.get("layout"), ipywidgets.Layout):
            self._made_layout = self.layout

    def close(self) -> None:
        """Close the widget here and in the browser, and end the links that lead to it. What it has can still be read.

        A second time does nothing.
        """
        comm = self.comm
        if comm is None:
            return
        end_links(self)
        comm.__dict__.pop("close", None)
        super().close()
        comm.on_msg(None)  # a host may keep the comm
        comm.on_close(None)
        layout, self._made_layout = self._made_layout, None
        if layout and all(getattr(other, "layout", None) is not layout for other in _instances.values()):
            layout.close()  # a widget with a comm of its own

    @traitlets.observe("comm")
    def _close_with_comm(self, change: Any) -> None:
        comm = change["new"]
        if comm is None:
            return

        def close(*args: Any, **options: Any) -> None:
            comm.__dict__.pop("close", None)  # back to the comm's own
            comm.close(*args, **options)
            self.close()

        comm.close = close
        comm.on_close(lambda _: self.close())


def end_links(widget: Any) -> None:
    """End every link from or to a widget: those through Python, and those in the browser."""
    for other in (widget, *list(_instances.values())):
        if isinstance(other, Link):
            if widget in (other.source[0], other.target[0]):
                other.close()
            continue
        for link in list(_links_of(other)):
            if widget in (link.source[0], link.target[0]):
                link.unlink()
                link.unlink = _nothing  # traitlets fails where a link is ended a second time


def _links_of(widget: Any) -> Iterator[Any]:
    """Yield the traitlets links that a widget's changes are told to."""
    for by_type in widget._trait_notifiers.values():  # noqa: SLF001 - traitlets has no list of them
        for callback in by_type.get("change", []):
            link = getattr(callback, "__self__", None)
            if isinstance(link, (traitlets.link, traitlets.directional_link)):
                yield link


def _nothing() -> None:
    """Do nothing."""
