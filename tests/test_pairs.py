"""Paired tasks: what is drawn is a pair for the model's tokenizer, and a study scores it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strace_widgets as sw
from strace_widgets import charts, findings
from strace_widgets.errors import FindingError
from strace_widgets.model.text.contrasts import Contrast
from strace_widgets.results import metrics
from strace_widgets.studies.pairs import pair_tasks, shipped_pairs, token_roles

TASKS = list(pair_tasks())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("which", ["smollm2", "gemma"])
def test_a_task_has_forty_pairs_on_both_models(task: str, which: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(which)
    pairs = sw.shipped_pairs(task, model=model)
    assert len(pairs) == len({(pair["text"], pair["counterfactual"]) for pair in pairs}) == 40
    for pair in pairs:
        clean, other = model.encode(pair["text"]), model.encode(pair["counterfactual"])
        assert len(clean) == len(other)
        assert not np.array_equal(clean, other)
        for answer in (*pair["target"], *pair["foil"]):
            longer = model.encode(pair["text"] + answer)
            np.testing.assert_array_equal(longer[:-1], clean)
        assert not set(pair["target"]) & set(pair["foil"])
        roles = token_roles(pair, model)
        assert len(roles) == len(clean)
        assert roles[-1] == "end"
        for slot, (first, end) in pair["spans"].items():
            assert slot in roles or first == end or roles.index("end") == len(roles) - 1


def test_more_pairs_begin_with_the_same_and_another_seed_draws_others() -> None:
    few, many = (shipped_pairs("capitals", n_pairs=n) for n in (5, 12))
    assert many[:5] == few
    assert shipped_pairs("capitals", n_pairs=5, seed=1) != few


def test_what_cannot_be_had_is_said(tiny: Any) -> None:
    with pytest.raises(sw.errors.StudyError, match="'ioi'"):
        shipped_pairs("riddles")
    with pytest.raises(sw.errors.StudyError, match="pairs for the tokenizer of LlamaForCausalLM, not 500"):
        shipped_pairs("arithmetic", model=tiny, n_pairs=500)


def test_smollm2_prefers_the_target_of_most_pairs(smollm2: Any) -> None:
    """The pairs ask what a small model can answer."""
    for task in ("ioi", "agreement", "capitals", "induction"):
        differences = []
        for pair in shipped_pairs(task, model=smollm2, n_pairs=6):
            contrast = Contrast(*(tuple(map(smollm2.encode_one, pair[name])) for name in ("target", "foil")))
            differences.append(contrast.of(sw.trace(smollm2, pair["text"]).full_logits))
        assert np.median(differences) > 0, task


def test_a_study_of_pairs_scores_each_task(tiny: Any, tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(5, 15)]
    pairs = [
        {
            "id": f"{kind}-{number}",
            "kind": kind,
            "text": f"{words[number]} w17 w3",
            "counterfactual": f"{words[number + 1]} w17 w3",
            "target": ["w20"],
            "foil": "w21",
        }
        for kind in ("first", "second")
        for number in range(3)
    ]
    sizes = [0.1, 0.3, 1.0]
    study = sw.study(tiny, pairs, tmp_path, importance=["l1", "eap"], sizes=sizes, ablation="patch", progress=False)
    found = findings.faithfulness(study)
    assert set(found["score"]) == {"cpr", "cmd"}
    assert (found["n_prompts"] == 3).all()
    (row,) = found.query("kind == 'second' and importance == 'eap' and score == 'cmd'").itertuples()
    each = []
    for pair in pairs[3:]:
        how = {name: pair[name] for name in ("target", "foil", "counterfactual")}
        trace = sw.trace(tiny, pair["text"], "eap", **how)
        f = trace.evaluate(sizes, ablation="patch").faithfulness
        each.append(metrics.mean_over_sizes(np.array(sizes), np.abs(1 - f), "s", 1.0))
    assert row.mean == pytest.approx(np.mean(each), abs=1e-6)
    assert row.low <= row.mean <= row.high
    assert "cmd" in str(charts.faithfulness(found).to_dict()).lower()
    plain = sw.study(tiny, ["w1 w2 w3"], tmp_path / "plain", sizes=sizes, progress=False)
    with pytest.raises(sw.errors.FindingError, match="No prompt of the study has a target"):
        findings.faithfulness(plain)


def test_edges_are_shared_from_role_to_role(tiny: Any) -> None:
    """Against a loop over all edges, on prompts in which a role stands at different positions."""
    prompts = (([5, 17, 3, 88], ["a", "b", "b", "end"]), ([9, 5, 41, 17, 2], ["x", "a", "a", "b", "end"]))
    traces, roles = [sw.trace(tiny, ids) for ids, _ in prompts], [each for _, each in prompts]
    table, size = findings.shared_roles(traces, roles, 0.3), 0.3
    expected: dict[tuple[str, str, str], int] = {}
    for trace, names in zip(traces, roles, strict=True):
        mask, found = trace.mask(size), set()
        for layer, head, target, source in np.argwhere(mask.attention):
            found.add((f"{layer}.{head}", names[source], names[target]))
        for layer, target in np.argwhere(mask.mlp):
            found.add((f"{layer}.mlp", names[target], names[target]))
        for each in found:
            expected[each] = expected.get(each, 0) + 1
    assert {tuple(row[:3]): row[3] for row in table.itertuples(index=False)} == expected
    assert set(table["share"]) == {0.5, 1.0}
    assert table["n_prompts"].is_monotonic_decreasing
    with pytest.raises(FindingError, match="3 roles for a prompt of 4 tokens"):
        findings.shared_roles(traces[:1], [["a", "b", "c"]], size)
