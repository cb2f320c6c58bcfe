"""No attribute of a class of ours stands in the place of one of a foreign base class, unless that is meant.

Such an attribute breaks what the base class does with its own, far from here: an `Explorer._compare` once made
`ipywidgets.embed` fail.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import anywidget
import pytest
from explorer_steps import VIEWS
from IPython.core.magic import Magics
from ipywidgets.embed import dependency_state, embed_minimal_html

import strace_widgets as sw

MEANT = {
    "Explorer": {"_css", "_esm", "_get_embed_state", "close", "set_state"},
    "ClosingWidget": {"close"},
    "BroughtWhenRun": {"device"},  # nnsight asks it where inputs go; weights that are brought are nowhere till then
    "StudyExplorer": {"_css", "_esm", "close", "set_state"},
    "Still": {"_repr_mimebundle_", "get_state"},
    "View": {"_esm", "close", "set_state"},
    "StraceMagics": {"magics", "registered"},  # the decorator of magics sets both
    "_Kept": {"load_overload", "save_overload"},
    "JobBackend": {"api_key", "job_id", "send"},  # no key of nnsight's own; the rest as a job is sent here
}
"""What is overridden on purpose, by class; Python's own __methods__ are there to be overridden."""

ON_SELF = re.compile(r"\bself\.(\w+)(?:: [^=\n]+)? = ")


def classes() -> Iterator[type]:
    """Every class that a module of the package defines."""
    for module in pkgutil.walk_packages(sw.__path__, "strace_widgets."):
        if not module.name.endswith("__main__"):
            loaded = importlib.import_module(module.name)
            yield from (each for each in vars(loaded).values() if is_from(each, loaded.__name__))


def is_from(each: object, module: str) -> bool:
    return inspect.isclass(each) and each.__module__ == module


@pytest.fixture
def explorer(settled_explorer: sw.Explorer) -> sw.Explorer:
    return settled_explorer


@cache
def attributes(cls: type) -> frozenset[str]:
    """What a class defines, and what it puts on its instances."""
    try:
        on_instances = set(ON_SELF.findall(inspect.getsource(cls)))
    except (OSError, TypeError):  # written in C
        on_instances = set()
    return frozenset(vars(cls)) | on_instances


def shadowed(cls: type) -> set[str]:
    """The attributes of a class that stand in the place of those of its foreign base classes."""
    own_or_plain = ("strace_widgets", "builtins.object", "typing")
    foreign = [base for base in cls.__mro__[1:] if not f"{base.__module__}.{base.__name__}".startswith(own_or_plain)]
    taken = set[str]().union(*map(attributes, foreign))
    for base in foreign:  # what a metaclass puts into every subclass, whoever writes it
        taken -= set(vars(type(base)("Empty", (base,), {})))
    return {name for name in attributes(cls) & taken if not name.startswith("__")}


def test_no_attribute_of_ours_shadows_a_base_class_s() -> None:
    found = {cls.__qualname__: shadowed(cls) - MEANT.get(cls.__qualname__, set()) for cls in classes()}
    assert {name: unmeant for name, unmeant in found.items() if unmeant} == {}


def test_every_class_that_jupyter_drives_is_looked_at() -> None:
    driven = {cls.__name__ for cls in classes() if issubclass(cls, (anywidget.AnyWidget, Magics))}
    views = {view.__name__ for view in VIEWS}
    assert driven == {"ClosingWidget", "Still", "Explorer", "StudyExplorer", "View", "StraceMagics", *views}


@pytest.mark.parametrize("name", ["_compare", "comm", "layout", "_property_lock", "close", "notify_change"])
def test_a_shadowing_attribute_is_found(name: str) -> None:
    """Of the class, of an instance, a trait, or a method: of whichever base."""
    assert shadowed(type("Shadowing", (anywidget.AnyWidget,), {name: None})) == {name}


@pytest.mark.parametrize("view", [None, *VIEWS])
def test_what_ipywidgets_does_with_a_widget_works_on_ours(
    explorer: sw.Explorer, tmp_path: Path, view: type | None
) -> None:
    """It compares, serializes and embeds all that there are, also those that are closed."""
    shown = view(explorer) if view else explorer
    state = dependency_state([shown], drop_defaults=True)
    assert {shown.model_id, explorer.model_id} <= set(state)
    assert state[shown.model_id]["state"]["_esm"]
    assert (
        state[shown.model_id]["state"]["_view_name"] == "AnyView"
    )  # no default is dropped: anywidget has none in the page
    embed_minimal_html(tmp_path / "page.html", views=[shown], drop_defaults=True)
    assert explorer.model_id in (tmp_path / "page.html").read_text()


def test_what_is_left_after_an_explorer_is_closed_can_be_embedded(explorer: sw.Explorer, tiny_trace: sw.STrace) -> None:
    """Its views close with it: none of them leads to what is not there."""
    view, other = sw.TopKView(explorer), sw.CurveView(tiny_trace)
    explorer.close()
    assert view.comm is None
    state = dependency_state([other], drop_defaults=True)
    assert state[other.model_id]["state"]["explorer"] == f"anywidget:{other.explorer.model_id}"
    other.close()
