"""The subgraph as a networkx graph, as GraphML, and as the picture gets it: exactly the trace's edges."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny, words

import strace_widgets as sw
from strace_widgets.errors import MissingPackageError
from strace_widgets.explorer.view_state import graph_edges

PROMPT = "w1 w2 w3 w2"
TRACES: dict[bool, sw.STrace] = {}


def trace_of(*, parallel: bool) -> sw.STrace:
    if parallel not in TRACES:
        model = sw.load_model(tiny("GPTNeoX" if parallel else "Llama", use_parallel_residual=True), tokenizer=words())
        TRACES[parallel] = sw.trace(model, PROMPT)
    return TRACES[parallel]


def edges_of(mask: Any, *, parallel: bool) -> set[tuple[Any, ...]]:
    """Say the edges of a mask once more, from the definition of the graph."""
    found = set()
    for layer, head, target, source in np.argwhere(mask.attention).tolist():
        below = layer if parallel else 2 * layer
        found.add(((below, source), (below + 1, target), "attention", layer, head))
    for kind in ("attention_residual", "mlp", "mlp_residual"):
        for layer, token in np.argwhere(getattr(mask, kind)).tolist():
            below = layer if parallel else 2 * layer + (kind != "attention_residual")
            found.add(((below, token), (below + 1, token), kind, layer, None))
    return found


@pytest.mark.parametrize("parallel", [False, True])
@given(size=st.floats(1e-3, 1.0))
@settings(max_examples=20)
def test_a_networkx_graph_has_exactly_the_edges_of_the_trace(parallel: bool, size: float) -> None:
    trace = trace_of(parallel=parallel)
    graph = trace.to_networkx(size)
    mask = trace.mask(size)
    drawn = [(start, end, edge["kind"], edge["layer"], edge.get("head")) for start, end, edge in graph.edges(data=True)]
    assert len(drawn) == mask.n_kept
    assert set(drawn) == edges_of(mask, parallel=parallel)
    assert sorted(edge["rank"] for *_, edge in graph.edges(data=True)) == list(range(mask.n_kept))
    for _, end, rank, edge in graph.edges(data=True, keys=True):
        kind = edge["kind"]
        place = (edge["layer"], edge["head"], end[1], _[1]) if kind == "attention" else (edge["layer"], end[1])
        assert edge["weight"] == getattr(trace.weights, kind)[place]
        assert edge["rank"] == rank == getattr(trace.ranks, kind)[place]
    for (graph_layer, position), node in graph.nodes(data=True):
        assert node == {"graph_layer": graph_layer, "position": position, "token": trace.tokens[position]}
    output = (trace.graph.n_layers * (1 if parallel else 2), len(trace.tokens) - 1)
    assert all(nx.has_path(graph, node, output) for node in graph)


def test_toggles_are_in_it_and_graphml_gives_it_back(tmp_path: Path) -> None:
    trace = trace_of(parallel=False)
    graph = trace.to_networkx(0.3, {"1.2": "on", "0": "off"})
    assert graph.number_of_edges() == trace.mask(0.3, {"1.2": "on", "0": "off"}).n_kept
    nx.write_graphml(graph, tmp_path / "trace.graphml")
    back = nx.read_graphml(tmp_path / "trace.graphml", force_multigraph=True)
    assert {str(node) for node in graph} == set(back)
    kept = {edge["rank"]: edge for *_, edge in graph.edges(data=True)}
    assert {edge["rank"]: edge for *_, edge in back.edges(data=True)} == kept


def test_a_token_that_xml_cannot_hold_is_written(tmp_path: Path) -> None:
    tokenizer = words()
    model = sw.load_model(tiny(), tokenizer=tokenizer)
    trace = sw.trace(model, PROMPT)
    trace.tokens[1] = "\x00<&\ud800"
    nx.write_graphml(trace.to_networkx(1.0), tmp_path / "trace.graphml")
    texts = {node["token"] for _, node in nx.read_graphml(tmp_path / "trace.graphml").nodes(data=True)}
    assert "\N{REPLACEMENT CHARACTER}<&\N{REPLACEMENT CHARACTER}" in texts


def test_without_networkx_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'strace_widgets\[graphs\]'"):
        trace_of(parallel=False).to_networkx(0.5)


@pytest.mark.parametrize("parallel", [False, True])
def test_the_picture_gets_the_first_edges_of_the_order(parallel: bool) -> None:
    trace = trace_of(parallel=parallel)
    heads, tokens = trace.graph.n_heads, len(trace.tokens)
    for most in (7, trace.n_edges + 1):
        arrays = graph_edges(trace, most)
        assert {len(values) for values in arrays.values()} == {min(most, trace.n_edges)}
        for rank, (where, link) in enumerate(zip(arrays["graph_part"], arrays["graph_link"], strict=True)):
            layer, part = divmod(int(where), heads + 3)
            target, source = divmod(int(link), tokens)
            kind = ["attention_residual", "mlp", "mlp_residual"][part - heads] if part >= heads else "attention"
            place = (layer, part, target, source) if kind == "attention" else (layer, target)
            assert getattr(trace.ranks, kind)[place] == rank
            assert getattr(trace.weights, kind)[place] == arrays["graph_weight"][rank]
