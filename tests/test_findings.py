"""Each finding on tables whose answer is known beforehand, and all of them on a real study of a tiny model."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_models
from hand_made_study import SIZES, hand_made_study

import strace_widgets as sw
from strace_widgets import findings
from strace_widgets.studies import store
from strace_widgets.studies import tables as study_tables
from strace_widgets.studies.model_sizes import dimensions


def tables(study: sw.Study, **changed: Any) -> Any:
    """Return a study's tables, some of them replaced: what another program may have written."""
    names = ("prompts", "points", "necessary", "components")
    return SimpleNamespace(**{name: changed.get(name, getattr(study, name)) for name in names})


@pytest.fixture(scope="module")
def real(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A study of a tiny model, one of whose prompts fails."""
    texts = ["w5 w17 w3 w88", "w41 w2 w9", "w8 w9 w7 w61 w50", "w1 w2 w3", "w30 w20 w10 w11"]
    prompts = [{"text": text, "kind": "ab"[i % 2], "id": str(i)} for i, text in enumerate(texts)]
    prompts.append({"text": " ".join(["w1"] * 40), "kind": "a", "id": "too long"})
    folder = tmp_path_factory.mktemp("study")
    sizes = np.geomspace(1e-2, 1, 7)
    return sw.study(
        tiny, prompts, folder, importance=["l1", "l2"], masks=["all", "mlp+residual"], sizes=sizes, hidden_states=True,
        progress=False,
    )  # fmt: skip


def test_the_error_is_averaged_over_prompts() -> None:
    found = findings.error_by_size(hand_made_study(5, error=lambda i, *_: i / 4))
    assert len(found) == len(SIZES)
    assert found["n_prompts"].eq(5).all()
    for column, value in {"mean": 0.5, "lower": 0.25, "median": 0.5, "upper": 0.75}.items():
        assert found[column].to_numpy() == pytest.approx([value] * (len(SIZES) - 1) + [0])


def test_the_phases_are_found_where_the_curves_bend() -> None:
    # 0.1 a decade lost up to s = 0.01, then 0.4 a decade.
    study = hand_made_study(
        sizes=np.geomspace(1e-4, 1, 9),
        needed=lambda *_: 1,
        error=lambda i, x, _: 1 - (0.1 * (x + 4) + 0.3 * max(0, x + 2)) * (1 + (i - 2.5) * 1e-3),
    )
    found = findings.phases(study).iloc[0]
    assert found["construction"] == pytest.approx(0.2)
    assert found["refinement"] == pytest.approx(0.8)
    assert found["size"] == pytest.approx(0.01, rel=0.05)
    assert (found["before"], found["after"]) == pytest.approx((-0.1, -0.4), abs=0.01)
    assert found["low"] <= found["size"] <= found["high"]
    alone = findings.phases(hand_made_study(1, error=lambda _, x, __: 1 - 0.4 * max(0, x + 2))).iloc[0]
    assert np.isnan([alone["low"], alone["high"]]).all()


def test_a_prompt_that_needs_the_whole_graph_counts_as_one() -> None:
    study = hand_made_study(4, needed=lambda i, _: [0.1, 0.2, 0.3, 1.0][i])
    found = findings.nucleus_sizes(study).set_index("nucleus")
    assert found.index.tolist() == [1, 5, 10, 20, 40, 60, 80, 90]
    assert found.loc[60, "median"] == pytest.approx(0.25)
    assert found.loc[60, "mean"] == pytest.approx(0.4)
    assert found.loc[60, "whole"] == pytest.approx(0.25)


def test_the_share_that_needs_the_whole_graph_is_counted_in_a_real_study(real: Any) -> None:
    found = findings.nucleus_sizes(real).set_index(["importance", "masks", "nucleus"])["whole"]
    needed = real.necessary.query("criterion == 'nucleus90'").groupby(["importance", "masks"], observed=True)["size"]
    expected = {(*run, 90): sum(size == 1 for size in sizes) / len(sizes) for run, sizes in needed}
    assert found[list(expected)].to_dict() == expected
    assert max(expected.values()) > 0


def test_the_composition_adds_up_and_counts_by_hand() -> None:
    found = findings.composition(hand_made_study())
    shares = found.groupby("size")["share"].sum()
    assert shares[shares.index >= 0.1].to_numpy() == pytest.approx(1)
    assert found[found["size"] < 0.01]["n_prompts"].eq(0).all(), "the smallest traces have no edge of 30"
    whole = found[found["size"] == 1].set_index(["kind", "quarter"])
    # 12 + 6 attention edges, 3 + 1 of MLPs and 6 + 2 residual ones are 30; two layers are quarters 1 and 3.
    assert whole.loc[("attention", 1), "share"] == pytest.approx(12 / 30)
    assert whole.loc[("mlp", 3), "share"] == pytest.approx(1 / 30)
    assert whole["density"].to_numpy() == pytest.approx(1)
    assert set(whole.index.get_level_values("quarter")) == {1, 3}


def test_use_is_the_share_of_prompts_and_inequality_a_lorenz_curve() -> None:
    # At s = 0.9 three of four prompts have all edges but those of one head.
    study = hand_made_study(4, kept=lambda i, layer, _, head, __, n: 0 if (layer, head) == (1, 1) and i < 3 else n)
    found = findings.component_use(study, [0.9]).set_index(["layer", "kind", "head"])
    assert len(found) == 6
    assert found.loc[(1, "attention", 1), "use"] == pytest.approx(0.25)
    assert found.loc[(0, "attention", 1), "use"] == 1
    uneven = findings.use_inequality(study, [0.9])
    densities = [1, 1, 1, 1, 1, 0.25]
    expected = sum(abs(a - b) for a in densities for b in densities) / (2 * 36 * np.mean(densities))
    assert uneven["gini"].to_numpy() == pytest.approx(expected)
    assert uneven["held"].iloc[1] == pytest.approx(0.25 / 5.25)


def test_necessary_size_rises_with_uncertainty() -> None:
    study = hand_made_study(8)
    found = findings.uncertainty_correlation(study).iloc[0]
    assert found["spearman"] == pytest.approx(1)
    assert found["n_prompts"] == 8
    listed = findings.extremes(study, n_prompts=2)
    assert listed["text"].tolist() == ["text 0", "text 1", "text 7", "text 6"]
    assert listed["place"].tolist() == ["easiest"] * 2 + ["hardest"] * 2
    assert findings.extremes(hand_made_study(3))["prompt_id"].tolist() == ["p0", "p2"]


def test_shallow_statistics_are_quartiles_of_both_correlations() -> None:
    found = findings.shallow_statistics(hand_made_study(5)).set_index(["with", "size"])
    assert found.loc["unigram frequency", "median"].to_numpy() == pytest.approx(0.48)
    assert found.loc["full model", "mean"].to_numpy() == pytest.approx(SIZES)


def test_agreement_matches_prompts_by_id() -> None:
    up, down = hand_made_study(6), hand_made_study(8, needed=lambda i, _: (9 - i) / 10)
    found = findings.agreement({"up": up, "down": down}).set_index(["first", "second"])
    assert len(found) == 4
    assert found.loc[("up", "down"), "spearman"] == pytest.approx(-1)
    assert found.loc[("down", "up"), "n_prompts"] == 6
    assert found.loc[("up", "up"), "spearman"] == 1
    with pytest.warns(UserWarning, match="up and same: A rank correlation is undefined where all 6 values"):
        constant = findings.agreement({"up": up, "same": hand_made_study(6, needed=lambda *_: 0.5)})
    assert constant["spearman"].isna().sum() == 2


def test_groups_of_prompts_are_compared() -> None:
    def mirrored(i: int, size: float, n: int) -> int:
        return n - round(size * n) if i % 2 else round(size * n)

    # At s = 0.3 kind a has the more edges of a component, the fewer kind b has of it.
    study = hand_made_study(6, kept=lambda i, *of: mirrored(i, *of[-2:]))
    found = findings.groups(study).set_index("kind")
    assert found.loc["a", "median"] == pytest.approx(0.3)
    assert found.loc["b", "n_prompts"] == 3
    shared = findings.shared_components(study, "kind", 0.3).set_index(["first", "second"])
    assert shared.loc[("a", "b"), "n_components"] == 6
    assert shared.loc[("a", "b"), "spearman"] < 0


def test_geometry_follows_a_path_that_is_known() -> None:
    full = np.array([3.0, 4.0])
    steps = np.linspace(0.1, 1, 9)[:, None]
    states = np.concatenate([steps * full, full[None]])
    study = hand_made_study(4, sizes=np.geomspace(1e-4, 1, 9), needed=lambda *_: 1, states=lambda i: states * (i + 1))
    found = findings.geometry(study).set_index(["measure", "size"])
    assert found.loc["cosine", "median"].to_numpy() == pytest.approx(1)
    assert found.loc["distance", "median"].to_numpy() == pytest.approx(1 - steps[:, 0])
    assert found.loc["cka", "median"].to_numpy() == pytest.approx(1)
    assert found.loc["turn", "median"].to_numpy() == pytest.approx(0, abs=1e-5)
    speed = 0.9 / 8 / 0.5  # of the norm, over half a decade
    assert found.loc["speed", "median"].to_numpy() == pytest.approx(speed)
    other = SimpleNamespace(points=study.points, hidden_states=lambda: {"p0": states[1:]})
    with pytest.raises(sw.errors.FindingError, match="should have 10 states"):
        findings.geometry(other)


def test_savings_agree_with_a_count_by_hand() -> None:
    # Three tokens, two layers of two heads that share one key and value; d_model 4, d_head 2, an MLP of 24 weights.
    sizes = {"n_layers": 2, "n_heads": 2, "n_key_value_heads": 1, "d_model": 4, "d_head": 2, "mlp_weights": 24}
    # Below s = 1, one edge of head 0 in layer 0, and one MLP edge in layer 1.
    in_trace = {(0, "attention", 0), (1, "mlp", None)}
    found = findings.savings(hand_made_study(1, kept=lambda _, *of: int(of[:3] in in_trace)), sizes).set_index("size")
    assert found.loc[1.0].tolist()[2:] == pytest.approx([1, 1])
    multiply_add = 2
    query, key, value, output = (multiply_add * 4 * 2 for _ in range(4))
    score_and_sum = multiply_add * 2 + multiply_add * 2
    first = 2 * 3 * (query + output) + 3 * (key + value) + 2 * 6 * score_and_sum + 3 * multiply_add * 24
    last = 2 * 1 * (query + output) + 3 * (key + value) + 2 * 3 * score_and_sum + 1 * multiply_add * 24
    head = (3 * (query + output) + 3 * (key + value) / 2) / 6 + score_and_sum
    found = found.loc[0.1]
    assert found["flops"] == pytest.approx((head + multiply_add * 24) / (first + last))
    assert found["weights"] == pytest.approx(((8 + 8) + (8 + 8) + 24) / (2 * (3 * 16 + 24)))


def test_the_dimensions_of_a_model_are_counted_on_its_weights(tiny: Any) -> None:
    # The tiny model: d_model 32, 4 heads of 8, 2 keys and values, and three matrices of 32 x 48 in an MLP.
    assert dimensions(tiny) == {
        "n_layers": 3, "n_heads": 4, "n_key_value_heads": 2, "d_model": 32, "d_head": 8, "mlp_weights": 3 * 32 * 48
    }  # fmt: skip


def test_a_mixture_of_experts_is_not_counted() -> None:
    model = sw.load_model(tiny_models.tiny("Mixtral"), tokenizer=tiny_models.words())
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match="mixture of experts"):
        dimensions(model)


def test_every_finding_reads_a_real_study(real: Any) -> None:
    assert set(findings.error_by_size(real)["subgraph"]) == {"trace", "inverse", "random"}
    assert findings.error_by_size(real)["n_prompts"].eq(5).all()  # one of six failed
    last = findings.error_by_size(real).query("size == 1 and subgraph == 'trace'")
    assert last["upper"].to_numpy() == pytest.approx(0, abs=1e-5)
    assert len(findings.phases(real)) == 8  # two measures and two baselines, by two masks modes
    assert len(findings.nucleus_sizes(real)) == 8 * 4
    share = findings.composition(real).groupby(["importance", "size"])["share"].sum()
    assert share.to_numpy() == pytest.approx(1)
    assert len(findings.component_use(real, [0.1, 1])) == 2 * 2 * 3 * (4 + 1)
    assert findings.use_inequality(real, [1])["gini"].to_numpy() == pytest.approx(0)
    assert len(findings.uncertainty(real)) == 5 * 4
    assert findings.uncertainty_correlation(real)["n_prompts"].eq(5).all()
    assert set(findings.groups(real)["kind"]) == {"a", "b"}
    assert set(findings.geometry(real)["measure"]) == {"cosine", "distance", "cka", "speed", "turn"}
    assert findings.geometry(real).query("size == 1 and measure == 'distance'")["upper"].iloc[0] < 1e-5
    assert len(findings.shared_components(real, size=0.3)) == 4
    assert findings.agreement({"one": real, "two": real})["n_prompts"].eq(5).all()
    touched = findings.savings(real)
    assert touched.query("size == 1")[["flops", "weights"]].to_numpy() == pytest.approx(1)
    assert (
        touched.sort_values("size")
        .groupby(["prompt_id", "importance"], observed=True)["weights"]
        .is_monotonic_increasing.all()
    )


@pytest.mark.parametrize(
    ("finding", "made", "says"),
    [
        (findings.error_by_size, {"n_prompts": 0}, "table 'points' is empty"),
        (findings.phases, {"sizes": (0.1, 0.3, 1), "needed": lambda *_: 1}, "at least 5 sizes .* has 3"),
        (findings.groups, {"kind": lambda _: None}, "No prompt of the study has a kind"),
        (findings.savings, {}, "does not hold how many weights"),
        (lambda study: findings.agreement({"one": study}), {}, "two studies or more; 1 was given"),
        (findings.geometry, {"n_prompts": 0, "states": lambda _: None}, "kept no hidden states: run it with"),
    ],
)  # fmt: skip
def test_a_study_that_says_too_little_gets_a_sentence(finding: Any, made: dict[str, Any], says: str) -> None:
    with pytest.raises(sw.errors.FindingError, match=says):
        finding(hand_made_study(**made))


def test_tables_of_another_program_get_a_sentence() -> None:
    study = hand_made_study()
    needed = study.necessary
    with pytest.raises(sw.errors.FindingError, match="has no column 'prompt_id', 'importance'"):
        findings.error_by_size(tables(study, points=pd.DataFrame(columns=["size"])))
    with pytest.raises(sw.errors.FindingError, match="no nucleus"):
        findings.nucleus_sizes(tables(study, necessary=needed[needed["criterion"] == "top1"]))
    with pytest.raises(sw.errors.FindingError, match="no criterion 'top1'"):
        findings.uncertainty(tables(study, necessary=needed[needed["criterion"] == "tv0.1"]))
    renamed = tables(study, necessary=needed.assign(prompt_id=[f"other-{name}" for name in needed["prompt_id"]]))
    with pytest.raises(sw.errors.FindingError, match="a, b share no prompt"):
        findings.agreement({"a": study, "b": renamed})


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"needed": lambda *_: np.nan}, "'necessary' has size = nan"),
        ({"needed": lambda *_: 0.15}, "'necessary' has the size 0.15, at which no subgraph was evaluated"),
        ({"error": lambda *_: 1.2}, "'points' has total_variation = 1.2: it lies between 0 and 1"),
        ({"error": lambda *_: None}, "A row of the table 'points' has no 'total_variation'"),
        ({"kept": lambda *of: of[-1] + 1}, "more edges of a component than there are"),
    ],
)
def test_what_no_study_writes_cannot_be_made_by_hand(made: dict[str, Any], says: str) -> None:
    with pytest.raises(sw.errors.StudyError, match=says):
        hand_made_study(**made)


def test_one_prompt_has_no_correlation_but_every_table() -> None:
    study = hand_made_study(1)
    with pytest.warns(UserWarning, match="at least 3 prompts"):
        found = findings.uncertainty_correlation(study)
    assert np.isnan(found["spearman"].iloc[0])
    assert findings.extremes(study).empty
    assert len(findings.error_by_size(study)) == len(SIZES)


def test_importing_the_package_leaves_pandas_alone_and_findings_say_what_to_install(tmp_path: Path) -> None:
    program = """
import sys
import strace_widgets as sw
assert not {"pandas", "scipy", "pyarrow"} & set(sys.modules)
sys.modules["scipy"] = None
try:
    import strace_widgets.findings
except sw.errors.MissingPackageError as sentence:
    print(sentence)
"""
    finished = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "pip install 'strace_widgets[study]'" in finished.stdout


@pytest.mark.parametrize("at_a_time", [1, 2, 5])
def test_findings_that_stream_say_what_whole_tables_say(
    real: Any, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """In batches of some prompts after another, and from frames that are in memory whole."""
    whole = tables(real)
    monkeypatch.setattr(store, "AT_A_TIME", at_a_time)
    monkeypatch.setattr(study_tables, "AT_A_TIME", at_a_time)
    read = sw.load_study(real.folder)  # nothing of it is in memory yet
    assert len(list(read.batches("components", ["size"]))) > 1
    for finding in (
        findings.composition,
        findings.component_use,
        findings.use_inequality,
        findings.shared_components,
        partial(findings.savings, dimensions=real.settings.dimensions),
        findings.error_by_size,
        findings.phases,
    ):
        pd.testing.assert_frame_equal(finding(read), finding(whole), rtol=1e-12, check_categorical=False)
