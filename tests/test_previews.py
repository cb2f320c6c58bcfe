"""What a notebook shows where no widget runs: Markdown, GitHub, pages without the widgets' state, a terminal."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import nbclient
import nbformat
import pytest
from explorer_steps import VIEWS, settled
from IPython.core.formatters import DisplayFormatter
from nbconvert import HTMLExporter, MarkdownExporter, SlidesExporter

import strace_widgets as sw
from strace_widgets.explorer import still

pytestmark = pytest.mark.host

WIDGET = "application/vnd.jupyter.widget-view+json"
CELLS = (
    "import strace_widgets as sw\nfrom strace_widgets import charts\nmodel = sw.load_model()",
    'trace = sw.trace(model, "The capital of France is")\ntrace',
    "trace.sweep()",
    "explorer = trace.explore()\nexplorer",
    *(f"sw.{view.__name__}(explorer)" for view in VIEWS),
    'sw.compare(trace, sw.trace(model, "The capital of Italy is")).chart(0.3)',
    "model",
)


@pytest.fixture(scope="module")
def notebook() -> Any:
    """Everything that a person looks at, run in a real kernel, with the widgets' state."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", store_widget_state=True).execute()
    for cell in notebook.cells:
        cell.outputs = [output for output in cell.outputs if output.output_type == "execute_result"]  # no progress bars
    return notebook


@pytest.fixture
def explorer(settled_explorer: sw.Explorer) -> sw.Explorer:
    return settled_explorer


@pytest.fixture
def without_state(notebook: Any) -> Any:
    """As most notebooks are saved."""
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    del copy.metadata["widgets"]
    return copy


def shown(notebook: Any) -> list[dict[str, Any]]:
    return [output.data for cell in notebook.cells for output in cell.outputs]


def test_nothing_is_shown_as_an_object_somewhere_in_memory(notebook: Any) -> None:
    results = shown(notebook)
    assert len(results) == len(CELLS) - 1
    for data in results:
        assert not re.search(r"object at 0x|<Altair", data["text/plain"])
        assert len(data["text/plain"].split()) > 5, data["text/plain"]


def test_widgets_bring_a_picture_and_it_is_one(notebook: Any) -> None:
    widgets = [data for data in shown(notebook) if WIDGET in data]
    assert len(widgets) == 1 + len(VIEWS)
    for data in widgets:
        assert set(data) == {WIDGET, "image/png", "text/plain"}
        assert data["text/plain"].startswith("s-Trace ")
        assert "next token ' Paris' at 0.1" in data["text/plain"]
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
        assert len(data["image/png"]) < 100_000


def test_markdown_shows_pictures_and_tables(notebook: Any) -> None:
    body, resources = MarkdownExporter().from_notebook_node(notebook)
    assert len(re.findall(r"^!\[png\]\(output_\d+_\d+\.png\)", body, re.MULTILINE)) == 1 + len(VIEWS)
    assert len(re.findall(r"^!\[svg\]", body, re.MULTILINE)) == 1  # the chart
    assert body.count("<table>") == 2
    assert "object at 0x" not in body
    assert WIDGET not in body
    assert len(resources["outputs"]) == 2 + len(VIEWS)


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter])
def test_a_page_shows_either_the_widget_or_its_picture(notebook: Any, without_state: Any, exporter: type) -> None:
    alive, _ = exporter().from_notebook_node(notebook)
    assert alive.count(f'<script type="{WIDGET}">') == 1 + len(VIEWS)
    assert 'src="data:image/png' not in alive
    still_page, _ = exporter().from_notebook_node(without_state)
    assert f'<script type="{WIDGET}">' not in still_page
    assert still_page.count('src="data:image/png') == 1 + len(VIEWS)
    for page in (alive, still_page):
        assert "object at 0x" not in page


# The sentence and the picture themselves.


def test_the_sentence_says_what_was_computed_and_nothing_else(explorer: sw.Explorer) -> None:
    evaluation = settled(explorer)
    named = f"on {explorer.trace.model.name}: {explorer.n_edges} of {explorer.trace.n_edges} edges"
    assert repr(explorer).startswith(f"s-Trace Explorer of {explorer.trace.prompt!r} {named}")
    assert f"total variation {evaluation['total_variation']:.3f}" in repr(explorer)
    best = evaluation["top"][0]
    assert f"next token {best['token']!r} at {best['probability']:.2f}" in repr(explorer)
    full = explorer.trace.top[0]
    assert f"the full model's {full.token!r} at {full.probability:.2f}" in repr(explorer)
    view = sw.TopKView(explorer)
    assert repr(view) == repr(explorer).replace("Explorer", "TopKView", 1)

    explorer.set_trait("evaluation", None)
    assert f"total variation {evaluation['total_variation']:.3f}" in repr(explorer)  # it is one of the levels
    with explorer.hold_trait_notifications():
        explorer.set_trait("toggles", {"1.0": "off"})
        assert "with 1.0 off" in repr(explorer)
        assert "total variation" not in repr(explorer)  # nobody has run that
    evaluation = settled(explorer)
    assert f"with 1.0 off, total variation {evaluation['total_variation']:.3f}" in repr(explorer)


def test_what_is_closed_says_so_in_words_too(explorer: sw.Explorer) -> None:
    view = sw.CurveView(explorer)
    explorer.close()
    for closed in (explorer, view):
        shown, _ = DisplayFormatter().format(closed)
        assert list(shown) == ["text/plain"]
        assert "of 231 edges" in shown["text/plain"]


@pytest.mark.parametrize("prompt", ["<b>&\x00\x1b[31m\n\"'", "日本の首都は 🙂", "long " * 500])
def test_any_text_makes_a_picture(explorer: sw.Explorer, prompt: str) -> None:
    """Text is data: it neither breaks the picture nor becomes a part of it."""
    evaluation = settled(explorer)
    evaluation["top"] = [{**row, "token": prompt} for row in evaluation["top"]]
    explorer.set_trait("evaluation", evaluation)
    explorer.set_trait("view_state", explorer.view_state | {"prompt": prompt})
    height, svg = still.picture(explorer)
    parts = Counter(element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter())  # noqa: S314
    assert set(parts) == {"svg", "rect", "text", "path", "polyline", "circle"}
    assert parts["rect"] == 1 + 2 * still.SHOWN
    data, metadata = explorer._repr_mimebundle_()
    assert len(data["text/plain"]) < 600
    png = base64.b64decode(data["image/png"])
    assert struct.unpack(">II", png[16:24]) == (still.WIDTH * 2, height * 2)
    assert metadata["image/png"] == {"width": still.WIDTH, "height": height, "alt": repr(explorer)}


def test_the_picture_follows_the_size(explorer: sw.Explorer) -> None:
    settled(explorer)
    before = still.picture(explorer)
    explorer.n_edges = explorer.trace.n_edges
    settled(explorer)
    assert still.picture(explorer) != before
    assert "TV 0.000" in still.picture(explorer)[1]


def test_a_loaded_trace_shows_the_same_picture(explorer: sw.Explorer, tmp_path: Path) -> None:
    settled(explorer)
    loaded = sw.load_trace(explorer.save(tmp_path / "saved.strace")).explore()
    assert still.picture(loaded) == still.picture(explorer)
    assert repr(loaded) == repr(explorer)
