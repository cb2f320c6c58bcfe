"""Studies: every number in the tables against what the traces say one by one, and what a study refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import families
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tiny_models
import torch
import wordfreq
from conftest import contents

import strace_widgets as sw
from strace_widgets import findings
from strace_widgets.studies.checksums import SUMS
from strace_widgets.studies.word_frequency import unigram

PROMPTS = [
    {"id": "first", "text": "w5 w17 w3 w88 w41 w2", "kind": "words", "expected": " w7", "language": "en"},
    {"id": "too long", "text": " ".join(["w1"] * 33), "kind": "words"},
    {"id": "ids", "token_ids": [4, 9, 61]},
]
SIZES = (0.05, 0.2, 0.6)
BASELINES = ("inverse", "random", "random-residual-kept")


@pytest.fixture(scope="module")
def study(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> sw.Study:
    return sw.study(
        tiny,
        PROMPTS,
        tmp_path_factory.mktemp("study") / "results",
        importance=("l2", "l1"),
        masks=("all", "mlp+residual"),
        baselines=BASELINES,
        sizes=SIZES,
        keep_traces=True,
        hidden_states=True,
        progress=False,
    )


@pytest.fixture(scope="module")
def trace(tiny: Any) -> sw.STrace:
    return sw.trace(tiny, PROMPTS[0]["text"], "l2")


def small(model: Any, prompts: Any, folder: Path, **options: Any) -> sw.Study:
    return sw.study(model, prompts, folder, **{"sizes": [0.5], "baselines": (), "progress": False} | options)


def points(study: sw.Study, subgraph: str, masks: str = "all", importance: str = "l2") -> Any:
    table = study.points[(study.points["prompt_id"] == "first") & (study.points["subgraph"] == subgraph)]
    return table[(table["masks"] == masks) & (table["importance"] == importance)]


def test_the_points_are_what_the_trace_says(study: sw.Study, trace: sw.STrace) -> None:
    for masks in ("all", "mlp+residual"):
        rows = points(study, "trace", masks)
        sweep = trace.evaluate([*SIZES, 1], masks=masks)
        assert rows["size"].tolist() == [*SIZES, 1]
        assert rows["n_edges"].tolist() == sweep.n_edges.tolist()
        for column in ("total_variation", "kl", "entropy", "top1"):
            np.testing.assert_array_equal(rows[column], getattr(sweep, column))
        np.testing.assert_array_equal(rows["nucleus"] / 100, sweep.nucleus)  # the table has per cent
        assert rows["top1_id"].tolist() == [top[0].id for top in sweep.top]
        assert rows["top1_token"].tolist() == [top[0].token for top in sweep.top]


def test_an_inverse_is_of_the_first_measure(study: sw.Study, trace: sw.STrace) -> None:
    sweep = trace.evaluate([*SIZES, 1], inverse=True)
    np.testing.assert_array_equal(points(study, "inverse")["total_variation"], sweep.total_variation)


def test_every_prompt_has_every_row(study: sw.Study) -> None:
    n_sizes, n_done = len(SIZES) + 1, 2
    assert len(study.points) == n_done * n_sizes * 2 * (2 + len(BASELINES))
    assert study.points.groupby(["subgraph", "importance"], observed=True).size().to_dict() == {
        ("trace", "l1"): n_done * n_sizes * 2,
        ("trace", "l2"): n_done * n_sizes * 2,
        ("inverse", "l2"): n_done * n_sizes * 2,
        ("random", "random"): n_done * n_sizes * 2,
        ("random-residual-kept", "random"): n_done * n_sizes * 2,
    }
    assert not study.points["total_variation"].isna().any()


def test_random_subgraphs_differ_from_prompt_to_prompt_and_with_the_seed(tiny: Any, tmp_path: Path) -> None:
    twice = [{"id": name, "text": PROMPTS[0]["text"]} for name in ("a", "b")]

    def random_errors(seed: int) -> list[float]:
        result = small(tiny, twice, tmp_path / str(seed), baselines="random", seed=seed)
        rows = result.points[(result.points["subgraph"] == "random") & (result.points["size"] == 0.5)]
        return rows["total_variation"].tolist()

    assert len({*random_errors(0), *random_errors(1)}) == 4


def test_correlations_are_spearmans(study: sw.Study, trace: sw.STrace) -> None:
    sweep = trace.evaluate([*SIZES, 1])
    found = points(study, "trace")["full_correlation"].to_numpy()
    expected = [scipy.stats.spearmanr(row, sweep.full_probabilities).statistic for row in sweep.probabilities]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[-1] == pytest.approx(1)
    assert study.points["unigram_correlation"].isna().all(), "w0 ... w96 are no words"


def test_unigram_frequencies_are_those_of_words() -> None:
    words = unigram([" the", "the", " House", " zqxv", "!", " Ġ", " of"])
    assert words.ids.tolist() == [0, 2, 6]
    expected = [wordfreq.word_frequency(word, "en") for word in ("the", "house", "of")]
    np.testing.assert_allclose(np.exp(words.log_frequency), expected, rtol=0.02)  # they round, we do not
    assert unigram(["the", "zqxv"]).ids.tolist() == [0], "a tokenizer that does not write spaces"


def test_necessary_sizes_are_the_first_that_last(study: sw.Study) -> None:
    rows = points(study, "trace", "mlp+residual", "l1").sort_values("size")
    holds = {"top1": rows["top1"], "tv0.3": rows["total_variation"] <= 0.3, "tv0.1": rows["total_variation"] <= 0.1}
    holds |= {f"nucleus{percent}": rows["nucleus"] >= percent for percent in (1, 5, 10, 20, 40, 60, 80, 90)}
    needed = study.necessary
    needed = needed[(needed["prompt_id"] == "first") & (needed["masks"] == "mlp+residual")]
    needed = needed[needed["importance"] == "l1"].set_index("criterion")["size"]
    assert set(needed.index) == {*holds, "top5"}
    for criterion, rows_hold in holds.items():
        lasting = [size for k, size in enumerate(rows["size"]) if rows_hold.to_numpy()[k:-1].all()]
        assert needed[criterion] == min(lasting), criterion


def test_components_add_up_to_the_trace(study: sw.Study, trace: sw.STrace) -> None:
    table = study.components[(study.components["prompt_id"] == "first") & (study.components["importance"] == "l2")]
    by_size = table.groupby("size")[["n_edges", "n_total"]].sum()
    assert by_size["n_edges"].tolist() == points(study, "trace")["n_edges"].tolist()
    assert set(by_size["n_total"]) == {trace.n_edges}
    mask = trace.mask(0.2)
    one = table[(table["size"] == 0.2) & (table["layer"] == 1)].set_index(["kind", "head"])["n_edges"]
    assert one["attention", 2] == mask.attention[1, 2].sum()
    rest = table[(table["size"] == 0.2) & (table["layer"] == 1) & table["head"].isna()].set_index("kind")["n_edges"]
    assert rest["mlp"] == mask.mlp[1].sum()
    assert rest["residual"] == mask.attention_residual[1].sum() + mask.mlp_residual[1].sum()


def test_hidden_states_are_what_the_unembedding_reads(study: sw.Study, trace: sw.STrace) -> None:
    states = study.hidden_states()
    assert set(states) == {"first", "ids"}
    assert states["first"].dtype == np.float32
    assert states["first"].shape == (len(SIZES) + 2, 32)
    with torch.no_grad():
        logits = trace.model.nnsight._module.lm_head(torch.from_numpy(states["first"]))
    np.testing.assert_allclose(logits[-1], trace.full_logits, atol=1e-5)
    assert logits[:-1].argmax(-1).tolist() == points(study, "trace")["top1_id"].tolist()


@pytest.mark.parametrize(
    "family", [family for family in families.FAMILIES if family.name in {"GPT2", "GPTNeoX", "OPT"}]
)
def test_hidden_states_of_other_families(family: families.Family) -> None:
    model = sw.load_model(families.build(family.name, family.options))
    traced = sw.trace(model, [3, 1, 4, 1, 5])
    with torch.no_grad():
        logits = model.nnsight._module.get_output_embeddings()(torch.from_numpy(traced.hidden_states([0.5])))
    np.testing.assert_allclose(logits[-1], traced.full_logits, atol=1e-4)


def test_kept_traces_come_back(study: sw.Study, trace: sw.STrace) -> None:
    weights, ranks = study.edges("first")
    for kept, traced in zip((*weights, *ranks), (*trace.weights, *trace.ranks), strict=True):
        np.testing.assert_array_equal(kept, traced)
        assert kept.dtype == traced.dtype
    with pytest.raises(sw.errors.StudyError, match="no trace of the prompt 'too long' by 'l1'"):
        study.edges("too long", "l1")
    for file in study.folder.glob("parts/*/edges-*.npz"):
        with np.load(file) as kept_arrays:
            assert set(kept_arrays) == {*(f"weights_{kind}" for kind in sw.Edges._fields), "ranks_sha256"}


def test_kept_ranks_that_do_not_follow_from_their_weights_are_refused(study: sw.Study, tmp_path: Path) -> None:
    shutil.copytree(study.folder, tmp_path / "s")
    (file,) = tmp_path.glob("s/parts/*-first/edges-l1.npz")
    with np.load(file) as arrays:
        kept = dict(arrays)
    kept["weights_mlp"] = kept["weights_mlp"][:, ::-1]
    np.savez_compressed(file, **kept)
    (file.parent / SUMS).unlink()  # a study of before there were checksums
    with pytest.raises(sw.errors.TraceFileError, match="is no longer the one that it was saved with"):
        sw.load_study(tmp_path / "s").edges("first", "l1")


def test_the_prompts_table(study: sw.Study, trace: sw.STrace) -> None:
    table = study.prompts.set_index("prompt_id")
    assert table.index.tolist() == ["first", "too long", "ids"]
    assert table["status"].tolist() == ["ok", "failed", "ok"]
    assert "33 tokens" in table["reason"]["too long"]
    first = table.loc["first"]
    assert (first["n_tokens"], first["n_edges"]) == (6, trace.n_edges)
    assert first["full_top1"] == trace.top[0].token
    assert first["full_entropy"] == trace.entropy
    assert first["expected_id"] == 7
    assert first["full_expected_probability"] == pytest.approx(trace.evaluate([1]).full_probabilities[7], rel=1e-5)
    assert table["text"]["ids"] == "w4 w9 w61"


def test_reading_it_again_gives_the_same(study: sw.Study) -> None:
    again = sw.load_study(study.folder)
    assert again.settings == study.settings
    assert again.points.equals(study.points)
    assert "3 prompts (1 failed)" in repr(again)
    assert "l2, l1" in repr(again)
    assert again.summary().loc["words", "failed"] == 1
    assert "<table" in again._repr_html_()


def test_token_text_is_never_html(tiny: Any, tmp_path: Path) -> None:
    result = small(tiny, [{"text": "w1 w2 w3", "kind": "<script>alert(1)</script>"}], tmp_path / "<b>")
    assert "<script>" not in result._repr_html_()
    assert "<b>" not in result._repr_html_()


def test_every_position_as_a_prompt_of_its_own(tiny: Any, tmp_path: Path) -> None:
    result = small(tiny, ["w1 w2 w3 w4", "w9 w8"], tmp_path / "s", positions="all")
    assert result.prompts["prompt_id"].tolist() == ["0@1", "0@2", "0@3", "1@1"]
    assert result.prompts["n_tokens"].tolist() == [2, 3, 4, 2]
    traced = sw.trace(tiny, [1, 2, 3])
    row = result.points[(result.points["prompt_id"] == "0@2") & (result.points["size"] == 0.5)]
    assert row["total_variation"].tolist() == traced.evaluate([0.5, 1]).total_variation.tolist()[:1]


@pytest.mark.parametrize("name", ["points.parquet", "prompts.parquet", "states.npy", "edges-l1.npz", SUMS])
@pytest.mark.parametrize("how", ["a bit", "cut off", "gone"])
def test_a_damaged_part_is_named_and_made_again(tiny: Any, tmp_path: Path, name: str, how: str) -> None:
    def run() -> sw.Study:
        return small(tiny, ["w1 w2 w3", "w4 w5"], tmp_path / "s", hidden_states=True, keep_traces=True)

    whole = run()
    before = contents(whole.folder)
    file = whole.folder / "parts" / "000001-1" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if how == "cut off" else content)
    if (name, how) not in {("prompts.parquet", "gone"), (SUMS, "gone")}:  # that is a prompt left, or an older study
        wrong = ".*" if name == SUMS else name  # it may name another file then
        with pytest.raises(sw.errors.StudyError, match=rf"000001-1.{wrong} is not what the study wrote"):
            read_all(sw.load_study(whole.folder))
        with pytest.warns(UserWarning, match="The results of 000001-1 are damaged, and are made again"):
            run()
    else:
        run()
    if (name, how) != (SUMS, "gone"):
        assert contents(whole.folder) == before
    read_all(sw.load_study(whole.folder))


def read_all(study: sw.Study) -> None:
    for table in (study.prompts, study.points, study.necessary, study.components):
        assert len(table)
    assert len(study.hidden_states()) == 2
    study.edges("1")


def test_what_others_put_into_a_study_is_none_of_it(tiny: Any, tmp_path: Path) -> None:
    whole = small(tiny, ["w1 w2 w3", "w4 w5"], tmp_path / "s")
    parts = whole.folder / "parts"
    for folder in (whole.folder, parts, parts / "000000-0"):
        (folder / ".DS_Store").write_bytes(b"\0")
        (folder / "Thumbs.db").write_bytes(b"\0")
    (parts / "__MACOSX").mkdir()
    again = small(tiny, ["w1 w2 w3", "w4 w5", "w6"], tmp_path / "s")
    assert again.prompts["prompt_id"].tolist() == ["0", "1", "2"]
    assert len(again.summary()) == 1


def test_a_study_grows(tiny: Any, tmp_path: Path) -> None:
    prompts = [f"w{n} w{n + 1} w{n + 2}" for n in range(6)]
    small(tiny, prompts, tmp_path / "s", limit=2)
    part = next((tmp_path / "s" / "parts").iterdir())
    before = (part / "points.parquet").stat().st_mtime_ns
    grown = small(tiny, prompts, tmp_path / "s", limit=4)
    assert len(grown.prompts) == 4
    assert (part / "points.parquet").stat().st_mtime_ns == before, "what was done is not done again"


def test_a_folder_of_other_settings_is_refused(tiny: Any, tmp_path: Path) -> None:
    small(tiny, ["w1 w2 w3"], tmp_path / "s")
    with pytest.raises(
        sw.errors.StudyError, match=r"other settings: importance was \('l1',\) and is now \('l2',\)\. Give"
    ):
        small(tiny, ["w1 w2 w3"], tmp_path / "s", importance="l2")
    with pytest.raises(sw.errors.StudyError, match="seed was 0 and is now 1"):
        small(tiny, ["w1 w2 w3"], tmp_path / "s", seed=1)
    other = tiny_models.words()
    other.add_tokens(["one more"])
    renamed = sw.load_model(tiny_models.tiny(vocab_size=98), tokenizer=other)
    with pytest.raises(sw.errors.StudyError, match=r"tokenizer was '97 tokens.*is now '98 tokens"):
        small(renamed, ["w1 w2 w3"], tmp_path / "s")


def test_modes_hold_for_every_sweep(tiny: Any, tmp_path: Path) -> None:
    result = small(tiny, [PROMPTS[0]], tmp_path / "s", attention="frozen", baselines="inverse", importance="l2")
    traced = sw.trace(tiny, PROMPTS[0]["text"], "l2")
    assert points(result, "trace")["total_variation"].tolist() == [
        *traced.evaluate([0.5, 1], attention="frozen").total_variation
    ]
    assert points(result, "inverse")["total_variation"].tolist() == [
        *traced.evaluate([0.5, 1], attention="frozen", inverse=True).total_variation
    ]
    assert "attention frozen, ablation zero" in repr(result)
    with pytest.raises(sw.errors.StudyError, match="attention was 'frozen' and is now 'recomputed'"):
        small(tiny, [PROMPTS[0]], tmp_path / "s", baselines="inverse", importance="l2")


def test_a_study_from_before_there_were_modes_goes_on(tiny: Any, tmp_path: Path) -> None:
    small(tiny, ["w1 w2 w3"], tmp_path / "s")
    described = json.loads((tmp_path / "s" / "study.json").read_text())
    del described["settings"]["attention"], described["settings"]["ablation"]
    (tmp_path / "s" / "study.json").write_text(json.dumps(described))
    assert sw.load_study(tmp_path / "s").settings.modes() == {"attention": "recomputed", "ablation": "zero"}
    assert len(small(tiny, ["w1 w2 w3", "w4 w5"], tmp_path / "s").prompts) == 2


V1 = Path(__file__).parent / "v1"


def test_a_study_of_version_1_opens_and_goes_on(tiny: Any, tmp_path: Path) -> None:
    old = sw.load_study(V1 / "study")
    sizes = {"n_layers": 3, "n_heads": 4, "parallel": False, "n_key_value_heads": 2, "d_model": 32, "d_head": 8}
    assert old.settings.dimensions == sizes | {"mlp_weights": 4608}
    assert not old.settings.hidden_states
    assert findings.savings(old).query("size == 1")[["flops", "weights"]].to_numpy() == pytest.approx(1)
    assert findings.nucleus_sizes(old)["whole"].between(0, 1).all()
    assert old.edges("1", "l2")[1].attention.dtype == np.int32
    shutil.copytree(V1 / "study", tmp_path / "s")
    s = old.settings
    grown = small(
        tiny, [*old.prompts["text"], "w4 w5 w6"], tmp_path / "s", importance=s.importance, masks=s.masks,
        baselines=s.baselines, sizes=s.sizes, keep_traces=s.keep_traces,
    )  # fmt: skip
    assert len(grown.prompts) == 3


def test_a_study_of_version_1_is_what_is_written_today(tiny: Any, tmp_path: Path) -> None:
    old = sw.load_study(V1 / "study")
    s = old.settings
    new = small(
        tiny, old.prompts["text"].tolist(), tmp_path / "s", importance=s.importance, masks=s.masks,
        baselines=s.baselines, sizes=s.sizes, keep_traces=s.keep_traces,
    )  # fmt: skip
    assert new.settings == s
    for table in ("prompts", "points", "necessary", "components"):
        had = [name for name in getattr(new, table) if name != "top5"]  # which version 1 did not have
        pd.testing.assert_frame_equal(getattr(new, table)[had], getattr(old, table)[had], atol=1e-6)


def test_a_folder_of_other_prompts_is_refused(tiny: Any, tmp_path: Path) -> None:
    small(tiny, ["w1 w2 w3", "w4 w5 w6"], tmp_path / "s")
    with pytest.raises(
        sw.errors.StudyError, match="other prompts: 000001-1 is 'w4 w5 w6' in it, and this study has 'w4 w5'"
    ):
        small(tiny, ["w1 w2 w3", "w4 w5"], tmp_path / "s")
    with pytest.raises(sw.errors.StudyError, match="has no such prompt"):
        small(tiny, ["w1 w2 w3"], tmp_path / "s")


def test_a_folder_that_cannot_be_written(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(sw.errors.StudyError, match="cannot be written"):
        small(tiny, ["w1 w2 w3"], tmp_path / "file" / "s")


def test_nothing_to_study(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(sw.errors.StudyError, match="no prompt to study"):
        small(tiny, [], tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_all_prompts_failing(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(
        sw.errors.StudyError, match="Not one of 2 prompts could be traced; the first says: The prompt is empty"
    ):
        small(tiny, ["", [1, 2, 970]], tmp_path / "s")
    left = sw.load_study(tmp_path / "s")
    assert left.prompts["reason"].str.contains("0 to 96").tolist() == [False, True]
    assert left.points.empty
    assert "total_variation" in left.points


def test_text_that_no_file_can_hold(tiny: Any, tmp_path: Path) -> None:
    result = small(tiny, ["w1 \ud800", "w1 w2"], tmp_path / "s")
    assert result.prompts["text"].tolist() == ["w1 ?", "w1 w2"]
    assert result.prompts["status"].tolist() == ["failed", "ok"]


def test_choices_that_do_not_exist(tiny: Any, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"importance": "l3"}, "'l1', 'l2'"),
        ({"masks": "some"}, "masks='some'"),
        ({"attention": "thawed"}, "attention='thawed'"),
        ({"baselines": "best"}, "'inverse', 'random'"),
        ({"sizes": [0.5, 2]}, "0 < s <= 1"),
        ({"positions": "first"}, "'last' or 'all'"),
        ({"importance": ()}, "at least one importance"),
    ]
    for options, sentence in wrong:
        with pytest.raises(ValueError, match=sentence):
            small(tiny, ["w1 w2"], tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_folders_that_hold_no_study(tmp_path: Path) -> None:
    for content, sentence in (
        (None, "There is no study in"),
        ("{", "describes no study: it is no JSON"),
        ("[]", "describes no study: it does not fit"),
        ('{"format": "other"}', "describes no study: it does not fit"),
        ('{"format": "other", "version": 1}', "describes no study: its format is 'other', not 'strace-study'"),
        ('{"format": "strace-study", "version": 3}', "version 3; this package reads up to version 2"),
        ('{"format": "strace-study", "version": 1}', "does not fit .*missing required field `n_prompts`"),
        ('{"format": "strace-study", "version": 1, "n_prompts": "two", "settings": {}}', "Expected `int`, got `str`"),
    ):
        if content is not None:
            (tmp_path / "study.json").write_text(content)
        with pytest.raises(sw.errors.StudyError, match=sentence):
            sw.load_study(tmp_path)


def test_what_was_not_kept(tiny: Any, tmp_path: Path) -> None:
    result = small(tiny, ["w1 w2 w3"], tmp_path / "s")
    with pytest.raises(sw.errors.StudyError, match="hidden_states=True"):
        result.hidden_states()
    with pytest.raises(sw.errors.StudyError, match="keep_traces=True"):
        result.edges("0")
    described = json.loads((result.folder / "study.json").read_text())
    assert (described["format"], described["version"], described["n_prompts"]) == ("strace-study", 2, 1)
