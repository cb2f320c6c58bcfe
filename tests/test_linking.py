"""Linking with other widgets, on the real classes: ipywidgets and traitlets links, `interact`."""

from __future__ import annotations

from collections.abc import Iterator

import ipywidgets
import pytest
import traitlets
from explorer_steps import wait_for

import strace_widgets as sw


@pytest.fixture
def explorer(tiny_trace: sw.STrace) -> Iterator[sw.Explorer]:
    explorer = tiny_trace.explore()
    yield explorer
    explorer.close()


@pytest.mark.parametrize("view", [None, sw.SizeSlider, sw.LayerView])
def test_an_int_slider_is_linked_with_the_edges_both_ways(explorer: sw.Explorer, view: type | None) -> None:
    slider = ipywidgets.IntSlider(min=1, max=explorer.trace.n_edges)
    traitlets.link((view(explorer) if view else explorer, "n_edges"), (slider, "value"))
    assert slider.value == explorer.n_edges
    slider.value = 100
    assert explorer.n_edges == 100
    explorer.size = 1.0
    assert slider.value == explorer.trace.n_edges


def test_a_float_slider_leads_the_size_and_is_not_led(explorer: sw.Explorer) -> None:
    slider = ipywidgets.FloatSlider(min=0.01, max=1, value=0.5, step=0.01)
    ipywidgets.dlink((slider, "value"), (explorer, "size"))
    assert explorer.n_edges == int(0.5 * explorer.trace.n_edges)
    explorer.n_edges = 3
    assert slider.value == 0.5


def test_two_explorers_are_linked(explorer: sw.Explorer, tiny_trace: sw.STrace) -> None:
    other = sw.TopKView(tiny_trace)
    link = traitlets.link((explorer, "toggles"), (other, "toggles"))
    other.toggles = {"1.2": "off"}
    assert explorer.toggles == other.explorer.toggles == {"1.2": "off"}
    link.unlink()
    other.toggles = {}
    assert explorer.toggles == {"1.2": "off"}
    other.explorer.close()


@pytest.mark.parametrize("name", ["n_edges", "size"])
def test_links_in_the_browser_name_traits_that_it_knows(explorer: sw.Explorer, name: str) -> None:
    """`jslink` refuses what is not synchronised; the browser then needs no kernel to follow."""
    slider = ipywidgets.FloatSlider() if name == "size" else ipywidgets.IntSlider()
    for make in (ipywidgets.jslink, ipywidgets.jsdlink):
        link = make((explorer, name), (slider, "value"))
        assert link.get_state()["source"] == [f"IPY_MODEL_{explorer.model_id}", name]
    with pytest.raises(TypeError, match="session"):
        ipywidgets.jslink((explorer, "session"), (slider, "value"))


def test_a_label_follows_the_result(explorer: sw.Explorer) -> None:
    label = ipywidgets.FloatText()
    ipywidgets.dlink((explorer, "total_variation"), (label, "value"), lambda distance: distance or 0.0)
    explorer.n_edges = 60
    truth = explorer.trace.evaluate([explorer.size]).total_variation[0]
    wait_for(explorer, lambda: label.value == pytest.approx(truth, abs=1e-6))


def test_interact_moves_the_explorer(explorer: sw.Explorer) -> None:
    """The usual way to drive a widget by a few controls."""

    def show(size: float, *, without_layer_1: bool) -> None:
        explorer.size = size
        explorer.toggles = {"1": "off"} if without_layer_1 else {}

    controls = ipywidgets.interactive(show, size=(0.1, 1.0, 0.1), without_layer_1=False)
    size, layer = controls.children[:2]
    size.value = 0.9
    layer.value = True
    assert explorer.n_edges == int(0.9 * explorer.trace.n_edges)
    assert set(explorer.toggles) == {"1.0", "1.1", "1.2", "1.3", "1.mlp"}
    truth = explorer.trace.evaluate([0.9], explorer.toggles).total_variation[0]
    wait_for(explorer, lambda: explorer.total_variation == pytest.approx(truth, abs=1e-6))


def test_a_value_out_of_range_is_refused_in_words_and_moves_nothing(explorer: sw.Explorer) -> None:
    slider = ipywidgets.IntSlider(min=0, max=10_000, value=explorer.n_edges)
    traitlets.link((slider, "value"), (explorer, "n_edges"))
    before = explorer.n_edges
    with pytest.raises(traitlets.TraitError, match="1 to 231 edges"):
        slider.value = 5_000
    assert explorer.n_edges == before
