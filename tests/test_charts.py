"""Every chart is valid Vega-Lite, draws to SVG, and stays within Altair's rows however many prompts there are."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
import tiny_models
import vl_convert

import strace_widgets as sw
from strace_widgets import charts, findings
from strace_widgets.charts.components import CELLS
from strace_widgets.charts.prompts import POINTS

SIZES = np.geomspace(1e-4, 1, 9)
LIMIT = 5000  # Altair's own
HOSTILE = '<img src=x onerror=alert(1)>"\\\n'


def svg(chart: Any) -> str:
    """Draw a chart; `to_dict` validates it, and fails above Altair's limit of rows."""
    assert alt.data_transformers.options.get("max_rows", LIMIT) == LIMIT
    picture = vl_convert.vegalite_to_svg(chart.to_dict())
    assert picture.startswith("<svg")
    return picture


def rows_drawn(chart: Any) -> int:
    return max(len(rows) for rows in chart.to_dict()["datasets"].values())


@pytest.fixture(scope="module")
def study(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    texts = ["w5 w17 w3 w88", "w41 w2 w9", "w8 w9 w7 w61 w50", "w1 w2 w3"]
    prompts = [{"text": text, "kind": "ab"[i % 2], "id": str(i)} for i, text in enumerate(texts)]
    return sw.study(
        tiny, prompts, tmp_path_factory.mktemp("study"), importance=["l1", "l2"], sizes=SIZES, hidden_states=True,
        progress=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "draw", "shows"),
    [
        ("reconstruction error", lambda s: charts.error_by_size(findings.error_by_size(s), findings.phases(s)),
         ["trace by l1", "trace by l2", "inverse of l1", "random", "construction", "refinement", "4 prompts"]),
        ("nuclei", lambda s: charts.nucleus_sizes(findings.nucleus_sizes(s)), ["necessary size s", "l1", "l2"]),
        ("composition", lambda s: charts.composition(findings.composition(s), findings.nucleus_sizes(s)),
         ["attention", "residual", "first layers", "third quarter", "nuclei: 1 %, 40 %, 80 %"]),
        ("use", lambda s: charts.component_use(findings.component_use(s)), ["MLP", "head", "s = 0.01"]),
        ("density", lambda s: charts.component_use(findings.component_use(s), "density"), ["its edges that are in"]),
        ("inequality", lambda s: charts.use_inequality(findings.use_inequality(s)), ["Gini 0.00", "least used first"]),
        ("uncertainty", lambda s: charts.uncertainty(findings.uncertainty(s), findings.uncertainty_correlation(s)),
         ["Spearman", "entropy", "nats"]),
        ("extremes", lambda s: charts.extremes(findings.extremes(s)), ["easiest", "hardest", "w41 w2 w9"]),
        ("shallow statistics", lambda s: charts.shallow_statistics(findings.shallow_statistics(s)),
         ["with unigram frequency", "with the full model"]),
        ("groups", lambda s: charts.groups(findings.groups(s)), ["a (2)", "b (2)"]),
        ("components", lambda s: charts.agreement(findings.shared_components(s, size=0.3), "Use"), ["1.00"]),
        ("geometry", lambda s: charts.geometry(findings.geometry(s)), ["cosine to the full state", "turn (degrees)"]),
        ("savings", lambda s: charts.savings(findings.savings(s)), ["operations", "weights"]),
    ],
)  # fmt: skip
def test_a_finding_draws(study: Any, name: str, draw: Any, shows: list[str]) -> None:
    del name
    picture = svg(draw(study))
    assert [words for words in shows if words not in picture] == []
    assert ">NaN<" not in picture
    assert ">undefined<" not in picture


def test_charts_have_no_ground_of_their_own_and_room_for_wider_letters(study: Any) -> None:
    for chart in (charts.error_by_size(findings.error_by_size(study)), charts.uncertainty(findings.uncertainty(study))):
        spec = chart.to_dict()
        assert spec["background"] == "transparent"
        assert spec["padding"]["right"] >= 20


def test_phases_stand_at_the_measured_bend_alone(study: Any) -> None:
    table = findings.error_by_size(study)
    assert ">construction<" not in svg(charts.error_by_size(table))
    spec = charts.error_by_size(table, findings.phases(study)).to_dict()
    named = [layer for layer in spec["layer"] if layer["mark"].get("text") in {"construction", "refinement"}]
    (bend,) = findings.phases(study).query("subgraph == 'trace' and importance == 'l1'")["size"]
    assert [layer["data"]["values"] for layer in named] == [[{"size": bend}]] * 2


def test_a_correlation_below_the_usual_domain_is_not_cut_off(study: Any) -> None:
    table = findings.shallow_statistics(study)
    table.loc[table.index[0], ["lower", "mean"]] = -0.8
    spec = charts.shallow_statistics(table).to_dict()
    assert spec["hconcat"][0]["layer"][0]["encoding"]["y"]["scale"]["domain"][0] <= -0.8


def test_what_is_no_number_is_said_in_words() -> None:
    from strace_widgets.charts.style import with_interval  # noqa: PLC0415

    assert with_interval(0.5, 0.25, 0.75) == "0.50 (95 % from 0.25 to 0.75)"
    assert with_interval(0.5, np.nan, np.nan) == "0.50"
    assert "nan" not in with_interval(np.nan, np.nan, np.nan)


def test_a_size_that_all_need_is_neither_easy_nor_hard(study: Any) -> None:
    table = findings.extremes(study)
    for _, rows in table.groupby(["importance", "masks"], observed=True):
        easy, hard = (set(rows.loc[rows["place"] == place, "size"]) for place in ("easiest", "hardest"))
        assert not easy & hard


def test_another_run_is_drawn_on_request_and_an_unknown_one_refused(study: Any) -> None:
    table = findings.uncertainty(study)
    assert "importance l2" in svg(charts.uncertainty(table, importance="l2"))
    with pytest.raises(sw.errors.FindingError, match="no importance 'l7': choose among l1, l2"):
        charts.uncertainty(table, importance="l7")
    with pytest.raises(sw.errors.FindingError, match="nothing to draw: the table is empty"):
        charts.groups(findings.groups(study).iloc[:0])


def test_one_prompt_draws_without_intervals(study: Any) -> None:
    only = SimpleNamespace(
        **{
            name: getattr(study, name).query("prompt_id == '0'")
            for name in ("prompts", "points", "necessary", "components")
        }
    )
    assert "1 prompt;" in svg(charts.error_by_size(findings.error_by_size(only), findings.phases(only)))
    svg(charts.composition(findings.composition(only), findings.nucleus_sizes(only)))
    svg(charts.nucleus_sizes(findings.nucleus_sizes(only)))


def test_ten_thousand_prompts_are_binned_and_none_is_lost() -> None:
    generator = np.random.default_rng(0)
    n = 10_000
    table = pd.DataFrame(
        {
            "prompt_id": [str(i) for i in range(n)],
            "text": "text",
            "kind": "a",
            "importance": "l1",
            "masks": "all",
            "criterion": "top1",
            "size": generator.choice(SIZES, n),
            "entropy": generator.exponential(2, n),
        }
    )
    chart = charts.uncertainty(table)
    svg(chart)
    (bins,) = chart.to_dict()["datasets"].values()
    assert sum(cell["prompts"] for cell in bins) == n
    assert len(bins) <= POINTS
    assert rows_drawn(charts.uncertainty(table.head(POINTS))) == POINTS
    touched = pd.DataFrame(
        {
            "prompt_id": np.repeat(np.arange(n), len(SIZES)),
            "importance": "l1",
            "size": np.tile(SIZES, n),
            "flops": generator.random(n * len(SIZES)),
            "weights": generator.random(n * len(SIZES)),
        }
    )
    chart = charts.savings(touched)
    assert "10,000 prompts" in svg(chart)
    assert rows_drawn(chart) == 2 * len(SIZES)


def test_a_large_models_map_and_lorenz_curves_are_thinned() -> None:
    layers, heads = np.meshgrid(np.arange(80), np.arange(65), indexing="ij")
    mlp = heads.ravel() == 64
    use = pd.DataFrame(
        {
            "layer": layers.ravel(),
            "kind": np.where(mlp, "mlp", "attention"),
            "head": pd.Series(heads.ravel()).where(~mlp).astype("Int16"),
        }
    ).merge(pd.DataFrame({"importance": "l1", "size": [0.001, 0.01, 0.1], "n_prompts": 3}), how="cross")
    use["use"] = use["density"] = use["layer"] / 80
    chart = charts.component_use(use)
    assert "head, 5 averaged" in svg(chart)
    assert rows_drawn(chart) <= CELLS
    steps = np.linspace(0, 1, LIMIT)
    table = pd.DataFrame({"importance": "l1", "size": 0.01, "components": steps, "held": steps**2, "gini": 1 / 3})
    table = pd.concat([table, table.assign(size=0.1)])
    chart = charts.use_inequality(table)
    svg(chart)
    assert rows_drawn(chart) == 400


@pytest.fixture
def generated() -> pd.DataFrame:
    tokens = [" Paris", ".", "\n", " ", HOSTILE, "", *[" word"] * 30]
    return pd.DataFrame({"token": tokens, "size": np.linspace(0.1, 0.9, len(tokens)), "entropy": 2.0})


def test_generated_text_wraps_and_is_never_html(generated: pd.DataFrame) -> None:
    for value in ("size", "entropy"):
        chart = charts.generated_text(generated, value)
        picture = svg(chart)
        assert "<img" not in picture
        assert "&lt;img src=x onerror=alert(1)&gt;" in picture
        bundle = json.dumps(alt.renderers.get()(chart.to_dict()).get("text/html", ""))
        assert "<img" not in bundle
    cells = max(chart.to_dict()["datasets"].values(), key=len)
    assert {cell["line"] for cell in cells} == {0, 1, 2, 3}
    assert all(cell["to"] <= 64 for cell in cells if cell["from"])
    assert "&lt;img" in svg(charts.generation(generated))
    assert "<img" not in svg(charts.generation(generated))


def test_generation_and_transfer_draw_what_the_engine_returns(tiny: Any) -> None:
    table = sw.trace_generation(tiny, "w5 w17 w3", max_new_tokens=4, progress=False)
    picture = svg(charts.generation(table))
    assert all(token.strip() in picture for token in table["token"])
    carried = sw.carry_over(sw.trace(tiny, "w5 w17 w3"), "w5 w18 w3", [0.1, 0.5, 1])
    assert "the clean text" in svg(charts.transfer(carried))


def test_a_sweep_draws_with_its_own_title(tiny_trace: sw.STrace) -> None:
    picture = svg(charts.reconstruction(tiny_trace.sweep(), title="Error & size"))
    assert "Error &amp; size" in picture
    assert "differs" in picture


def test_effects_draw_each_head_and_mlp(tiny_trace: sw.STrace) -> None:
    for by, columns in (("component", 5), ("head", 4), ("mlp", 1)):
        found = tiny_trace.effects(by=by, progress=False)
        for value in ("total_variation", "logit_change"):
            spec = charts.effects(found, value).to_dict()
            (rows,) = spec["datasets"].values()
            assert len(rows) == 3 * columns
            assert found.answer.token in svg(charts.effects(found, value)).replace("&lt;", "<").replace("&gt;", ">")


def test_two_traces_share_edges_and_draw(tiny: Any, tiny_trace: sw.STrace) -> None:
    other = sw.trace(tiny, "w5 w17 w3 w88 w41 w9")
    pair = sw.compare(tiny_trace, other, [0.05, 0.3, 1])
    assert pair.jaccard is not None
    for size, shared in zip(pair.sizes, pair.jaccard, strict=True):
        first, second = (np.concatenate([kind.ravel() for kind in trace.mask(size)]) for trace in (tiny_trace, other))
        assert shared == pytest.approx((first & second).sum() / (first | second).sum())
    worst = pair.heads(0.3)[0]
    counts = [trace.mask(0.3).attention[worst.layer, worst.head].sum() for trace in (tiny_trace, other)]
    total = tiny_trace.graph.exists().attention[worst.layer, worst.head].sum()
    assert (worst.first, worst.second) == pytest.approx(tuple(count / total for count in counts))
    everywhere = pair.heads(0.3, 12)
    assert len(everywhere) == 12
    gaps = [abs(head.first - head.second) for head in everywhere]
    assert gaps == sorted(gaps, reverse=True)
    assert "edges shared" in repr(pair)
    assert worst.component in svg(pair.chart(0.3))
    picture = svg(pair.chart(0.3))
    assert "edges they share" in picture
    assert "heads that differ most, at s = 0.3" in picture
    same = sw.compare(tiny_trace, sw.trace(tiny, tiny_trace.token_ids, "l2"))
    assert "by l2" in repr(same)


def test_unlike_traces_are_compared_as_far_as_they_go(tiny: Any, tiny_trace: sw.STrace) -> None:
    shorter = sw.compare(tiny_trace, sw.trace(tiny, "w5 w17"))
    assert shorter.jaccard is None
    assert "edges cannot be matched" in repr(shorter)
    assert "edges they share" not in svg(shorter.chart())
    deeper = sw.load_model(tiny_models.tiny(num_hidden_layers=4), tokenizer=tiny_models.words())
    pair = sw.compare(tiny_trace, sw.trace(deeper, "w5 w17 w3 w88 w41 w2"))
    with pytest.raises(ValueError, match=r"\(3, 4\) and .* \(4, 4\)"):
        pair.heads()
    assert "heads that differ" not in svg(pair.chart())
    with pytest.raises(ValueError, match="each with 0 < s <= 1"):
        sw.compare(tiny_trace, tiny_trace, [0, 0.5])
