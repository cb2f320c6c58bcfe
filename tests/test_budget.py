"""Budgets: their guarantee by simulation, what they save where there is something to know, and where there is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made_study import hand_made_study

import strace_widgets as sw
from strace_widgets import findings

GRID = np.geomspace(1e-4, 1, 25)


def simulated(n: int, seed: int, *, told: float = 1.0, grid: Any = GRID) -> Any:
    """Return tables of n prompts, whose necessary size the entropy tells as far as said."""
    random = np.random.default_rng(seed)
    entropy, kind = random.gamma(2, 1.5, n), random.choice(["a", "b"], n)
    log_size = -3 + told * (0.4 * entropy + 0.5 * (kind == "b")) + random.standard_t(4, n) * (0.2 + 0.8 * (told == 0))
    places = np.searchsorted(grid, 10.0 ** np.clip(log_size, -4, 0) - 1e-12).clip(max=len(grid) - 1)
    ids = [f"p{i}" for i in range(n)]
    known = {"kind": kind, "full_entropy": entropy, "full_top1_probability": np.exp(-entropy), "n_tokens": 9}
    needed = {"importance": "l1", "masks": "all", "criterion": "top1", "size": grid[places]}
    return SimpleNamespace(
        prompts=pd.DataFrame({"prompt_id": ids, **known}), necessary=pd.DataFrame({"prompt_id": ids, **needed})
    )


@pytest.mark.parametrize("told", [1.0, 0.0])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_a_budget_is_enough_as_often_as_it_says(coverage: float, told: float) -> None:
    """Over many studies of 90 prompts: at least the coverage, and on a fine grid little more (1 / 31 at most)."""
    fine = np.geomspace(1e-4, 1, 2000)
    enough = [
        findings.budget(simulated(90, seed, told=told, grid=fine), coverage=coverage, seed=seed)
        .prompts["covered"]
        .mean()
        for seed in range(200)
    ]
    error = np.std(enough) / np.sqrt(len(enough))
    assert np.mean(enough) >= coverage - 3 * error
    assert np.mean(enough) <= coverage + 1 / 31 + 3 * error


def test_a_budget_saves_where_uncertainty_tells() -> None:
    told = findings.budget(simulated(900, 0))
    assert told.gain.low > 0
    assert told.saved_by_constant < told.saved < told.saved_at_best
    assert told.saved == pytest.approx(1 - told.prompts["budget"].mean())
    assert told.coefficients["full_entropy"] > 0.2
    assert told.coefficients["kind b"] > told.coefficients["kind a"]
    assert told.covered.value == told.prompts["covered"].mean()
    assert "It saves" in repr(told)
    assert "300 prompts that took no part in it" in repr(told)
    assert set(told.by_kind["kind"]) == {"a", "b"}


def test_where_nothing_tells_it_says_so() -> None:
    untold = findings.budget(simulated(300, 1, told=0.0))
    assert untold.gain.low <= 0
    assert "It is no better than the constant: the difference is" in repr(untold)


def test_a_budget_for_a_prompt_that_was_not_traced() -> None:
    rule = findings.budget(simulated(900, 0))
    sure = rule.size_for(entropy=0.5, top1_probability=0.6, n_tokens=9, kind="a")
    unsure = rule.size_for(entropy=5, top1_probability=0.01, n_tokens=9, kind="a")
    assert sure < unsure <= 1
    assert sure in rule.sizes
    other = [rule.size_for(entropy=2, top1_probability=0.1, n_tokens=9, kind=kind) for kind in ("a", None, "b")]
    assert other == sorted(other)


def test_the_tested_prompts_take_no_part() -> None:
    study = simulated(90, 3)
    rule = findings.budget(study)
    changed = study.necessary.assign(
        size=study.necessary["size"].where(~study.necessary["prompt_id"].isin(rule.prompts["prompt_id"]), 1.0)
    )
    again = findings.budget(SimpleNamespace(prompts=study.prompts, necessary=changed))
    assert again.coefficients == rule.coefficients
    assert (again.correction, again.constant) == (rule.correction, rule.constant)


def test_a_study_has_a_budget() -> None:
    study = hand_made_study(60, needed=lambda prompt, _: (prompt % 10 + 1) / 10)
    rule = study.budget("tv0.1", coverage=0.8)
    assert (rule.criterion, rule.importance, len(rule.prompts)) == ("tv0.1", "l1", 20)
    with pytest.raises(sw.errors.FindingError, match="at least 30 prompts that could be traced; there are 6"):
        hand_made_study(6).budget()
    with pytest.raises(ValueError, match=r"coverage=90 is no share"):
        study.budget(coverage=90)


def test_too_few_for_a_guarantee_get_the_whole_graph() -> None:
    rule = findings.budget(simulated(30, 0), coverage=0.99)
    assert set(rule.prompts["budget"]) == {1.0}
    assert rule.saved == 0
