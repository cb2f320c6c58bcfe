"""Studies that grow: further prompts, prompts tried again, measures and sizes added; only what is missing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import contents

import strace_widgets as sw
from strace_widgets.studies import prompt_tables
from strace_widgets.studies.folder import part_files, write_part
from strace_widgets.studies.tables import SCHEMAS

PROMPTS = [{"id": f"p{n}", "text": f"w{n} w{n + 7} w3 w{90 - n}", "kind": "k"} for n in range(3)]
TABLES = ("prompts", "points", "necessary", "components")


def small(model: Any, prompts: Any, folder: Path, **options: Any) -> sw.Study:
    return sw.study(model, prompts, folder, **{"sizes": [0.1, 0.5], "progress": False} | options)


def test_what_is_added_is_what_would_have_been_there_at_once(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: dict[str, Any] = {"importance": ("l1", "l2"), "masks": ("all", "mlp+residual")}
    wanted |= {"baselines": ("inverse", "random"), "keep_traces": True, "hidden_states": True}
    small(tiny, PROMPTS, tmp_path / "s", baselines="inverse", keep_traces=True, hidden_states=True)
    asked: list[str] = []
    measured = prompt_tables.trace

    def counted(model: Any, read: Any, importance: str, **options: Any) -> sw.STrace:
        asked.append(importance)
        return measured(model, read, importance, **options)

    monkeypatch.setattr(prompt_tables, "trace", counted)
    grown = small(tiny, PROMPTS, tmp_path / "s", extend=True, **wanted)
    at_once = small(tiny, PROMPTS, tmp_path / "once", **wanted)
    assert contents(grown.folder) == contents(at_once.folder)
    asked.clear()
    small(tiny, PROMPTS, tmp_path / "s", extend=True, **wanted)
    assert asked == [], "nothing is missing"


def test_sizes_are_added_and_necessary_sizes_follow(tiny: Any, tmp_path: Path) -> None:
    small(tiny, PROMPTS, tmp_path / "s", baselines="random")
    sizes = [0.05, 0.1, 0.3, 0.5, 0.8]
    grown = small(tiny, PROMPTS, tmp_path / "s", sizes=sizes, baselines="random", extend=True)
    once = small(tiny, PROMPTS, tmp_path / "once", sizes=sizes, baselines="random")
    assert grown.settings == once.settings == sw.load_study(tmp_path / "s").settings
    for table in TABLES:  # of the same numbers up to rounding: other rows were in the batch
        pd.testing.assert_frame_equal(getattr(grown, table), getattr(once, table), rtol=1e-4, atol=1e-6)
    with pytest.raises(
        sw.errors.StudyError, match=r"with the sizes 0\.05, 0\.3, 0\.8, which extend=True does not take"
    ):
        small(tiny, PROMPTS, tmp_path / "s", baselines="random", extend=True)
    with pytest.raises(sw.errors.StudyError, match=r"sizes was .* With extend=True, more of these are added"):
        small(tiny, PROMPTS, tmp_path / "s", sizes=[0.01, *sizes], baselines="random")
    with pytest.raises(sw.errors.StudyError, match="whose first importance is 'l1'"):
        small(tiny, PROMPTS, tmp_path / "s", sizes=sizes, baselines="random", importance=("l2", "l1"), extend=True)


def test_an_extension_that_was_stopped_goes_on_by_itself(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(tiny, PROMPTS, tmp_path / "s")
    measured, done = prompt_tables.trace, []

    def stopped(model: Any, read: Any, importance: str, **options: Any) -> sw.STrace:
        done.append(importance)
        if len(done) > 2:
            raise KeyboardInterrupt
        return measured(model, read, importance, **options)

    monkeypatch.setattr(prompt_tables, "trace", stopped)
    with pytest.raises(KeyboardInterrupt):
        small(tiny, PROMPTS, tmp_path / "s", importance=("l1", "l2"), extend=True)
    monkeypatch.undo()
    half = sw.load_study(tmp_path / "s")
    assert set(half.points.loc[half.points["importance"] == "l2", "prompt_id"]) == {"p0", "p1"}
    whole = small(tiny, PROMPTS, tmp_path / "s", importance=("l1", "l2"))
    assert contents(whole.folder) == contents(small(tiny, PROMPTS, tmp_path / "once", importance=("l1", "l2")).folder)


def test_what_failed_is_tried_again_when_asked(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = prompt_tables.trace

    def unlucky(model: Any, read: Any, *arguments: Any, **options: Any) -> sw.STrace:
        if read.text.startswith("w1 "):
            raise OSError("the server was away")
        return measured(model, read, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(prompt_tables, "trace", unlucky)
        assert small(tiny, PROMPTS, tmp_path / "s").prompts["status"].tolist() == ["ok", "failed", "ok"]
    assert small(tiny, PROMPTS, tmp_path / "s").prompts["status"].tolist() == ["ok", "failed", "ok"]
    retried = small(tiny, PROMPTS, tmp_path / "s", retry=True)
    assert contents(retried.folder) == contents(small(tiny, PROMPTS, tmp_path / "once").folder)


def test_a_prompt_is_known_by_its_id_wherever_it_stands(tiny: Any, tmp_path: Path) -> None:
    first = small(tiny, PROMPTS, tmp_path / "s")
    before = {part.name: (part / "points.parquet").stat().st_mtime_ns for part in (first.folder / "parts").iterdir()}
    more = [PROMPTS[2], {"id": "new", "text": "w4 w5 w6"}, PROMPTS[0], PROMPTS[1]]
    grown = small(tiny, more, tmp_path / "s")
    assert sorted(grown.prompts["prompt_id"]) == ["new", "p0", "p1", "p2"]
    for name, moment in before.items():
        assert (grown.folder / "parts" / name / "points.parquet").stat().st_mtime_ns == moment
    with pytest.raises(sw.errors.StudyError, match=r"000002-p2 is .* in it, and this study has 'w8 w8'"):
        small(tiny, [{"id": "p2", "text": "w8 w8"}, *more[1:]], tmp_path / "s")


def test_parts_of_before_there_was_a_top5_are_run_again_where_more_is_asked(tiny: Any, tmp_path: Path) -> None:
    old = small(tiny, PROMPTS[:1], tmp_path / "s", baselines=())
    (part,) = (old.folder / "parts").iterdir()
    points = pq.read_table(part / "points.parquet", schema=SCHEMAS["points"]).drop_columns(["top5"])
    write_part(old.folder, part.name, part_files({"points": points}, {}))
    assert sw.load_study(old.folder).points["top5"].isna().all()
    grown = small(tiny, PROMPTS[:1], tmp_path / "s", baselines=(), importance=("l1", "l2"), extend=True)
    once = small(tiny, PROMPTS[:1], tmp_path / "once", baselines=(), importance=("l1", "l2"))
    assert contents(grown.folder) == contents(once.folder)
    assert np.isin(grown.points["top5"].unique(), [True, False]).all()
