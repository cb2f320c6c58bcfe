"""The state that the views read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

import strace_widgets as sw
from strace_widgets.bundle import STRONGEST
from strace_widgets.session import Session


def array(state: dict[str, Any], name: str) -> Any:
    packed = state["arrays"][name]
    return np.frombuffer(packed["data"], dtype=packed["dtype"]).reshape(packed["shape"])


def test_counts_are_those_of_the_masks(tiny_trace: sw.STrace) -> None:
    state = Session(tiny_trace).bundle()
    for level, size in enumerate(tiny_trace.sweep().sizes):
        mask = tiny_trace.mask(size)
        assert array(state, "level_n_edges")[level] == mask.n_kept
        np.testing.assert_array_equal(array(state, "head_edges")[level], mask.attention.sum(axis=(2, 3)))
        np.testing.assert_array_equal(array(state, "mlp_edges")[level], mask.mlp.sum(axis=1))
        into_position = mask.attention.sum(axis=(1, 3)) + mask.attention_residual * 1 + mask.mlp * 1 + mask.mlp_residual
        np.testing.assert_array_equal(array(state, "position_edges")[level], into_position)
    np.testing.assert_array_equal(array(state, "position_total"), array(state, "position_edges")[-1])
    np.testing.assert_array_equal(array(state, "mlp_total"), array(state, "mlp_edges")[-1])
    np.testing.assert_array_equal(array(state, "head_total"), array(state, "head_edges")[-1][:, 0])


def test_strongest_edges_are_the_heaviest(tiny_trace: sw.STrace) -> None:
    state = Session(tiny_trace).bundle()
    source, target = array(state, "strongest_source"), array(state, "strongest_target")
    weight, rank = array(state, "strongest_weight"), array(state, "strongest_rank")
    heaviest = np.sort(tiny_trace.weights.attention[1, 2].ravel())[::-1][:STRONGEST]
    np.testing.assert_array_equal(weight[1, 2], heaviest)
    for edge in range(STRONGEST):
        place = (1, 2, target[1, 2, edge], source[1, 2, edge])
        assert tiny_trace.ranks.attention[place] == rank[1, 2, edge]
        assert tiny_trace.weights.attention[place] == weight[1, 2, edge]
    assert (target[-1] == np.where(source[-1] >= 0, 5, -1)).all()  # in the last layer only the last token is entered


def test_bundle_holds_the_prediction_of_every_level(tiny_trace: sw.STrace) -> None:
    state = Session(tiny_trace).bundle()
    sweep = tiny_trace.sweep()
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
