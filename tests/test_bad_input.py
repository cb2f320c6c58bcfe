"""Bad input says what is wrong and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_models
import torch

import strace_widgets as sw
from strace_widgets.graph.edges import edges_kept


def test_empty_prompt(tiny: Any) -> None:
    for prompt in ("", "   ", []):
        with pytest.raises(sw.errors.PromptError, match="empty"):
            sw.trace(tiny, prompt)


def test_one_token_prompt_works_with_a_warning(tiny: Any) -> None:
    with pytest.warns(UserWarning, match="single token"):
        trace = sw.trace(tiny, "w5")
    assert trace.evaluate([1.0]).total_variation[0] <= 1e-6
    assert trace.n_edges == 3 * (4 + 3)


def test_prompt_longer_than_the_context(tiny: Any) -> None:
    with pytest.raises(sw.errors.PromptError, match=r"33 tokens.*at most 32"):
        sw.trace(tiny, " ".join(["w1"] * 33))


def test_half_a_character(tiny: Any) -> None:
    with pytest.raises(sw.errors.PromptError, match=r"half a character, '\\ud83d', at position 3"):
        sw.trace(tiny, "w1 \ud83d")
    for question in ({"target": "\ud83d"}, {"counterfactual": "w2 \ud83d w3"}, {"target": "w1", "foil": "\ud83d"}):
        with pytest.raises(sw.errors.PromptError):
            sw.trace(tiny, "w1 w2 w3", **question)


def test_token_ids_that_do_not_exist(tiny: Any) -> None:
    with pytest.raises(sw.errors.PromptError, match="0 to 96"):
        sw.trace(tiny, [5, 97])
    with pytest.raises(sw.errors.PromptError, match="whole numbers"):
        sw.trace(tiny, np.array([0.5, 1.0]))
    with pytest.raises(sw.errors.PromptError, match="one non-empty sequence"):
        sw.trace(tiny, [[1, 2], [3, 4]])


def test_text_for_a_model_without_a_tokenizer() -> None:
    with pytest.raises(sw.errors.PromptError, match="no tokenizer"):
        sw.trace(sw.load_model(tiny_models.tiny()), "hello")


def test_unknown_importance(tiny: Any) -> None:
    with pytest.raises(ValueError, match="'l1', 'l2'"):
        sw.trace(tiny, "w1 w2", importance="l3")


def test_an_importance_function_of_the_wrong_shape(tiny: Any) -> None:
    with pytest.raises(ValueError, match=r"attention \(3, 4, 2, 2\)"):
        sw.trace(tiny, "w1 w2", importance=lambda captured: captured.factors)
    with pytest.raises(ValueError, match="finite"):
        sw.trace(
            tiny,
            "w1 w2",
            importance=lambda c: sw.Edges(c.factors * np.nan, *(x[..., 0] for x in (c.mlp, c.mlp, c.mlp))),
        )


def test_an_evaluation_mode_that_does_not_exist(tiny_trace: sw.STrace) -> None:
    with pytest.raises(ValueError, match=r"masks='some' does not exist: choose 'all' or 'mlp\+residual'"):
        tiny_trace.evaluate([0.5], masks="some")
    with pytest.raises(TypeError, match="no evaluation mode mask: choose among masks"):
        tiny_trace.evaluate([0.5], mask="all")


def test_a_next_token_that_is_several(tiny_trace: sw.STrace) -> None:
    assert tiny_trace.evaluate([1.0], next_token="w7").loss is not None
    with pytest.raises(sw.errors.PromptError, match="is 2 of"):
        tiny_trace.evaluate([1.0], next_token="w7 w8")


def test_an_extraction_out_of_range(tiny_trace: sw.STrace) -> None:
    with pytest.raises(ValueError, match="0 < mass <= 1"):
        tiny_trace.nucleus_mask(0)


@pytest.mark.parametrize("size", [0, -0.1, 1.0001, float("nan"), "0.5", None])
def test_size_outside_its_range(tiny_trace: sw.STrace, size: Any) -> None:
    with pytest.raises(ValueError, match="0 < s <= 1"):
        tiny_trace.mask(size)
    with pytest.raises(ValueError, match="0 < s <= 1"):
        tiny_trace.evaluate([size])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble, np.int8, np.uint16])
def test_a_whole_in_any_of_numpys_numbers_is_every_edge(tiny_trace: sw.STrace, kind: Any) -> None:
    for n_edges in (127, 300, 70_000, 16_777_219, 2**31 + 7):
        assert edges_kept(kind(1), n_edges) == n_edges
    for half in (np.float16(0.5), np.float32(0.5)):
        assert edges_kept(half, 150_001) == 75_000
    assert tiny_trace.evaluate([kind(1)]).total_variation[0] <= 1e-6
    assert tiny_trace.mask(kind(1)).n_kept == tiny_trace.n_edges


def test_no_size_and_no_criterion(tiny_trace: sw.STrace) -> None:
    with pytest.raises(ValueError, match="no size"):
        tiny_trace.evaluate([])
    with pytest.raises(ValueError, match="top1=True"):
        tiny_trace.smallest()
    with pytest.raises(ValueError, match=r"such as 0\.6"):
        tiny_trace.smallest(nucleus=60)


def test_unknown_model(tmp_path: Any) -> None:
    with pytest.raises(sw.errors.ModelNotFoundError, match="no-such-folder"):
        sw.load_model(tmp_path / "no-such-folder")
    with pytest.raises(sw.errors.ModelNotFoundError, match="int is none of these"):
        sw.load_model(7)


def test_a_model_that_is_no_transformer() -> None:
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match="Linear"):
        sw.load_model(torch.nn.Linear(2, 2))


def test_an_unknown_name_in_the_package() -> None:
    with pytest.raises(AttributeError, match="load_modell"):
        _ = sw.load_modell
