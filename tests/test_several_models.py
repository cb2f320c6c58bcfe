"""Measures compared on several models: the worst of them leads, each has a folder, and none need be there together."""

from __future__ import annotations

import gc
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_models
import vl_convert
from hand_made_study import hand_made_study

import strace_widgets as sw

PROMPTS = [
    {"id": name, "text": text}
    for name, text in {"a": "w5 w17 w3 w88", "b": "w41 w2 w9", "c": "w8 w9 w7 w61 w50", "d": "w3 w1 w4 w1 w5"}.items()
]
GRID = (0.03, 0.1, 0.3, 0.6)


def compare(models: Any, folder: Path, prompts: Any = PROMPTS, **options: Any) -> sw.MeasureComparison:
    chosen: dict[str, Any] = {"importance": ["l1", "l2"], "sizes": GRID, "costed": 1, "progress": False}
    return sw.compare_measures(models, prompts, folder, **chosen | options)


def other() -> Any:
    return sw.load_model(tiny_models.tiny("Qwen3", seed=1), tokenizer=tiny_models.words())


@pytest.fixture(scope="module")
def compared(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.MeasureComparison, Path]:
    folder = tmp_path_factory.mktemp("measures")
    return compare([tiny, other], folder, attention=["recomputed", "frozen"]), folder


FIGURES = {
    "good": {"l1": [1.0, 0.8, 0.4, 0.2], "l2": [0.5, 0.4, 0.2, 0.1]},  # a half each: 4 wins
    "bad": {"l1": [0.4, 0.4, 0.4, 0.4], "l2": [0.5, 0.5, 0.4, 0.3]},  # medians 0.45 / 0.4: 1 win, 1 tie
}


@pytest.fixture
def by_hand(tmp_path: Path) -> sw.MeasureComparison:
    """A comparison in which each prompt's necessary sizes are given."""
    for model, figures in FIGURES.items():
        hand_made_study(
            4,
            folder=tmp_path / "by hand" / model / "all-recomputed-zero",
            importance=["l1", "l2"],
            needed=lambda i, measure, figures=figures: figures[measure][i],
            error=lambda i, _, measure, figures=figures: figures[measure][i],
        )
    (tmp_path / "by hand" / "good" / "costs.json").write_text('{"l1": 1.5, "l2": 1.6}')
    return sw.load_measure_comparison(tmp_path / "by hand")


def test_each_model_is_compared_as_if_alone(
    tiny: Any, compared: tuple[sw.MeasureComparison, Path], tmp_path: Path
) -> None:
    comparison, _ = compared
    assert comparison.models == ["LlamaForCausalLM", "Qwen3ForCausalLM"]
    for name, model in zip(comparison.models, (tiny, other), strict=True):
        alone = compare(model, tmp_path, attention=["recomputed", "frozen"])
        for table in ("prompts", "curves", "failed"):
            rows = getattr(comparison, table)
            pd.testing.assert_frame_equal(
                rows[rows["model"] == name].reset_index(drop=True), getattr(alone, table), check_dtype=table != "failed"
            )
        summary = comparison.summary()
        pd.testing.assert_frame_equal(
            summary[summary["model"] == name].reset_index(drop=True).drop(columns="cost"),
            alone.summary().drop(columns="cost"),
        )
        shutil.rmtree(tmp_path / name)
    first, second = (comparison.prompts.query("model == @name")["area_s"] for name in comparison.models)
    assert not np.allclose(first, second)


def test_models_of_one_module_take_turns() -> None:
    module = tiny_models.tiny()
    models = [sw.load_model(module, tokenizer=tiny_models.words()) for _ in range(2)]
    expected = sw.trace(models[0], "w5 w17 w3 w88").evaluate([0.3]).total_variation.tolist()

    def traced(number: int) -> list[float]:
        model = models[number] if number < len(models) else sw.load_model(module, tokenizer=tiny_models.words())
        return [sw.trace(model, "w5 w17 w3 w88").evaluate([0.3]).total_variation[0] for _ in range(4)]

    with ThreadPoolExecutor(3) as threads:
        for found in threads.map(traced, range(3)):
            assert found == pytest.approx(expected * 4, abs=1e-6)


def test_a_model_is_let_go_of_before_the_next_is_loaded(tiny_folder: str, tmp_path: Path) -> None:
    alive: list[weakref.ref[Any]] = []

    def loaded(seed: int) -> Any:
        gc.collect()
        assert all(each() is None for each in alive)
        model = sw.load_model(tiny_models.tiny(seed=seed), tokenizer=tiny_models.words())
        alive.append(weakref.ref(model.nnsight._module))
        return model

    found = compare([lambda: loaded(1), partial(loaded, 2), tiny_folder], tmp_path, PROMPTS[:1])
    assert len(alive) == 2
    assert found.models == ["LlamaForCausalLM", "LlamaForCausalLM-2", "tiny"]
    assert found.prompts.groupby("model")["area_s"].first().nunique() == 3, "three models, not one thrice"


def test_equal_names_do_not_meet(tiny: Any, tmp_path: Path) -> None:
    names = ("a/b", "../a b", "", "A-B")
    models = [replace(tiny, name=name) for name in names]
    found = compare(models, tmp_path, PROMPTS[:1])
    assert found.models == ["a-b", "a-b-2", "model", "A-B-3"]
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(found.models)
    again = compare(models, tmp_path, PROMPTS[:1])
    pd.testing.assert_frame_equal(again.prompts, found.prompts)


def test_the_worst_model_leads(by_hand: sw.MeasureComparison) -> None:
    overall = by_hand.overall().set_index(["importance", "criterion"])
    assert set(overall.index.get_level_values("importance")) == {"l2"}, "a baseline is not compared with itself"
    summary = by_hand.summary().set_index(["model", "importance", "criterion"])
    for criterion in ("top1", "tv0.1", "area_s"):
        found, bad = overall.loc[("l2", criterion)], summary.loc[("bad", "l2", criterion)]
        assert found["ratio"] == pytest.approx(0.45 / 0.4)
        assert found["ratio_model"] == found["share_model"] == "bad"
        assert (found["wins"], found["ties"], found["losses"]) == (4 + 1, 1, 2)
        assert (found["share"], found["n_models"], found["n_prompts"]) == (0.25, 2, 8)
        for column in ("ratio_low", "ratio_high", "share_low", "share_high"):
            assert found[column] == bad[column]
        assert summary.loc[("good", "l2", criterion), "ratio"] == pytest.approx(0.5)
    assert overall.loc[("l2", "top1"), "cost"] == 1.6


def test_a_ratio_that_is_undefined_is_the_worst(by_hand: sw.MeasureComparison) -> None:
    nothing = by_hand.prompts["model"] == "good"
    undefined = replace(by_hand, prompts=by_hand.prompts.assign(area_s=by_hand.prompts["area_s"].where(~nothing, 0)))
    with np.errstate(invalid="ignore"):
        found = undefined.overall().set_index("criterion").loc["area_s"]
    assert np.isnan(found["ratio"])
    assert found["ratio_model"] == "good"


def test_it_is_shown_overall_first(by_hand: sw.MeasureComparison) -> None:
    shown = repr(by_hand)
    heading, overall, each = (
        shown.index(words) for words in ("4 prompts of bad and 4 prompts of good", "Overall, by the worst", "On each")
    )
    assert heading < overall < each
    assert "5/1/2" in shown[overall:each]
    assert "25% [5%, 70%]" in shown[overall:each]
    assert "4/0/0" in shown[each:]
    page = replace(by_hand, prompts=by_hand.prompts.replace({"model": {"bad": "<b>"}}))._repr_html_()
    assert page.count("<table") == 2
    assert "<b>" not in page


def test_runs_that_divide_the_prompts_are_one_comparison(
    tiny: Any, compared: tuple[sw.MeasureComparison, Path], tmp_path: Path
) -> None:
    comparison, _ = compared
    parts = [tmp_path / str(k) for k in range(2)]
    for k, part in enumerate(parts):
        compare([tiny, other], part, PROMPTS[k::2], attention=["recomputed", "frozen"], costed=1 - k)
    merged = sw.load_measure_comparison(*parts)
    by = ["model", "masks", "attention", "ablation", "importance", "criterion"]
    expected, found = (each.summary().sort_values(by, ignore_index=True) for each in (comparison, merged))
    pd.testing.assert_frame_equal(found.drop(columns="cost"), expected.drop(columns="cost"))
    by = ["model", "attention", "importance", "size"]
    curves = (each.curves.sort_values(by, ignore_index=True) for each in (merged, comparison))
    pd.testing.assert_frame_equal(*curves, check_categorical=False)
    assert not (parts[1] / "LlamaForCausalLM" / "costs.json").exists(), "costs were measured once"
    assert merged.summary()["cost"].notna().all()
    with pytest.raises(sw.errors.StudyError, match="'a' is a prompt of more than one of the folders"):
        sw.load_measure_comparison(parts[0], parts[0])
    compare([tiny, other], tmp_path / "other", PROMPTS[1::2], importance=["l1", "projection"])
    with pytest.raises(sw.errors.StudyError, match=r"than .*: importance is \('l1', 'l2'\) and there"):
        sw.load_measure_comparison(parts[0], tmp_path / "other")


def test_a_folder_of_a_single_model_opens_and_goes_on(tiny: Any, tmp_path: Path) -> None:
    """Before there were several models, the folders of the conditions were not in a model's folder."""
    new = compare(tiny, tmp_path / "new", PROMPTS[:2])
    shutil.copytree(tmp_path / "new" / "LlamaForCausalLM", tmp_path / "old")
    read = sw.load_measure_comparison(tmp_path / "old")
    pd.testing.assert_frame_equal(read.prompts, new.prompts)
    assert read.costs == new.costs
    more = compare([tiny, other], tmp_path / "old")
    assert sorted(each.name for each in (tmp_path / "old").iterdir()) == [
        "Qwen3ForCausalLM",
        "all-recomputed-zero",
        "costs.json",
    ]
    both = sw.load_measure_comparison(tmp_path / "old")
    assert both.models == more.models == ["LlamaForCausalLM", "Qwen3ForCausalLM"]
    assert both.prompts.groupby("model")["prompt_id"].nunique().tolist() == [4, 4]


def test_the_chart_has_a_column_a_model_with_the_same_axes(compared: tuple[sw.MeasureComparison, Path]) -> None:
    comparison, _ = compared
    drawn = comparison.chart().to_dict()
    picture = vl_convert.vegalite_to_svg(drawn)
    for words in ("LlamaForCausalLM: 4 prompts", "Qwen3ForCausalLM: 4 prompts", "l2 ÷ l1", "attention recomputed"):
        assert words in picture
    assert ">NaN<" not in picture
    panels = [column["vconcat"][1]["vconcat"][0] for column in drawn["hconcat"]]
    first, second = (panel["layer"][0]["encoding"]["x"]["scale"]["domain"] for panel in panels)
    assert first == second
    one = vl_convert.vegalite_to_svg(comparison.chart(model="Qwen3ForCausalLM", attention="frozen").to_dict())
    assert "attention frozen, ablation zero, model Qwen3ForCausalLM; 4 prompts" in one
    assert "LlamaForCausalLM" not in one
    with pytest.raises(sw.errors.FindingError, match="no model 'GPT'"):
        comparison.chart(model="GPT")
