"""Positions and single edges switched on and off, against the naive reference, here and on a server."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_ndif import MockNDIF
from naive_case import as_dict
from naive_masked import masked_logits
from tiny_models import tiny, words

import strace_widgets as sw
from strace_widgets.errors import ToggleError
from strace_widgets.graph.toggles import parse
from strace_widgets.results import metrics

PROMPT = "w5 w17 w3 w88"
LAYERS, HEADS, TOKENS = 3, 4, 4
STATE = st.sampled_from(["on", "off"])
KINDS = ("attention_residual", "mlp", "mlp_residual")


@functools.cache
def case(family: str) -> tuple[Any, sw.STrace]:
    module = tiny(family, **({"use_parallel_residual": True} if family == "GPTNeoX" else {}))
    return module, sw.trace(sw.load_model(module, tokenizer=words()), PROMPT)


@st.composite
def names(draw: st.DrawFn) -> str:
    layer, head = draw(st.integers(0, LAYERS - 1)), draw(st.integers(0, HEADS - 1))
    source, target = sorted(draw(st.tuples(st.integers(0, TOKENS - 1), st.integers(0, TOKENS - 1))))
    kind = draw(st.sampled_from(KINDS))
    forms = ["@{t}", ".{h}@{t}", "@{s}>{t}", ".{h}@{s}>{t}", ".{k}@{t}", ".{h}", ".mlp", ""]
    return str(layer) + draw(st.sampled_from(forms)).format(h=head, s=source, t=target, k=kind)


some_toggles = st.dictionaries(names(), STATE, max_size=6)


def reach(name: str, edge: Any) -> int | None:
    """Return how narrowly a name is about an edge, or None where it is about others: the grammar, written once more."""
    kind, layer, target, source, head = edge
    part, _, where = name.partition("@")
    of_layer, _, of_part = part.partition(".")
    if int(of_layer) != layer:
        return None
    if not where:  # a component, or a layer of them; residual edges belong to none
        if kind.endswith("residual") or (of_part and of_part != (str(head) if kind == "attention" else kind)):
            return None
        return 1 if of_part else 0
    from_, arrow, to = where.rpartition(">")
    if int(to) != target or (of_part and of_part != (str(head) if kind == "attention" else kind)):
        return None
    if arrow and (kind != "attention" or int(from_) != source):
        return None
    return 2 + 2 * bool(of_part) + 3 * bool(arrow)  # a head's into a token are said before an arc's


def kept_edges(trace: sw.STrace, n_edges: int, toggles: dict[str, str]) -> set[Any]:
    kept = set()
    for edge, rank in as_dict(trace.ranks, trace.graph).items():
        about = [(reach(name, edge), state) for name, state in toggles.items() if reach(name, edge) is not None]
        wins = max(about, default=None)
        if wins[1] == "on" if wins else rank < n_edges:
            kept.add(edge)
    return kept


def narrowed(toggles: dict[str, str]) -> dict[str, str]:
    """Write a layer's toggles before those of its components, which then hold over it."""
    return dict(sorted(toggles.items(), key=lambda item: len(item[0].partition(".")[2])))


def probabilities(logits: Any) -> Any:
    return np.exp(metrics.log_probabilities(np.asarray(logits, dtype=np.float64)))


@pytest.mark.parametrize("family", ["Llama", "GPTNeoX", "Olmo2"])
@given(toggles=some_toggles, share=st.floats(0.01, 1.0), other=some_toggles)
@settings(max_examples=25)
def test_they_agree_with_the_naive_reference(
    family: str, toggles: dict[str, str], share: float, other: dict[str, str]
) -> None:
    module, trace = case(family)
    each = [narrowed(toggles), {}, narrowed(other)]
    sweep = trace.evaluate([share] * 3, each)
    for row, chosen in enumerate(each):
        kept = kept_edges(trace, int(share * trace.n_edges), chosen)
        assert {edge for edge, value in as_dict(trace.mask(share, chosen), trace.graph).items() if value} == kept
        assert sweep.n_edges_kept[row] == len(kept)
        logits = masked_logits(module, trace.token_ids.tolist(), kept)
        np.testing.assert_allclose(sweep.probabilities[row], probabilities(logits), atol=1e-5)
        assert trace.evaluate([share], chosen).total_variation[0] == pytest.approx(sweep.total_variation[row], abs=1e-5)


@pytest.mark.parametrize("modes", [{"attention": "frozen"}, {"residual": "kept"}, {"masks": "mlp+residual"}])
def test_they_go_with_the_other_modes(modes: dict[str, str]) -> None:
    module, trace = case("Llama")
    toggles = {"1@3": "off", "0.2@1>3": "on", "2.mlp@3": "on", "1.mlp_residual@3": "on"}
    sweep = trace.evaluate([0.4, 0.4], [toggles, {}], **modes)
    assert sweep.n_edges_kept[0] != sweep.n_edges_kept[1]
    assert sweep.total_variation[0] != sweep.total_variation[1]
    if "attention" in modes:
        return
    kept = kept_edges(trace, int(0.4 * trace.n_edges), toggles)
    if "residual" in modes:  # all residual edges, but for those that are off
        edges = as_dict(trace.ranks, trace.graph)
        kept |= {edge for edge in edges if edge[0].endswith("residual")} - {("attention_residual", 1, 3, 3, -1)}
    logits = masked_logits(module, trace.token_ids.tolist(), kept, mask_attention="masks" not in modes)
    with torch.no_grad():
        np.testing.assert_allclose(sweep.probabilities[0], probabilities(logits), atol=1e-5)


def test_a_server_is_sent_toggles_and_no_masks(remote_tiny: sw.Model, tiny: Any, ndif: MockNDIF) -> None:
    trace, twin = sw.trace(remote_tiny, PROMPT), sw.trace(tiny, PROMPT)
    each = [{"1@2": "off", "2.1@1>3": "on", "1": "on"}, {}]
    ours = twin.evaluate([0.3, 0.3], each)
    theirs = trace.evaluate([0.3, 0.3], each)
    np.testing.assert_allclose(theirs.total_variation, ours.total_variation, atol=1e-5)
    assert theirs.n_edges_kept.tolist() == ours.n_edges_kept.tolist()
    with_toggles = len(ndif.posted[-1].content)
    trace.evaluate([0.3, 0.3])
    assert with_toggles - len(ndif.posted[-1].content) < 600


@given(some_toggles)
def test_toggles_are_a_value(toggles: dict[str, str]) -> None:
    """However they are written, they are the same, and their plain form gives them back."""
    once = parse(narrowed(toggles), LAYERS, HEADS, TOKENS)
    edges = {name: state for name, state in toggles.items() if "@" in name}
    assert {name: state for name, state in once.plain().items() if "@" in name} == edges
    again = parse(once.plain(), LAYERS, HEADS, TOKENS)
    assert (again, hash(again)) == (once, hash(once))
    assert parse(dict(reversed(once.plain().items())), LAYERS, HEADS, TOKENS) == once


@pytest.mark.parametrize(
    ("name", "part_of_message"),
    [
        ("1@4", "no token 4: this prompt's are 0 to 3"),
        ("3@0", "layers are 0 to 2"),
        ("1.4@0", "heads are 0 to 3"),
        ("1.0@2>1", "no token reads a later one"),
        ("1.mlp@0>1", "no position and no edge"),
        ("1.residual@0", "besides, there are attention_residual, mlp, mlp_residual"),
        ("1@", "write '21@3' for token 3"),
        ("@1", "write '21@3' for token 3"),
        ("1@x", "write '21@3' for token 3"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(name: str, part_of_message: str) -> None:
    with pytest.raises(ToggleError, match=part_of_message.replace(".", r"\.")):
        parse({name: "off"}, LAYERS, HEADS, TOKENS)


def test_toggles_of_a_longer_prompt_are_refused() -> None:
    longer = parse({"1@9": "off"}, LAYERS, HEADS, 10)
    with pytest.raises(ToggleError, match="There is no token 9"):
        parse(longer, LAYERS, HEADS, TOKENS)


def test_files_and_programs_hold_them(tmp_path: Path) -> None:
    _, trace = case("Llama")
    toggles = {"1@2": "off", "2.1@1>3": "on"}
    explorer = trace.explore()
    explorer.toggles = toggles
    explorer.save_session(tmp_path / "session.json")
    explorer.save(tmp_path / "trace.strace")
    assert f"toggles={toggles!r}" in explorer.code()["strace_widgets"]
    explorer.close()
    for again in (trace.explore(tmp_path / "session.json"), sw.load_trace(tmp_path / "trace.strace").explore()):
        assert again.toggles == toggles
        again.close()


def test_a_position_that_the_prompt_does_not_have_is_said_in_the_widget() -> None:
    _, trace = case("Llama")
    explorer = trace.explore()
    explorer.set_state({"toggles": {"1@9": "off"}})
    assert "There is no token 9" in explorer.status["message"]
    assert explorer.toggles == {}
    explorer.close()
