"""The state that the views read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import strace_widgets as sw
from strace_widgets.explorer import session as sessions
from strace_widgets.explorer.curves import BASELINES
from strace_widgets.explorer.session import KEPT, Session, curves_after
from strace_widgets.explorer.view_state import DETAILED, STRIP_BYTES, STRONGEST, position_shares, view_state
from strace_widgets.graph.edges import NOT_IN_GRAPH, Edges, Graph
from strace_widgets.graph.order import Order
from strace_widgets.model.text.prompts import ReadPrompt
from strace_widgets.results.strace import STrace
from strace_widgets.results.sweep import compare


def array(state: dict[str, Any], name: str) -> Any:
    packed = state["arrays"][name]
    return np.frombuffer(packed["data"], dtype=packed["dtype"]).reshape(packed["shape"])


def assert_shares(shown: Any, counts: Any, total: Any) -> None:
    """Shares in 255ths are less than 1/255 from the truth, and 0 only where nothing is kept."""
    true = counts / np.maximum(total, 1)
    assert np.abs(shown / 255 - true).max() < 1 / 255
    np.testing.assert_array_equal(shown > 0, counts > 0)


def test_counts_are_those_of_the_masks(tiny_trace: sw.STrace) -> None:
    state = Session(tiny_trace).view_state()
    whole = tiny_trace.graph.exists()
    exists = whole.attention.sum(axis=(1, 3)) + whole.attention_residual * 1 + whole.mlp * 1 + whole.mlp_residual
    for level, size in enumerate(tiny_trace.standard_sizes()):
        mask = tiny_trace.mask(size)
        assert array(state, "count_n_edges")[level] == mask.n_kept
        np.testing.assert_array_equal(array(state, "head_edges")[level], mask.attention.sum(axis=(2, 3)))
        np.testing.assert_array_equal(array(state, "mlp_edges")[level], mask.mlp.sum(axis=1))
        into_position = mask.attention.sum(axis=(1, 3)) + mask.attention_residual * 1 + mask.mlp * 1 + mask.mlp_residual
        np.testing.assert_array_equal(array(state, "layer_edges")[level], into_position.sum(axis=1))
        assert_shares(array(state, "strip_shares")[level], into_position, exists)
        assert_shares(array(state, "token_shares")[level], into_position.sum(axis=0), exists.sum(axis=0))
    np.testing.assert_array_equal(array(state, "strip_n_edges"), array(state, "count_n_edges"))
    np.testing.assert_array_equal(array(state, "layer_total"), array(state, "layer_edges")[-1])
    np.testing.assert_array_equal(array(state, "mlp_total"), array(state, "mlp_edges")[-1])
    np.testing.assert_array_equal(array(state, "head_total"), array(state, "head_edges")[-1][:, 0])


def test_strongest_edges_are_the_heaviest(tiny_trace: sw.STrace) -> None:
    state = Session(tiny_trace).view_state()
    source, target = array(state, "strongest_source"), array(state, "strongest_target")
    weight, rank = array(state, "strongest_weight"), array(state, "strongest_rank")
    heaviest = np.sort(tiny_trace.weights.attention[1, 2].ravel())[::-1][:STRONGEST]
    np.testing.assert_array_equal(weight[1, 2], heaviest)
    for edge in range(STRONGEST):
        place = (1, 2, target[1, 2, edge], source[1, 2, edge])
        assert tiny_trace.ranks.attention[place] == rank[1, 2, edge]
        assert tiny_trace.weights.attention[place] == weight[1, 2, edge]
    assert (target[-1] == np.where(source[-1] >= 0, 5, -1)).all()  # in the last layer only the last token is entered
    mlp = (1, tiny_trace.graph.n_heads)  # an MLP follows its layer's heads
    np.testing.assert_array_equal(source[mlp], target[mlp])
    listed = source[mlp] >= 0
    np.testing.assert_array_equal(weight[mlp][listed], np.sort(tiny_trace.weights.mlp[1])[::-1])
    np.testing.assert_array_equal(tiny_trace.ranks.mlp[1, source[mlp][listed]], rank[mlp][listed])


@pytest.mark.parametrize("node", ["1.2", "1.mlp", "2.0"])
def test_a_node_is_told_in_full(tiny_trace: sw.STrace, node: str) -> None:
    details = Session(tiny_trace).node(node)
    layer, part = node.split(".")
    pairs = [
        np.diag(edges.mlp[int(layer)]) if part == "mlp" else edges.attention[int(layer), int(part)]
        for edges in (tiny_trace.weights, tiny_trace.ranks)
    ]
    weights = pairs[0]
    assert sum(details["shares"]) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(details["shares"], weights.sum(axis=0) / weights.sum(), atol=1e-5)
    in_graph = sum(weight > 0 for weight in weights.ravel())
    assert len(details["edges"]) == min(DETAILED, in_graph)
    heaviest = np.sort(weights.ravel())[::-1]
    for edge, weight in zip(details["edges"], heaviest, strict=False):
        assert edge["weight"] == weight == weights[edge["target"], edge["source"]]
        assert edge["rank"] == pairs[1][edge["target"], edge["source"]]
    json.dumps(details)


@pytest.mark.parametrize(("node", "part_of_message"), [("9.0", "no layer 9"), ("1", "whole layer"), (None, "None")])
def test_a_node_that_does_not_exist_is_refused(tiny_trace: sw.STrace, node: Any, part_of_message: str) -> None:
    with pytest.raises(sw.errors.ToggleError, match=part_of_message):
        Session(tiny_trace).node(node)


def drawn(model: Any, graph: Graph) -> STrace:
    """Return a trace of any shape whose order and weights are random."""
    random, exists = np.random.default_rng(0), graph.exists()
    order = random.permutation(graph.n_edges).astype(np.int32)
    ranks, begin = [], 0
    for there in exists:
        kind = np.full(there.shape, NOT_IN_GRAPH, dtype=np.int32)
        kind[there] = order[begin : begin + there.sum()]
        begin += int(there.sum())
        ranks.append(kind)
    weights = Edges(*(there / np.float32(1 + rank % 1000) for there, rank in zip(exists, ranks, strict=True)))
    tokens = [f" token{i}" for i in range(graph.n_tokens)]
    logits = random.standard_normal(96, dtype=np.float32)
    ids = np.zeros(graph.n_tokens, dtype=np.int64)
    return STrace(
        model=model,
        prompt="".join(tokens),
        token_ids=ids,
        tokens=tokens,
        importance="l1",
        graph=graph,
        weights=weights,
        order=Order(Edges(*ranks)),
        full_logits=logits,
    )


def drawn_view_state(model: Any, graph: Graph) -> dict[str, Any]:
    trace = drawn(model, graph)
    sizes = trace.standard_sizes()
    kept = np.array([int(size * trace.n_edges) for size in sizes])
    logits = np.random.default_rng(1).standard_normal((len(sizes), 96), dtype=np.float32)
    sweep = compare(trace.full_logits, logits, sizes, kept, kept, model.decode)
    return view_state(trace, sweep, {"prompt": trace.prompt}, ReadPrompt(trace.prompt, trace.token_ids, trace.origin))


def n_bytes(state: dict[str, Any]) -> int:
    arrays = sum(len(packed["data"]) for packed in state["arrays"].values())
    return arrays + len(json.dumps({name: value for name, value in state.items() if name != "arrays"}))


@pytest.mark.parametrize(
    ("graph", "most"),
    [(Graph(30, 9, 64), 2e6), (Graph(32, 32, 256), 8e6), (Graph(4, 2, 2000), 8e6)],
    ids=lambda value: "x".join(map(str, value[:3])) if isinstance(value, tuple) else "",
)
def test_the_state_is_bounded(tiny: Any, graph: Graph, most: float) -> None:
    assert n_bytes(drawn_view_state(tiny, graph)) <= most


def test_the_state_of_a_large_model_is_bounded_at_any_length(tiny: Any) -> None:
    """80 x 64 at 2,000 tokens has more edges than ranks can count here: its parts are measured one by one."""
    short = drawn_view_state(tiny, Graph(80, 64, 4))
    strip = position_shares(np.ones((48, 80, 2000), dtype=np.int32), np.arange(48))[1]
    texts = 2 * len(json.dumps([f" token{i}" for i in range(2000)]))
    assert n_bytes(short) + sum(array.nbytes for array in strip.values()) + texts <= 8e6


@pytest.mark.parametrize(("n_tokens", "most"), [(50, 10**6), (50, 5000), (50, 1300), (51, 1300), (1000, 999)])
def test_a_strip_gives_up_levels_and_then_tokens(n_tokens: int, most: int) -> None:
    layers, levels = 7, 40
    total = np.arange(1, layers * n_tokens + 1).reshape(layers, n_tokens) * 3
    counts = np.stack([total * level // (levels - 1) for level in range(levels)])
    per_cell, arrays = position_shares(counts, np.arange(levels) * 10, most)
    strip, sent = arrays["strip_shares"], arrays["strip_n_edges"] // 10
    assert strip.nbytes <= most <= STRIP_BYTES
    assert (sent[0], sent[-1]) == (0, levels - 1)
    assert len(sent) >= 8
    assert (per_cell > 1) == (layers * n_tokens * 8 > most)
    for row, level in zip(strip, sent, strict=True):
        for cell in range(strip.shape[2]):
            tokens = slice(cell * per_cell, (cell + 1) * per_cell)
            assert_shares(row[:, cell], counts[level][:, tokens].sum(axis=1), total[:, tokens].sum(axis=1))
    assert_shares(arrays["token_shares"][9], counts[9].sum(axis=0), total.sum(axis=0))


def test_view_state_holds_the_prediction_of_every_level(tiny_trace: sw.STrace) -> None:
    sweep = tiny_trace.sweep()
    state = Session(tiny_trace).view_state()
    assert not state["levels_follow"]
    for level, row in enumerate(sweep.top):
        for token in row:
            column = state["vocabulary_ids"].index(token.id)
            assert state["vocabulary"][column] == token.token
            assert array(state, "probabilities")[level, column] == np.float32(token.probability)
    assert [mark["n_edges"] in sweep.n_edges for mark in state["landmarks"]]


def test_going_back_gives_the_same_numbers_without_a_new_pass(tiny_trace: sw.STrace) -> None:
    session = Session(tiny_trace)
    before = session.evaluate(100, {})
    switched = session.evaluate(100, {"1.2": "off"})
    assert switched["edges_kept"] < before["edges_kept"]
    assert switched["total_variation"] != before["total_variation"]
    assert session.evaluate(100, {"1.2": "auto"}) is before
    json.dumps(switched)  # plain data: it travels and is saved as it is


def test_the_exact_results_kept_are_those_used_last(tiny_trace: sw.STrace) -> None:
    session = Session(tiny_trace)
    session.evaluations.most = 2
    first, second = (session.evaluate(n_edges, {}) for n_edges in (10, 20))
    assert session.evaluate(10, {}) is first
    session.evaluate(30, {})
    assert session.evaluate(10, {}) is first
    assert session.evaluate(20, {}) is not second
    assert len(session.evaluations) == 2


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The measures that were traced, one entry a trace."""
    done: list[str] = []
    honest = sessions.trace_prompt

    def noted(model: Any, prompt: Any, importance: str) -> STrace:
        done.append(importance)
        return honest(model, prompt, importance)

    monkeypatch.setattr(sessions, "trace_prompt", noted)
    return done


def other(session: Session, **changes: Any) -> Session:
    return session.with_settings(replace(session.settings, **changes))


def test_a_measure_that_was_shown_or_compared_is_not_traced_again(tiny_trace: sw.STrace, traced: list[str]) -> None:
    first = Session(tiny_trace)
    before = first.evaluate(100, {"1.2": "off"})
    first.compare(["l2", "inverse", "random"])
    second = other(first, importance="l2")
    assert second.trace.importance == "l2"
    assert other(second, importance="l1") is first
    assert first.evaluate(100, {"1.2": "off"}) is before
    assert other(first, importance="l2", position=-1) is second  # the last token, whatever its number
    assert traced == ["l2"]
    assert other(first, masks="mlp+residual").settings.masks == "mlp+residual"
    assert traced == ["l2"]  # a mode changes no weight


def test_the_sessions_kept_are_few_and_small(tiny_trace: sw.STrace, traced: list[str]) -> None:
    first = Session(tiny_trace)
    names = ["l2", "proximity", "cosine", "projection"]
    first.compare(names)
    assert traced == names
    first.compare(names[-KEPT + 1 :])
    assert traced == names  # the present one is kept as well, whatever was computed since
    first.compare(names[:1])
    assert traced == [*names, "l2"]
    first.sessions.most_bytes = 2 * first.n_bytes
    second = other(first, importance="l2")
    assert other(second, importance="l1") is first
    assert traced == [*names, "l2"]
    other(first, importance="cosine")
    assert traced[-1] == "cosine"  # two are as much as may be kept
    first.sessions.most_bytes = 0
    assert other(first, importance="l2").trace.importance == "l2"


def test_a_measure_that_fails_leaves_those_that_are_kept(tiny_trace: sw.STrace, traced: list[str]) -> None:
    first = Session(tiny_trace)
    with pytest.raises(ValueError, match="no importance measure 'l7'"):
        first.compare(["l2", "l7"])
    assert other(other(first, importance="l2"), importance="l1") is first
    assert traced == ["l2", "l7"]


def test_a_curve_says_from_where_on_the_top_token_lasts(tiny_trace: sw.STrace) -> None:
    (curve,) = Session(tiny_trace).compare(["l2"])
    sweep = sw.trace(tiny_trace.model, tiny_trace.token_ids, "l2").sweep()
    assert curve["n_edges"] == sweep.n_edges.tolist()
    np.testing.assert_allclose(curve["total_variation"], sweep.total_variation, atol=1e-5)
    row = curve["n_edges"].index(curve["lasting_top1"])
    assert sweep.top1[row:].all()
    assert not sweep.top1[row - 1]


def test_curves_outlive_a_change_of_measure_alone(tiny_trace: sw.STrace) -> None:
    first = Session(tiny_trace)
    first.sweep()
    drawn = first.compare(["l2", *BASELINES, "cosine"])
    second = other(first, importance="l2")
    names = [curve["name"] for curve in curves_after(drawn, first, second)]
    assert names == ["l1", "random", "cosine"]  # the inverse was that of l1
    back = curves_after(curves_after(drawn, first, second), second, first)
    assert back == [curve for curve in drawn if curve["name"] != "inverse"]
    (former,) = curves_after([], first, second)
    assert former["total_variation"] == np.round(first.sweep().total_variation, 5).tolist()
    assert curves_after(drawn, first, first) == drawn
    for change in ({"masks": "mlp+residual"}, {"position": 3}, {"prompt": "w9 w8 w7 w6 w5 w4"}):
        assert curves_after(drawn, first, other(first, **change)) == []
