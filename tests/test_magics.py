"""%strace in a real IPython, and what a trace and a sweep look like as the last line of a cell."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import tiny_models
from IPython.core.interactiveshell import InteractiveShell

import strace_widgets as sw
from strace_widgets.model import loading


@pytest.fixture
def shell(tiny: Any) -> Any:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "strace_widgets")
    shell.user_ns["tiny"] = tiny
    return shell


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What load_model was asked for; it gives a tiny model, since the real one takes long."""
    asked: list[Any] = []

    def load(name: Any) -> Any:
        asked.append(name)
        return tiny_model

    tiny_model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
    monkeypatch.setattr(loading, "load_model", load)
    return asked


def test_the_rest_of_the_line_is_traced_and_kept(shell: Any) -> None:
    trace = shell.run_cell("%strace --model tiny --importance l2 w5 w17 don't --size").result
    assert (trace.prompt, trace.importance) == ("w5 w17 don't --size", "l2")
    assert shell.user_ns["_strace"] is trace
    assert shell.run_cell("%strace w1 w2").result.tokens == ["w1", "w2"]  # the model is the same as before


def test_a_cell_is_a_prompt_and_a_size_gives_its_result(shell: Any) -> None:
    result = shell.run_cell("%%strace --model=tiny --size 0.5\nw5 w17\nw3\n").result
    trace = shell.user_ns["_strace"]
    assert trace.prompt == "w5 w17\nw3"
    np.testing.assert_array_equal(result.total_variation, trace.evaluate([0.5]).total_variation)


def test_a_message_is_written_by_the_chat_template(shell: Any) -> None:
    tokenizer = tiny_models.words()
    tokenizer.chat_template = "{% for m in messages %}w1 {{ m.content }} {% endfor %}w2"
    shell.user_ns["chat"] = sw.load_model(tiny_models.tiny(), tokenizer=tokenizer)
    trace = shell.run_cell("%strace --model chat --chat w5 w17").result
    assert (trace.tokens, trace.origin.given) == (["w1", "w5", "w17", "w2"], "messages")
    assert shell.run_cell("%%strace --chat --importance=l2\nw5 --chat").result.prompt == "w1 w5 --chat w2"


def test_a_model_is_loaded_once(shell: Any, loaded: list[Any]) -> None:
    assert shell.run_cell("%strace --model a/name").result is None
    for _ in range(2):
        assert shell.run_cell("%strace w1 w2").success
    assert shell.run_cell("%strace --model other w1 w2").success
    assert loaded == ["a/name", "other"]


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("%strace", "needs a prompt"),
        ("%%strace --model tiny\n\n", "needs a prompt"),
        ("%strace --colour red w1", "no option --colour: choose among"),
        ("%strace --model tiny --size 2 w1 w2", "a size s with 0 < s <= 1"),
        ("%strace --model tiny --importance loud w1 w2", "loud"),
        ("%strace --model /no/such/folder w1 w2", "No model could be loaded"),
        ("%strace --model /no/such/folder", "No model could be loaded"),
    ],
)
def test_an_error_is_one_sentence(shell: Any, capsys: pytest.CaptureFixture[str], cell: str, sentence: str) -> None:
    result = shell.run_cell(cell)
    assert not result.success
    said = "".join(capsys.readouterr())
    assert sentence in said
    assert "Traceback" not in said


class Cells(HTMLParser):
    """The text of each cell, and every tag that there is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_tables_show_the_figures_and_token_text_as_text() -> None:
    tokenizer = tiny_models.words("<img src=x onerror=alert({})>")
    trace = sw.trace(sw.load_model(tiny_models.tiny(), tokenizer=tokenizer), [5, 17, 3])
    sweep = trace.sweep()
    for html in (trace._repr_html_(), sweep._repr_html_()):
        cells = Cells(html)
        assert cells.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert any(text.startswith("<img src=x onerror=alert(") for text in cells.texts)
    assert f"{len(sweep)} sizes, 12 of them shown" in sweep._repr_html_()
    assert f"{sweep.total_variation[0]:.3f}" in Cells(sweep._repr_html_()).texts
    assert f"{trace.n_edges:,} edges by l1" in trace._repr_html_()
    assert repr(sweep).startswith("Sweep of")
