"""Files of version 1, written by the package as it then was, show what they showed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from live_page import new_page
from playwright.sync_api import Browser, expect
from tiny_models import tiny, words

import strace_widgets as sw
from strace_widgets.explorer import session_file
from strace_widgets.explorer.contract import VERSION

V1 = Path(__file__).parent / "v1"
NAME = "LlamaForCausalLM"


def test_a_trace_shows_what_it_showed() -> None:
    explorer = sw.load_trace(V1 / "trace.strace").explore()
    assert explorer.view_state["version"] == VERSION
    assert (explorer.n_edges, explorer.toggles) == (16, {"1.2": "off", "0.mlp": "on"})
    evaluation = explorer.evaluation
    assert (evaluation["edges_kept"], evaluation["nucleus"], evaluation["top1"]) == (20, 0.1, True)
    assert evaluation["total_variation"] == 0.3682327642181196
    assert evaluation["top"][0]["token"] == explorer.top_tokens[0]["token"] == "w34"
    tried = explorer.history["tried"][0]
    assert (tried["name"], tried["top"][0]["token"]) == ("head 2 of layer 1 off", "w34")
    assert [curve["name"] for curve in explorer.curves] == ["l2", "inverse"]
    explorer.close()


@pytest.mark.browser
def test_its_figures_are_on_screen_as_they_were(browser: Browser, tmp_path: Path) -> None:
    page = new_page(browser)
    page.goto(sw.load_trace(V1 / "trace.strace").to_html(tmp_path / "v1.html").as_uri())
    card = page.get_by_test_id("strace-explorer")
    expect(card.locator(".sw-reading")).to_contain_text("20 of 231 edges (+4)")
    expect(card.locator(".sw-reading")).to_contain_text("nucleus 10 %")
    expect(card.get_by_test_id("tv")).to_have_text("0.368")
    card.get_by_role("button", name="Curve as table").click()
    nuclei = card.get_by_role("region", name="Curve as table").locator("tbody tr td:nth-child(7)").all_inner_texts()
    assert (nuclei[0], nuclei[13], nuclei[-1]) == ("none", "10 %", "99 %")
    page.close()


def test_it_is_saved_as_version_2(tmp_path: Path) -> None:
    first = sw.load_trace(V1 / "trace.strace").explore()
    again = sw.load_trace(first.save(tmp_path / "x.strace")).explore()
    for name in ("view_state", "n_edges", "toggles", "evaluation", "curves", "history"):
        assert getattr(again, name) == getattr(first, name), name


def test_a_session_is_gone_on_with() -> None:
    saved = json.loads((V1 / "session.json").read_text(encoding="utf-8"))
    state = session_file.read(V1 / "session.json", NAME)
    assert (state.n_edges, state.toggles) == (saved["n_edges"], saved["toggles"])
    assert state.history["steps"] == saved["history"]["steps"]
    assert state.history["tried"][0]["top"] == saved["history"]["tried"][0]["head"]
    model = sw.load_model(tiny(), tokenizer=words())
    explorer = sw.trace(model, saved["settings"]["prompt"]).explore(V1 / "session.json")
    assert (explorer.n_edges, explorer.toggles) == (saved["n_edges"], saved["toggles"])
    assert explorer.history == state.history
    explorer.close()


@pytest.mark.parametrize("history", [{"tried": [{}]}, {"tried": 3}, []])
def test_a_damaged_session_is_refused_in_a_sentence(history: Any, tmp_path: Path) -> None:
    saved = json.loads((V1 / "session.json").read_text(encoding="utf-8"))
    file = tmp_path / "session.json"
    file.write_text(json.dumps(saved | {"history": history}), encoding="utf-8")
    with pytest.raises(sw.errors.SessionFileError, match="is no session file"):
        session_file.read(file, NAME)
