"""Nothing of a closed Explorer is left: neither the widget nor its trace, no link, no listener, no thread."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comm
import ipywidgets
import pytest
import traitlets
from conftest import PROMPT
from explorer_steps import VIEWS, busy_worker, settled, wait_for
from ipywidgets.widgets.widget import _instances

import strace_widgets as sw
from strace_widgets.errors import SessionFileError
from strace_widgets.explorer.worker import worker


def watched(trace: sw.STrace, *widgets: Any) -> dict[str, Any]:
    """Return weak references to widgets, to what they show, and to the classes that anywidget makes for each."""
    session = next(widget.session for widget in widgets if isinstance(widget, sw.Explorer))
    kept = {f"{type(widget).__name__} {index}": weakref.ref(widget) for index, widget in enumerate(widgets)}
    classes = {f"class of {name}": weakref.ref(type(kept[name]())) for name in kept}
    return kept | classes | {"session": weakref.ref(session), "trace": weakref.ref(trace)}


def left(kept: dict[str, Any]) -> list[str]:
    """Return what is still there once the worker has nothing to do."""
    worker.submit(int).result(20)
    gc.collect()
    return [name for name, reference in kept.items() if reference() is not None]


@pytest.fixture(scope="module", autouse=True)
def _quick_collections(tiny: Any) -> Iterator[None]:
    """What is there already is not looked through again and again."""
    del tiny
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def nothing_else() -> Iterator[None]:
    """Hold that the registries of widgets and comms, and the threads, are as before."""
    comms = comm.get_comm_manager().comms
    worker.submit(int).result(20)
    gc.collect()
    before = [*_instances.values(), *comms.values(), *threading.enumerate()]
    yield
    gc.collect()
    after = [*_instances.values(), *comms.values(), *threading.enumerate()]
    assert [each for each in after if each not in before] == []


pytestmark = pytest.mark.usefixtures("nothing_else")


def by_python(explorer: sw.Explorer) -> None:
    explorer.close()


def by_the_front_end(explorer: sw.Explorer) -> None:
    message = {"content": {"comm_id": explorer.model_id, "data": {}}}
    comm.get_comm_manager().comm_close(None, None, message)


def by_the_host(explorer: sw.Explorer) -> None:
    """As marimo does for each comm of a cell that runs again."""
    explorer.comm.close()


def with_all_others(explorer: sw.Explorer) -> None:
    assert explorer.model_id in _instances
    ipywidgets.Widget.close_all()


CLOSED = (by_python, by_the_front_end, by_the_host, with_all_others)


@pytest.mark.parametrize("close", CLOSED)
def test_an_explorer(close: Callable[[sw.Explorer], None], tiny: Any) -> None:
    def one() -> dict[str, Any]:
        trace = sw.trace(tiny, PROMPT)
        explorer = trace.explore()
        settled(explorer)
        explorer._repr_mimebundle_()
        explorer.observe(lambda _: explorer.top_tokens, "evaluation")
        explorer.n_edges = 40
        settled(explorer)
        close(explorer)
        assert explorer.comm is None
        return watched(trace, explorer)

    assert [left(kept) for kept in [one() for _ in range(4)]] == [[]] * 4


@pytest.mark.parametrize("close", CLOSED)
def test_while_an_evaluation_is_under_way(close: Callable[[sw.Explorer], None], tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT)
    explorer = trace.explore()
    first = settled(explorer)
    with busy_worker():
        explorer.n_edges = 60
        explorer._messages.hear({"id": "1", "kind": "compare", "names": ["l2"]})
        close(explorer)
    worker.submit(int).result(20)
    assert explorer.evaluation == first  # what nobody sees any more is not run
    assert explorer.curves == []
    kept = watched(trace, explorer)
    del explorer, trace
    assert left(kept) == []


def test_what_a_closed_explorer_shows_can_still_be_read(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    explorer = tiny_trace.explore()
    evaluation = settled(explorer)
    explorer.close()
    explorer.close()
    assert explorer.trace is tiny_trace
    assert explorer.evaluation == evaluation
    assert sw.load_trace(explorer.save(tmp_path / "x.strace")).n_edges == tiny_trace.n_edges


def test_an_explorer_closes_its_views(tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT)
    explorer = trace.explore()
    views = [view(explorer) for view in VIEWS]
    settled(explorer)
    kept = watched(trace, explorer, *views)
    explorer.close()
    assert [view.comm for view in views] == [None] * len(VIEWS)
    del explorer, views, trace
    assert left(kept) == []


@pytest.mark.parametrize("close", CLOSED[:3])
def test_a_view_leaves_its_explorer(close: Callable[[Any], None], tiny: Any) -> None:
    explorer = sw.trace(tiny, PROMPT).explore()
    view = sw.TopKView(explorer)
    settled(explorer)
    close(view)
    kept = {"view": weakref.ref(view)}
    del view
    assert left(kept) == []
    assert explorer.comm is not None
    explorer.n_edges = 50
    assert settled(explorer)["n_edges"] == 50
    explorer.close()


@pytest.mark.parametrize("close", CLOSED[:3])
def test_a_session_that_a_view_made_ends_with_its_last_view(close: Callable[[Any], None], tiny: Any) -> None:
    trace = sw.trace(tiny, PROMPT)
    first = sw.TopKView(trace)
    second = sw.LayerView(first)
    settled(first.explorer)
    kept = watched(trace, first.explorer, first, second)
    close(first)
    assert second.explorer.comm is not None
    close(second)
    assert second.explorer.comm is None
    del first, second, trace
    assert left(kept) == []


LINKS = {
    "both ways": traitlets.link,
    "from it": traitlets.dlink,
    "to it": lambda closed, other: traitlets.dlink(other, closed),
    "in the browser": ipywidgets.jslink,
    "in the browser, from it": ipywidgets.jsdlink,
    "in the browser, to it": lambda closed, other: ipywidgets.jsdlink(other, closed),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("view", [None, sw.SizeSlider])
def test_links_end_with_it(link: str, view: type | None, tiny: Any, tiny_trace: sw.STrace) -> None:
    """The other end lives on, and neither keeps the closed one nor moves it."""
    other = tiny_trace.explore()
    settled(other)
    trace = sw.trace(tiny, PROMPT)
    explorer = trace.explore()
    closed = view(explorer) if view else explorer
    made: Any = LINKS[link]((closed, "n_edges"), (other, "n_edges"))
    settled(explorer)
    explorer.close()
    before = closed.n_edges
    other.n_edges = 33
    assert closed.n_edges == before
    kept = watched(trace, explorer, closed)
    if isinstance(made, (traitlets.link, traitlets.directional_link)):
        made.unlink()  # a second end is none
    del made, explorer, closed, trace
    assert left(kept) == []
    settled(other)
    other.close()


def test_an_explorer_that_could_not_be_made(tiny: Any, tmp_path: Path) -> None:
    trace = sw.trace(tiny, PROMPT)
    session = trace.explore()
    settled(session)
    (tmp_path / "session.json").write_text("no session")
    sessions = [weakref.ref(session.session)]
    session.close()
    del session
    with pytest.raises(SessionFileError):
        sw.Explorer(trace, tmp_path / "session.json")
    kept = {"trace": weakref.ref(trace), "session": sessions[0]}
    del trace
    assert left(kept) == []


def test_a_trace_asked_for_in_the_widget(tiny: Any) -> None:
    """The session that a message made, and those that can be returned to."""

    def one() -> dict[str, Any]:
        trace = sw.trace(tiny, PROMPT)
        explorer = trace.explore()
        settled(explorer)
        settings = {key: explorer.view_state[key] for key in ("prompt", "masks", "position")} | {"importance": "l2"}
        explorer._messages.hear({"id": "1", "kind": "trace", "settings": settings})
        wait_for(explorer, lambda: explorer.trace is not trace)
        settled(explorer)
        explorer.close()
        return watched(trace, explorer) | {"second trace": weakref.ref(explorer.trace)}

    assert left(one()) == []


def test_the_watcher_of_development_is_used_in_development_only() -> None:
    """anywidget's hot reload goes on: it needs a path, and watchfiles, which the checks do without."""
    program = "import strace_widgets as sw; print(type(sw.Explorer._esm).__name__, len(str(sw.Explorer._css)))"
    printed = {}
    for reload in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env=os.environ | {"ANYWIDGET_HMR": reload},
            capture_output=True,
            text=True,
            check=True,
        )
        printed[reload] = done.stdout.split()
    assert [kind for kind, _ in printed.values()] == ["str", "FileContents"]
    assert len({length for _, length in printed.values()}) == 1
