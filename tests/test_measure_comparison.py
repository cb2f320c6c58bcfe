"""Measures set against one of them: the figures of each prompt, the statistics over all, stops, failures, the chart."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert
from hand_made_study import hand_made_study

import strace_widgets as sw
from strace_widgets.findings.comparison_run import SIZES
from strace_widgets.findings.measure_comparison import CRITERIA
from strace_widgets.studies.timing import alternate

PROMPTS = ["w5 w17 w3 w88", "w41 w2 w9", "", "w8 w9 w7 w61 w50", [1, 2, 3, 4, 9, 61]]  # the third fails
GRID = (0.003, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7)
CONDITION = ["masks", "attention", "ablation"]
TINY = "LlamaForCausalLM"  # what the tiny model is called, and its folder


def compare(model: Any, folder: Path, prompts: Any = PROMPTS, **options: Any) -> sw.MeasureComparison:
    chosen: dict[str, Any] = {"importance": ["l1", "l2", "projection"], "sizes": GRID, "progress": False}
    return sw.compare_measures(model, prompts, folder, **chosen | options)


@pytest.fixture(scope="module")
def compared(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.MeasureComparison, Path]:
    folder = tmp_path_factory.mktemp("measures")
    return compare(tiny, folder, attention=["recomputed", "frozen"]), folder


FIGURES = {"l1": [1.0, 0.8, 0.4, 0.2], "l2": [0.5, 0.8, 0.2, 0.4]}
"""By l2 the prompts need 0.5, 1, 0.5 and 2 times what they need by l1."""


def made_by_hand(folder: Path, figures: dict[str, list[float]]) -> sw.MeasureComparison:
    """Return a comparison in which each prompt's necessary sizes are given; its error below s = 1 is as large."""
    hand_made_study(
        4,
        folder=folder / "all-recomputed-zero",
        importance=["l1", "l2"],
        needed=lambda i, measure: figures[measure][i],
        error=lambda i, _, measure: figures[measure][i],
    )
    (folder / "costs.json").write_text('{"l1": 1.5, "l2": 1.6}')
    return sw.load_measure_comparison(folder)


@pytest.fixture
def by_hand(tmp_path: Path) -> sw.MeasureComparison:
    return made_by_hand(tmp_path / "by hand", FIGURES)


def test_the_figures_are_what_the_traces_say(tiny: Any, compared: tuple[sw.MeasureComparison, Path]) -> None:
    table = compared[0].prompts.set_index(["attention", "prompt_id", "importance"])
    assert len(table) == 2 * 4 * 3
    for attention, (number, name) in itertools.product(("recomputed", "frozen"), [("0", "l2"), ("4", "projection")]):
        sweep = sw.trace(tiny, PROMPTS[int(number)], name).evaluate([*GRID, 1], attention=attention)
        found = table.loc[(attention, number, name)]
        holds = {"top1": sweep.top1, "top5": sweep.top_agreement(5) == 1, "nucleus60": sweep.nucleus >= 0.6}
        holds |= {f"tv{bound}": sweep.total_variation <= bound for bound in (0.3, 0.1)}
        for criterion, rows in holds.items():
            row = sweep.lasting(rows)
            assert found[criterion] == (1 if row is None else sweep.sizes[row]), criterion
        assert found["area_log10_s"] == sweep.area("log10 s")
        assert found["area_s"] == sweep.area("s")


def test_areas_begin_at_a_thousandth(tiny: Any, tmp_path: Path) -> None:
    finer = compare(tiny, tmp_path, PROMPTS[:1], importance=["l1", "l2"], sizes=[1e-4, *GRID])
    sweep = sw.trace(tiny, PROMPTS[0], "l2").evaluate([1e-4, *GRID, 1])
    found = finer.prompts.set_index("importance").loc["l2"]
    assert found["area_log10_s"] == sweep.area("log10 s", 1e-3, 1) != sweep.area("log10 s")
    assert found["area_s"] == sweep.area("s", 1e-3, 1)
    assert (SIZES[0], SIZES[12], SIZES[-1], len(SIZES)) == (1e-3, 1e-2, 1, 37)


def test_the_curves_are_the_mean_error_of_each_condition(compared: tuple[sw.MeasureComparison, Path]) -> None:
    comparison, folder = compared
    rows = comparison.curves.query("attention == 'frozen' and importance == 'l2'")
    points = sw.load_study(folder / TINY / "all-frozen-zero").points.query("importance == 'l2'")
    assert rows["mean"].to_numpy() == pytest.approx(points.groupby("size")["total_variation"].mean().to_numpy())
    assert rows["n_prompts"].eq(4).all()


def test_a_prompt_that_fails_is_listed_and_left_out(compared: tuple[sw.MeasureComparison, Path]) -> None:
    comparison, _ = compared
    assert comparison.failed[["attention", "prompt_id"]].to_numpy().tolist() == [["recomputed", "2"], ["frozen", "2"]]
    assert comparison.failed["reason"].str.startswith("The prompt is empty").all()
    assert "2" not in set(comparison.prompts["prompt_id"])
    assert comparison.summary()["n_prompts"].eq(4).all()
    assert "4 prompts (1 more failed)" in repr(comparison)


def test_the_summary_is_a_hand_calculation(by_hand: sw.MeasureComparison) -> None:
    table = by_hand.summary().set_index(["importance", "criterion"])
    assert len(table) == 2 * len(CRITERIA)
    for criterion in CRITERIA:
        found = table.loc[("l2", criterion)]
        # The areas under a constant from 0.001 to 1 that falls to 0 in the last tenth of s.
        unit = {"area_s": 0.899 + 0.05, "area_log10_s": 3 + np.log10(0.9) / 2}.get(criterion, 1)
        assert [found[name] / unit for name in ("median", "lower", "upper")] == pytest.approx([0.45, 0.35, 0.575])
        assert found["ratio"] == pytest.approx(0.45 / 0.6)
        assert found["paired"] == pytest.approx(0.75)
        assert (found["wins"], found["ties"], found["losses"]) == (2, 1, 1)
        assert found["share"] == 0.5
        # Wilson's interval of 2 in 4, z = 1.96: (0.5 + z^2 / 8 +- z sqrt(0.25 / 4 + z^2 / 64)) / (1 + z^2 / 4).
        assert (found["share_low"], found["share_high"]) == pytest.approx((0.1500, 0.8500), abs=1e-4)
        assert found["paired_low"] <= found["paired"] <= found["paired_high"]
        assert found["cost"] == 1.6
    baseline = table.loc["l1"]
    assert baseline[["ratio", "paired", "wins", "share"]].isna().all(axis=None)
    assert baseline["median"][["top1", "tv0.1"]].to_numpy() == pytest.approx(0.6)


def test_intervals_are_of_pairs(tmp_path: Path) -> None:
    halved = {"l1": FIGURES["l1"], "l2": [figure / 2 for figure in FIGURES["l1"]]}
    found = made_by_hand(tmp_path, halved).summary()
    found = found[found["importance"] == "l2"]
    # However prompts are drawn, each of them needs half: only a bootstrap of pairs is sure of that.
    for column in ("ratio", "ratio_low", "ratio_high", "paired_low", "paired_high"):
        assert found[column].to_numpy() == pytest.approx(0.5)


def test_it_goes_on_where_it_stopped(tiny: Any, compared: tuple[sw.MeasureComparison, Path], tmp_path: Path) -> None:
    comparison, whole = compared
    stopped = tmp_path / "stopped"
    # As a stop in the first condition leaves it: some prompts done, no second condition, no costs.
    begun = stopped / TINY / "all-recomputed-zero"
    shutil.copytree(whole / TINY / "all-recomputed-zero", begun)
    for part in sorted((begun / "parts").iterdir())[2:]:
        shutil.rmtree(part)
    resumed = compare(tiny, stopped, attention=["recomputed", "frozen"])
    for name in ("prompts", "curves", "failed"):
        pd.testing.assert_frame_equal(getattr(resumed, name), getattr(comparison, name))
    again = compare(tiny, stopped, iter(PROMPTS), attention=["recomputed", "frozen"])
    assert again.costs == resumed.costs, "what was measured is not measured again"
    assert json.loads((stopped / TINY / "costs.json").read_text()) == resumed.costs[TINY]


def test_what_is_in_a_folder_is_read_back(compared: tuple[sw.MeasureComparison, Path], tmp_path: Path) -> None:
    comparison, whole = compared
    read = sw.load_measure_comparison(whole)
    pd.testing.assert_frame_equal(
        *(each.summary().sort_values([*CONDITION, "importance"], ignore_index=True) for each in (read, comparison))
    )
    assert read.models == comparison.models == [TINY]
    assert not read.failed.empty
    # As a stop within the second condition's first prompt leaves it: no results there, and no costs yet.
    shutil.copytree(whole, tmp_path / "stopped")
    (tmp_path / "stopped" / TINY / "costs.json").unlink()
    for part in (tmp_path / "stopped" / TINY / "all-frozen-zero" / "parts").iterdir():
        shutil.rmtree(part)
    begun = sw.load_measure_comparison(tmp_path / "stopped", baseline="l2").summary()
    assert begun["attention"].unique().tolist() == ["recomputed"]
    assert begun["cost"].isna().all()
    with pytest.raises(sw.errors.StudyError, match="no results of a comparison"):
        sw.load_measure_comparison(tmp_path)
    with pytest.raises(ValueError, match="'cosine' is not among the measures"):
        sw.load_measure_comparison(whole, baseline="cosine")


def test_every_measure_has_a_cost_and_all_take_turns(compared: tuple[sw.MeasureComparison, Path]) -> None:
    comparison, _ = compared
    costs = comparison.costs[TINY]
    assert list(costs) == ["l1", "l2", "projection"]
    assert all(np.isfinite(cost) and cost > 0 for cost in costs.values())
    assert comparison.summary().groupby("importance")["cost"].first().to_dict() == costs
    ran: list[str] = []
    assert len(alternate([lambda: ran.append("plain"), lambda: ran.append("l1")], 3)) == 2
    assert ran == ["plain", "l1"] * 5, "two rounds to warm up, then three"


def test_costs_that_cannot_be_read_get_a_sentence(tiny: Any, by_hand: sw.MeasureComparison, tmp_path: Path) -> None:
    del by_hand
    for content in ("{", "[1]", '{"l1": "cheap"}'):
        (tmp_path / "by hand" / "costs.json").write_text(content)
        with pytest.raises(
            sw.errors.StudyError, match=r"costs\.json does not hold the cost of each measure: it .*\)\. Delete the file"
        ):
            sw.load_measure_comparison(tmp_path / "by hand")
    (tmp_path / TINY).mkdir()
    (tmp_path / TINY / "costs.json").write_text("null")
    with pytest.raises(sw.errors.StudyError, match="does not hold the cost of each measure"):
        compare(tiny, tmp_path, PROMPTS[:1])


def test_a_comparison_equals_itself_alone(by_hand: sw.MeasureComparison) -> None:
    assert by_hand == by_hand  # noqa: PLR0124
    assert by_hand != replace(by_hand)
    assert len({by_hand, by_hand}) == 1


def test_it_is_shown_in_few_columns(compared: tuple[sw.MeasureComparison, Path], by_hand: sw.MeasureComparison) -> None:
    shown = repr(compared[0])
    assert "medians ÷ l1" in shown
    assert "frozen" in shown
    assert "zero" not in shown, "what is the same throughout is left out"
    assert "50% [15%, 85%]" in repr(by_hand)
    assert "2/1/1" in repr(by_hand)
    assert "<NA>" not in repr(by_hand)
    named = replace(by_hand, prompts=by_hand.prompts.assign(model="<b>"))
    assert "<table" in named._repr_html_()
    assert "<b>" not in named._repr_html_()


def test_the_chart_draws_one_condition(compared: tuple[sw.MeasureComparison, Path]) -> None:
    comparison, _ = compared
    picture = vl_convert.vegalite_to_svg(comparison.chart(attention="frozen").to_dict())
    for words in ("attention frozen", "4 prompts", "l2 ÷ l1", "projection ÷ l1", "size for TV ≤ 0.3", "trace by l2"):
        assert words in picture
    assert ">NaN<" not in picture
    assert "attention recomputed" in vl_convert.vegalite_to_svg(comparison.chart().to_dict())
    wins = comparison.summary().query("attention == 'frozen' and importance == 'l2' and criterion == 'area_s'").iloc[0]
    assert f"{wins['wins']} / {wins['ties']} / {wins['losses']}" in picture
    with pytest.raises(sw.errors.FindingError, match="no ablation 'mean'"):
        comparison.chart(ablation="mean")


def test_each_circle_stands_for_its_prompts(compared: tuple[sw.MeasureComparison, Path]) -> None:
    drawn = compared[0].chart().to_dict()["datasets"].values()
    circles = pd.concat(pd.DataFrame(rows) for rows in drawn if "prompts" in rows[0])
    assert circles["prompts"].sum() == 2 * len(CRITERIA) * 4


def test_mistakes_are_refused_before_anything_is_run(tiny: Any, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"baseline": "cosine"}, "'cosine' is not among the measures 'l1', 'l2', 'projection'"),
        ({"importance": ["l1"]}, "nothing to compare 'l1' with"),
        ({"importance": ["l1", "l3"]}, "no importance measure 'l3'"),
        ({"sizes": [1]}, "give a size below 1"),
        ({"attention": ["recomputed", "thawed"]}, "attention='thawed' does not exist"),
        ({"ablation": "noise"}, "ablation='noise' does not exist"),
        ({"model": []}, "no model to compare measures on"),
    ]
    for options, sentence in wrong:
        with pytest.raises(ValueError, match=sentence):
            compare(options.pop("model", tiny), tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()
