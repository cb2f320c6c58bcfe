"""The widget over a study: what it tells the browser, how a prompt opens, and what it does while the study grows."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from explorer_steps import Front, busy_worker, settled, wait_until
from hand_made_study import SIZES, hand_made_study

import strace_widgets as sw
from strace_widgets.errors import StudyError
from strace_widgets.explorer.view_state import decoded
from strace_widgets.studies import kept_views
from strace_widgets.studies.kept_views import read_view, view_file
from strace_widgets.study_explorer import following, rows
from strace_widgets.study_explorer.following import Portion, portions
from strace_widgets.study_explorer.rows import planned
from strace_widgets.study_explorer.widget import StudyExplorer

PROMPTS = ["w1 w2 w3", "w5 w17", "w9 w4 w4 w2"]


@pytest.fixture(scope="module")
def model() -> sw.Model:
    return sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())


@pytest.fixture(scope="module")
def kept(model: sw.Model, tmp_path_factory: pytest.TempPathFactory) -> sw.Study:
    """A real study that keeps its traces, by two measures; the last prompt fails."""
    folder = tmp_path_factory.mktemp("kept")
    importance = ("l1", "l2")
    prompts = [*PROMPTS, ""]
    return sw.study(model, prompts, folder, importance=importance, sizes=[0.1, 0.4], keep_traces=True, progress=False)


@pytest.fixture
def close() -> Iterator[Callable[[StudyExplorer], StudyExplorer]]:
    """Close a widget when the test ends."""
    opened: list[StudyExplorer] = []
    yield lambda widget: (opened.append(widget), widget)[1]
    for widget in opened:
        widget.close()


def wait_for(widget: StudyExplorer, condition: Callable[[], bool]) -> None:
    changed = threading.Event()
    widget.observe(lambda _: changed.set())
    wait_until(condition, changed)


def whole(study: sw.Study, *others: sw.Study) -> list[Portion]:
    found = list(portions((study, *others), planned((study, *others)), set()))
    assert all(isinstance(each, Portion) for each in found)
    return found  # type: ignore[return-value]


def arrays(portion: Portion) -> dict[str, np.ndarray]:
    return {name: decoded(array) for name, array in portion.rows["arrays"].items()}  # type: ignore[arg-type]


def test_what_is_told_are_the_study_s_own_numbers(kept: sw.Study) -> None:
    (portion,) = whole(kept)
    told, found, prompts = portion.rows, arrays(portion), kept.prompts
    assert told["ids"] == prompts["prompt_id"].tolist()
    assert [bool(reason) for reason in told["reasons"]] == (prompts["status"] == "failed").tolist()
    assert told["top1"][:3] == prompts["full_top1"].tolist()[:3]
    for column, key in enumerate(each["key"] for each in rows.COLUMNS):
        np.testing.assert_allclose(found["numbers"][column], prompts[key].to_numpy(float, na_value=np.nan), rtol=1e-6)
    trace = kept.points[kept.points["subgraph"] == "trace"].set_index(["importance", "prompt_id", "size"])
    necessary = kept.necessary.set_index(["importance", "prompt_id", "criterion"])["size"]
    plan = planned([kept])
    for run, importance in enumerate(("l1", "l2")):
        for row, name in enumerate(told["ids"][:3]):
            for at, size in enumerate(plan.sizes):
                expected = trace.loc[(importance, name, size), "total_variation"]
                assert found["curves"][run, row, at] == pytest.approx(expected, abs=1e-6)
            assert found["necessary"][run, 0, row] == pytest.approx(necessary[importance, name, "top1"])
    assert np.isnan(found["curves"][:, 3]).all()
    assert np.isnan(found["necessary"][..., 3]).all()


def test_the_use_of_components_is_rounded_up_so_that_one_edge_is_not_none(kept: sw.Study) -> None:
    (portion,) = whole(kept)
    use, plan, n_heads = arrays(portion)["use"], planned([kept]), kept.settings.dimensions["n_heads"]
    assert plan.use_sizes == (0.1, 0.4)
    seen = 0
    for row in kept.components.itertuples():
        if row.kind == "residual" or row.size not in plan.use_sizes:
            continue
        head = n_heads if row.kind == "mlp" else row.head
        share = use[
            plan.importances.index(row.importance),
            plan.use_sizes.index(row.size),
            portion.rows["ids"].index(row.prompt_id),
            row.layer * (n_heads + 1) + head,
        ]
        assert (share > 0) == (row.n_edges > 0)
        assert share / 255 == pytest.approx(row.n_edges / row.n_total, abs=1 / 255)
        seen += 1
    assert seen == 2 * 2 * 3 * use.shape[-1]


def test_large_studies_are_told_at_fewer_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    study = hand_made_study(6)
    assert len(planned([study]).use_sizes) == len(SIZES) - 1
    monkeypatch.setattr(rows, "USE_BYTES", 6 * 6)
    assert len(planned([study]).use_sizes) == 1
    monkeypatch.setattr(rows, "USE_BYTES", 1)  # one at least
    assert len(planned([study]).use_sizes) == 1
    assert arrays(whole(study)[0])["use"].shape == (1, 1, 6, 6)


def test_a_study_that_grows_is_followed(
    tmp_path: Path, close: Callable[[StudyExplorer], StudyExplorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "EVERY", 0.05)
    done = hand_made_study(5, folder=tmp_path / "done")
    folder = tmp_path / "growing"
    parts = sorted((done.folder / "parts").iterdir())
    (folder / "parts").mkdir(parents=True)
    (folder / "study.json").write_bytes((done.folder / "study.json").read_bytes())
    parts[3].rename(folder / "parts" / parts[3].name)
    widget = close(sw.load_study(folder).explore())
    wait_for(widget, lambda: widget.n_rows == 1)
    assert not widget.whole
    for part in (*parts[:3], parts[4]):
        part.rename(folder / "parts" / part.name)
    wait_for(widget, lambda: widget.whole)
    assert widget.n_rows == 5
    told = [name for portion in widget._portions for name in portion.rows["ids"]]
    assert told[0] == "p3"  # it keeps its place
    assert sorted(told) == ["p0", "p1", "p2", "p3", "p4"]


def test_a_damaged_prompt_is_named_and_the_others_are_there(
    tmp_path: Path, close: Callable[[StudyExplorer], StudyExplorer]
) -> None:
    study = hand_made_study(4, folder=tmp_path)
    part = sorted((tmp_path / "parts").iterdir())[2]
    (part / "points.parquet").write_bytes(b"damaged")
    widget = close(study.explore())
    wait_for(widget, lambda: widget.whole)
    assert widget.n_rows == 3
    assert widget.status["state"] == "error"
    assert "points.parquet is not what the study wrote" in widget.status["message"]
    with pytest.raises(StudyError, match=r"points\.parquet"):
        widget.to_html(tmp_path / "page.html")


def test_studies_of_several_models_need_one_grid_and_a_measure_in_common(
    kept: sw.Study, close: Callable[[StudyExplorer], StudyExplorer]
) -> None:
    study = hand_made_study(2)
    with pytest.raises(StudyError, match="has other sizes than that of"):
        study.explore(kept)
    with pytest.raises(StudyError, match="no importance measure"):
        study.explore(hand_made_study(2, importance=("l2",)))
    with pytest.raises(StudyError, match="gpt2 is none of the models that were studied"):
        study.explore(hand_made_study(2), model="gpt2")
    widget = close(study.explore(hand_made_study(3)))
    wait_for(widget, lambda: widget.whole)
    assert [portion.rows["model"] for portion in widget._portions] == [0, 1]
    assert widget.n_rows == 5


def test_each_question_has_an_answer(
    kept: sw.Study, close: Callable[[StudyExplorer], StudyExplorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = close(kept.explore())
    wait_for(widget, lambda: widget.whole)
    front = Front(widget, monkeypatch)  # type: ignore[arg-type]
    rows_told = front.ask("rows", portion=0)
    assert rows_told["ok"]
    assert rows_told["rows"]["ids"] == widget._portions[0].rows["ids"]
    assert {array["data"] for array in rows_told["rows"]["arrays"].values()} == {None}  # which travel beside it
    for asked, sentence in (
        ({"kind": "rows", "portion": 1}, "There is no portion 1"),
        ({"kind": "rows", "portion": True}, "There is no portion True"),
        ({"kind": "open", "row": 17, "importance": "l1"}, "There is no prompt 17"),
        ({"kind": "open", "row": "0", "importance": "l1"}, "There is no prompt '0'"),
        ({"kind": "open", "row": 0, "importance": ["l1"]}, "no importance measure"),
        ({"kind": "open", "row": 3, "importance": "l1"}, "could not be traced"),
        ({"kind": "other"}, "There is no request 'other'"),
    ):
        answer = front.ask(**asked)  # type: ignore[arg-type]
        assert not answer["ok"]
        assert sentence in answer["error"]


def test_only_what_the_browser_may_say_is_taken(
    kept: sw.Study, close: Callable[[StudyExplorer], StudyExplorer]
) -> None:
    widget = close(kept.explore())
    wait_for(widget, lambda: widget.whole)
    widget.set_state({"selected": ["0", "2"], "n_rows": 99, "study": {}, "explorer": "anywidget:other", "whole": False})
    assert (widget.selected, widget.n_rows, widget.whole, widget.explorer) == (["0", "2"], 4, True, None)
    assert widget.study["n_asked"] == 4
    widget.set_state({"selected": [{}]})
    assert widget.selected == ["0", "2"]
    assert widget.status["state"] == "error"


@pytest.mark.parametrize("importance", ["l1", "l2"])
def test_a_prompt_opens_as_its_trace_was_kept(
    kept: sw.Study,
    model: sw.Model,
    importance: str,
    close: Callable[[StudyExplorer], StudyExplorer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widget = close(kept.explore())
    wait_for(widget, lambda: widget.whole)
    answer = Front(widget, monkeypatch).ask("open", row=1, importance=importance)  # type: ignore[arg-type]
    state = answer["state"]
    assert widget.opened == kept.prompts["prompt_id"][1]
    assert state["view_state"]["importance"] == importance
    again = sw.trace(model, PROMPTS[1], importance)
    np.testing.assert_allclose(
        decoded(state["view_state"]["arrays"]["total_variation"]), again.sweep().total_variation, atol=1e-6
    )


def test_a_prompt_opens_on_the_model_and_the_oldest_explorers_close(
    kept: sw.Study,
    model: sw.Model,
    close: Callable[[StudyExplorer], StudyExplorer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widget = close(kept.explore(model=model))
    wait_for(widget, lambda: widget.whole)
    assert widget.study["models"][0]["opens"] == "live"
    front = Front(widget, monkeypatch)  # type: ignore[arg-type]
    explorers = []
    for row, importance in ((0, "l1"), (1, "l1"), (1, "l2"), (2, "l1"), (2, "l1")):
        answer = front.ask("open", row=row, importance=importance)
        assert answer["ok"], answer
        assert "state" not in answer
        explorers.append(widget.explorer)
    assert explorers[4] is explorers[3]
    assert explorers[0].comm is None  # closed
    assert [explorer.trace.prompt for explorer in explorers[1:4]] == [PROMPTS[1], PROMPTS[1], PROMPTS[2]]
    widget.close()
    assert all(explorer.comm is None for explorer in explorers)


def test_the_newest_of_two_prompts_opens_and_the_other_one_says_nothing(
    kept: sw.Study, model: sw.Model, close: Callable[[StudyExplorer], StudyExplorer]
) -> None:
    widget = close(kept.explore(model=model))
    wait_for(widget, lambda: widget.whole)
    told: list[dict[str, object]] = []
    widget.observe(lambda change: told.append(change["new"]), "status")
    with busy_worker():
        for row in (0, 1):
            widget._messages.hear({"id": str(row), "kind": "open", "row": row, "importance": "l1"})
    wait_for(widget, lambda: widget.opened != "")
    assert widget.explorer.trace.prompt == PROMPTS[1]
    assert [status["message"] for status in told] == [f"tracing {widget.opened}", ""]


def test_another_model_s_weights_are_refused(
    kept: sw.Study, close: Callable[[StudyExplorer], StudyExplorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sw.load_model(tiny_models.tiny(seed=7), tokenizer=tiny_models.words())
    widget = close(kept.explore(model=other))
    wait_for(widget, lambda: widget.whole)
    answer = Front(widget, monkeypatch).ask("open", row=0, importance="l1")  # type: ignore[arg-type]
    assert not answer["ok"]
    assert "weights" in answer["error"]
    assert widget.explorer is None


def test_what_was_kept_is_the_same_bytes_each_time_and_damage_is_told(
    model: sw.Model, kept: sw.Study, tmp_path: Path
) -> None:
    importance = ("l1", "l2")
    again = sw.study(
        model, [*PROMPTS, ""], tmp_path, importance=importance, sizes=[0.1, 0.4], keep_traces=True, progress=False
    )
    views = [sorted(study.folder.glob("parts/*/view-*.json.gz")) for study in (kept, again)]
    assert len(views[0]) == len(views[1]) == 6
    assert [view.read_bytes() for view in views[0]] == [view.read_bytes() for view in views[1]]
    views[1][0].write_bytes(gzip.compress(b"{}"))
    with pytest.raises(StudyError, match="is not what the study wrote"):
        again.explore().to_html(tmp_path / "page.html")


def test_a_view_that_nobody_wrote_is_refused_in_a_sentence(
    kept: sw.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "000000-0"
    shutil.copytree(kept.parts()[0], part)
    (part / "sha256.json").unlink()  # as in a study of before there were checksums
    whole = (part / view_file("l1")).read_bytes()
    assert read_view(part, "l1")["view_state"]["prompt"] == PROMPTS[0]
    monkeypatch.setattr(kept_views, "LARGEST", 1 << 20)
    nested = gzip.compress(b'{"view_state":' + b"[" * 100_000)
    for content in (
        b"",
        b"{}",
        whole[:-100],
        gzip.compress(b"[]"),
        gzip.compress(b"{"),
        gzip.compress(bytes(2 << 20)),
        nested,
    ):
        (part / view_file("l1")).write_bytes(content)
        with pytest.raises(StudyError, match=re.escape(view_file("l1"))):
            read_view(part, "l1")
    with pytest.raises(StudyError, match="kept no Explorer"):
        read_view(part, "l3")


def test_a_page_holds_the_study_and_what_was_kept(kept: sw.Study, tmp_path: Path) -> None:
    widget = kept.explore()
    content = widget.to_html(tmp_path / "page.html", title="A <study>").read_text()
    widget.close()
    assert "<title>A &lt;study&gt;</title>" in content
    assert "<h1>A &lt;study&gt;</h1>" in content
    found = re.search(
        r'<script type="application/json" class="strace-widgets-study">(.*?)</script>', content, re.DOTALL
    )
    assert found
    page = json.loads(found[1])
    assert [each["row"] for each in page["kept"]] == [0, 0, 1, 1, 2, 2]
    state = json.loads(gzip.decompress(base64.b64decode(page["kept"][3]["state"])))
    assert state["view_state"]["prompt"] == PROMPTS[1]
    assert state["view_state"]["importance"] == "l2"
    assert page["study"]["models"][0]["opens"] == "kept"
    (portion,) = whole(kept)
    np.testing.assert_array_equal(decoded(page["rows"][0]["arrays"]["curves"]), arrays(portion)["curves"])


def test_a_study_is_looked_at_without_torch(kept: sw.Study) -> None:
    program = (
        "import sys, time, strace_widgets as sw\n"
        f"widget = sw.load_study({str(kept.folder)!r}).explore()\n"
        "while not widget.whole: time.sleep(0.01)\n"
        "print(widget, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "4 of 4 prompts False" in done.stdout, done.stderr


def test_its_explorers_are_live(
    kept: sw.Study, model: sw.Model, close: Callable[[StudyExplorer], StudyExplorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = close(kept.explore(model=model))
    wait_for(widget, lambda: widget.whole)
    Front(widget, monkeypatch).ask("open", row=0, importance="l1")  # type: ignore[arg-type]
    widget.explorer.size = 0.5
    assert settled(widget.explorer)["n_edges"] == widget.explorer.n_edges
