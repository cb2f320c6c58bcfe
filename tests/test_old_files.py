"""Files of version 1, as the package wrote them before it had rooms: they open, and say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import strace_widgets as sw
from strace_widgets.results.criteria import named, necessary_size
from strace_widgets.results.jobs import load_job

V1 = Path(__file__).parent / "v1"
PROMPT = "w5 w17 w3 w88 w41 w2"
ROUNDING = 1e-5
"""What the number of threads may make of a number."""
SETTINGS = {"prompt": PROMPT, "importance": "l1", "masks": "all", "position": 5}


@pytest.fixture(scope="module")
def expected() -> Any:
    return np.load(V1 / "expected.npz")


def test_a_trace(expected: Any) -> None:
    trace = sw.load_trace(V1 / "trace.strace")
    assert (trace.prompt, trace.importance, trace.probing, trace.replayed) == (PROMPT, "l1", None, True)
    assert trace.token_ids.tolist() == [5, 17, 3, 88, 41, 2]
    np.testing.assert_array_equal(trace.ranks.attention, expected["ranks"])
    np.testing.assert_array_equal(trace.sweep().total_variation, expected["total_variation"])
    np.testing.assert_array_equal(trace.sweep().nucleus, expected["nucleus"] / 100)
    assert trace.saved_view["n_edges"] == expected["n_edges"].item()


def test_a_trace_is_computed_again(tiny: Any, expected: Any) -> None:
    saved, again = sw.load_trace(V1 / "trace.strace"), sw.trace(tiny, PROMPT)
    for ours, theirs in zip(again.ranks, saved.ranks, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(again.weights, saved.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=ROUNDING)
    np.testing.assert_allclose(again.full_logits, saved.full_logits, atol=ROUNDING)
    sizes = saved.sweep().sizes  # all of the grid: the standard sweep chose none of them yet
    assert sizes.tolist() == again.standard_sizes()
    np.testing.assert_allclose(again.evaluate(sizes).total_variation, expected["total_variation"], atol=ROUNDING)
    np.testing.assert_allclose(saved.with_model(tiny).evaluate(sizes).kl, saved.sweep().kl, atol=ROUNDING)


def test_a_trace_with_other_measure_and_precision(tiny: Any) -> None:
    trace = sw.load_trace(V1 / "fisher.strace")
    assert trace.importance == "fisher"
    assert trace.probing is not None
    again = sw.trace(tiny, trace.token_ids, "fisher", **trace.options)
    np.testing.assert_array_equal(trace.ranks.attention, again.ranks.attention)
    np.testing.assert_allclose(trace.weights.mlp, again.weights.mlp, rtol=1e-3, atol=1e-7)


def test_a_trace_that_was_loaded_is_written_again(tmp_path: Path, expected: Any) -> None:
    again = sw.load_trace(sw.load_trace(V1 / "trace.strace").save(tmp_path / "again.strace"))
    np.testing.assert_array_equal(again.sweep().total_variation, expected["total_variation"])
    np.testing.assert_array_equal(again.sweep().nucleus, expected["nucleus"] / 100)


def test_a_session(tiny: Any) -> None:
    explorer = sw.trace(tiny, PROMPT).explore(V1 / "session.json")
    assert (explorer.n_edges, explorer.toggles) == (16, {"1.2": "off", "0.mlp": "on"})
    assert explorer.session.settings == type(explorer.session.settings)(**SETTINGS)
    assert [each["toggles"] for each in explorer.history["tried"]] == [{"1.2": "off", "0.mlp": "on"}, {}]
    explorer.close()


def test_jobs(tiny: Any) -> None:
    trace, sweep = load_job(V1 / "trace-job.json", tiny), load_job(V1 / "sweep-job.json", tiny)
    assert (trace.ids, trace.work.kind, trace.work.importance) == (["a1b2"], "trace", "fisher")
    assert (trace.work.prompt, trace.work.token_ids) == (PROMPT, [5, 17, 3, 88, 41, 2])
    assert (sweep.ids, sweep.work.kind, sweep.work.kept) == (["c3d4"], "sweep", [23, 115, 231])
    assert sweep.work.sizes == [0.1, 0.5, 1.0]


@pytest.mark.parametrize("masks", ["all", "mlp+residual"])
@pytest.mark.parametrize("importance", ["l1", "l2"])
def test_a_study(tiny: Any, importance: str, masks: str) -> None:
    study = sw.load_study(V1 / "study")
    assert study.settings.importance == ("l1", "l2")
    assert study.prompts["status"].tolist() == ["ok", "ok"]
    for prompt in study.prompts.itertuples():
        names = {"prompt_id": prompt.prompt_id, "importance": importance, "masks": masks}
        points, necessary = (
            table[(table[list(names)] == pd.Series(names)).all(axis=1)] for table in (study.points, study.necessary)
        )
        points = points[points["subgraph"] == "trace"]
        trace = sw.trace(tiny, prompt.text, importance)
        sweep = trace.evaluate(study.settings.sizes, masks=masks)
        for column in ("total_variation", "kl", "entropy", "top1"):
            np.testing.assert_allclose(points[column], getattr(sweep, column), atol=ROUNDING)
        np.testing.assert_array_equal(points["nucleus"] / 100, sweep.nucleus)
        for criterion in necessary.itertuples():
            assert criterion.size == necessary_size(sweep, named(criterion.criterion))
        np.testing.assert_array_equal(study.edges(prompt.prompt_id, importance)[1].attention, trace.ranks.attention)
