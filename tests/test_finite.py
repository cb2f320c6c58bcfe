"""Numbers that are not finite: refused in every surface, with the place where the first of them arises."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mock_ndif
import numpy as np
import pytest
import tiny_models
import torch
from nnsight.modeling.transformers import TransformersModel
from not_finite import PROMPT, WITHOUT, loaded, one_token, outgrowing, spoilt, suppressing

import strace_widgets as sw
from strace_widgets.errors import NonFiniteError
from strace_widgets.graph.edges import Edges, Graph
from strace_widgets.graph.measures import MEASURES, measure_named, weigh
from strace_widgets.interventions.packing import packed
from strace_widgets.model import finite
from strace_widgets.model.tensors import unpacked
from strace_widgets.results import metrics

WEIGHTS = {
    "model.embed_tokens.weight": ("embeddings", None),
    "model.layers.1.input_layernorm.weight": ("attention", 1),
    "model.layers.1.self_attn.q_proj.weight": ("attention", 1),
    "model.layers.2.self_attn.o_proj.weight": ("attention", 2),
    "model.layers.0.mlp.down_proj.weight": ("mlp", 0),
    "model.layers.2.mlp.gate_proj.weight": ("mlp", 2),
    "model.norm.weight": ("final norm", None),
    "lm_head.weight": ("unembedding", None),
}


@pytest.fixture(scope="module")
def one_bad_token() -> Any:
    return loaded(one_token())


@pytest.fixture(scope="module")
def half() -> Any:
    return loaded(outgrowing())


@pytest.fixture(scope="module")
def suppressed() -> Any:
    return sw.trace(loaded(suppressing()), PROMPT)


def place(reason: pytest.ExceptionInfo[NonFiniteError]) -> tuple[str, int | None]:
    return reason.value.part, reason.value.layer


# Where it begins.


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", WEIGHTS)
def test_a_model_with_such_a_weight_is_refused_by_the_name_of_the_weight(name: str, value: float) -> None:
    with pytest.raises(NonFiniteError, match=rf"Weights hold such numbers: {name}\. Load a sound copy") as reason:
        loaded(spoilt(name, value))
    assert place(reason) == WEIGHTS[name]
    assert reason.value.weights == (name,)


@pytest.mark.parametrize("name", [name for name in WEIGHTS if "embed" not in name])
def test_the_same_pass_tells_it_of_a_model_that_is_spoilt_after_it_was_loaded(name: str) -> None:
    model = loaded(tiny_models.tiny())
    model.nnsight._module.load_state_dict(spoilt(name).state_dict())
    with pytest.raises(NonFiniteError, match="after this prompt") as reason:
        sw.trace(model, PROMPT)
    assert (place(reason), reason.value.weights) == (WEIGHTS[name], (name,))


def test_a_stream_that_outgrows_float16_is_told_from_what_is_added_to_it() -> None:
    """Neither sublayer is infinite, and no weight is: only their sum is."""
    for layer, part, name in ((1, "mlp", "mlp.down_proj"), (2, "attention", "self_attn.o_proj")):
        module = tiny_models.tiny(attention_bias=True, mlp_bias=True)
        with torch.no_grad():
            module.model.embed_tokens.weight[:, 0] = 40_000
            module.get_submodule(f"model.layers.{layer}.{name}").bias[0] = 40_000
        with pytest.raises(NonFiniteError, match=r"\(the stream after it\)\. The numbers outgrow float16") as reason:
            loaded(module.half())
        assert place(reason) == (part, layer)


def test_infinite_logits_of_the_proof_do_not_pass_for_suppressed_tokens() -> None:
    """An infinite weight of the unembedding may give the logit minus infinity by chance."""
    for value in (math.inf, -math.inf):
        with pytest.raises(NonFiniteError, match=r"unembedding"):
            loaded(spoilt("lm_head.weight", value))


@pytest.mark.parametrize("importance", MEASURES)
def test_every_measure_says_where_a_prompt_goes_wrong(one_bad_token: Any, importance: str) -> None:
    with pytest.raises(NonFiniteError, match=r"embeddings \(not a number\).*model\.embed_tokens\.weight") as reason:
        sw.trace(one_bad_token, PROMPT, importance)
    assert place(reason) == ("embeddings", None)
    assert sw.trace(one_bad_token, WITHOUT, importance).smallest(top1=True) > 0


def test_a_function_of_weights_is_told_which_are_not_finite(tiny: Any, one_bad_token: Any) -> None:
    def broken(captured: Any) -> Edges:
        weights = Edges(np.abs(captured.factors), *(np.ones(captured.mlp.shape[:2], np.float32) for _ in range(3)))
        weights.mlp[1, 3] = np.inf
        return weights

    with pytest.raises(NonFiniteError, match=r"of the mlp edges 1 .* the first at \(1, 3\)") as reason:
        sw.trace(tiny, PROMPT, broken)
    assert reason.value.layer == 1
    with pytest.raises(NonFiniteError, match="embeddings"):
        sw.trace(one_bad_token, PROMPT, broken)


# Scores and gradients, where all activations are finite.


def test_scores_that_overflow_name_the_layer_and_the_measure_to_take_instead() -> None:
    """An MLP that adds 1e25 is finite, and its square is not."""
    model = loaded(tiny_models.tiny(mlp_bias=True))
    with torch.no_grad():
        model.nnsight._module.model.layers[1].mlp.down_proj.bias[0] = 1e25
    assert np.isfinite(sw.trace(model, PROMPT, "l1").weights.mlp).all()
    with pytest.raises(NonFiniteError, match=r"scores of layer 1 .*All activations are finite: choose") as reason:
        sw.trace(model, PROMPT, "projection")
    assert place(reason) == ("scores", 1)


def test_gradients_are_followed_from_the_last_layer_back(tiny: Any) -> None:
    graph = Graph(3, 4, 6)
    scores = Edges(*(kind.astype(np.float32) for kind in graph.exists()))
    scores.mlp[0, 2] = scores.attention[1, 0, 4, 2] = np.nan
    (call,) = tiny.captures(tiny.encode(PROMPT), "fisher")
    with pytest.raises(NonFiniteError, match=r"gradients of layer 1 \(of the edges into the attention node\)"):
        finite.check_scores(tiny, scores, np.zeros(97), call, backward=True)
    with pytest.raises(NonFiniteError, match=r"scores of layer 0 \(of the edges into the MLP node\)"):
        finite.check_scores(tiny, scores, np.zeros(97), call)


def test_shares_of_a_sum_that_overflows_are_refused_rather_than_zero() -> None:
    graph = Graph(2, 1, 2)
    scores = Edges(*(kind * np.float32(2e38) for kind in graph.exists()))
    with (
        pytest.raises(NonFiniteError, match="edges of layer 0 add up to more than float32"),
        np.errstate(over="ignore"),
    ):
        weigh(scores, graph, measure_named("l1"))


# Subgraphs that overflow where the model does not.


def test_a_sweep_names_the_size_the_place_and_how_many(half: Any) -> None:
    trace = sw.trace(half, PROMPT, "l2")
    with pytest.raises(NonFiniteError, match=r"subgraph of 36 edges \(s = 0\.156\), one of \d+ among the 37") as reason:
        trace.evaluate(trace.standard_sizes())
    assert reason.value.n_edges == 36
    assert reason.value.layer == 1
    assert "dtype=torch.bfloat16" in str(reason.value)
    assert trace.evaluate([1.0]).top1.all()
    exact = sw.trace(loaded(outgrowing(torch.float32)), PROMPT, "l2")
    assert np.isfinite(exact.sweep().kl).all()
    with pytest.raises(NonFiniteError, match="layer 1"):
        trace.sweep()


def test_toggles_are_part_of_what_is_told(half: Any) -> None:
    trace = sw.trace(half, PROMPT, "l2")
    with pytest.raises(NonFiniteError, match=r"under the toggles {'0\.mlp': 'off'}.* MLP of layer 1 \(the stream af"):
        trace.evaluate([1.0], {"0.mlp": "off"})
    with pytest.raises(NonFiniteError, match=r"under the toggles {'0\.mlp': 'off'}"):
        trace.evaluate([1.0, 1.0], [{}, {"0.mlp": "off"}])


@pytest.mark.parametrize("modes", [{"masks": "mlp+residual"}, {"inverse": True}, {"attention": "frozen"}])
def test_other_modes_and_hidden_states_say_it_too(half: Any, modes: dict[str, Any]) -> None:
    trace = sw.trace(half, PROMPT, "l2")
    with pytest.raises(NonFiniteError, match="layer 1"):
        trace.sweep(**modes)
    with pytest.raises(NonFiniteError, match="layer 1"):
        trace.hidden_states([0.5], **modes)


def test_gains_of_a_subgraph_that_overflows_are_told_of_that_subgraph(half: Any) -> None:
    with pytest.raises(NonFiniteError, match=r"subgraph of 46 edges whose gains are scored: .* layer 1"):
        sw.trace(half, PROMPT, "rescored")


def test_a_division_by_the_norm_of_nothing_is_found() -> None:
    model = loaded(tiny_models.tiny(rms_norm_eps=0.0))
    trace = sw.trace(model, PROMPT)
    with pytest.raises(NonFiniteError, match=r"in the subgraph of 0 edges: .* MLP of layer 0 \(.*not a number\)"):
        trace.evaluate([0.004])
    assert trace.evaluate([1.0]).total_variation[0] < 1e-5


def test_the_reference_text_of_the_means_is_told_apart_from_the_prompt() -> None:
    model = loaded(tiny_models.tiny())
    trace = sw.trace(model, PROMPT)
    (bad, *_) = set(model.reference_ids().tolist()) - set(trace.token_ids.tolist())
    model.nnsight._module.model.embed_tokens.weight.data[bad] = math.nan  # not counted as a change of the model
    with pytest.raises(NonFiniteError, match=r"on the reference text of the means: .* embeddings"):
        trace.evaluate([0.5], ablation="mean")


# Every surface.


def test_generation_comparison_and_study_go_on_as_far_as_they_can(one_bad_token: Any, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match="embeddings") as reason:
        sw.trace_generation(one_bad_token, PROMPT, max_new_tokens=2, progress=False)
    assert "at step 0 of the generated text" in reason.value.__notes__[0]
    with pytest.raises(NonFiniteError, match="embeddings"):
        sw.carry_over(sw.trace(one_bad_token, WITHOUT), "w5 w17 w41 w88 w2")
    table = sw.study(one_bad_token, [WITHOUT, PROMPT, "w1 w2 w3"], tmp_path / "s", sizes=[0.1], progress=False).prompts
    assert table["status"].tolist() == ["ok", "failed", "ok"]
    assert "the first arises in the embeddings (not a number)" in table["reason"][1]


def test_a_server_is_asked_a_second_time_only_after_a_failure(
    tiny_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIF_API_KEY", mock_ndif.KEY)
    served = TransformersModel(tiny_folder, task="text-generation", dispatch=True)
    ndif = mock_ndif.MockNDIF(served, tiny_folder)
    model = sw.load_model(tiny_folder, remote=mock_ndif.URL, client=ndif.client)
    with torch.no_grad():
        served._module.model.embed_tokens.weight[41] = math.nan
    ndif.asked.clear()
    sw.trace(model, WITHOUT)
    assert len(ndif.posted) == 1
    with pytest.raises(NonFiniteError, match=r"embeddings \(not a number\).*on a server") as reason:
        sw.trace(model, PROMPT)
    assert place(reason) == ("embeddings", None)
    assert len(ndif.posted) == 3
    with pytest.raises(NonFiniteError, match="embeddings"):
        sw.submit(model, PROMPT).result()
    traced = sw.trace(model, WITHOUT)
    job = traced.submit([0.5, 1.0])
    honest = model.joined_logits

    def infected(*args: Any) -> Any:
        logits = honest(*args)
        logits[2, 5] = math.nan
        return logits

    monkeypatch.setattr(type(model), "joined_logits", lambda _, *args: infected(*args))
    with pytest.raises(NonFiniteError, match=r"in the subgraph of \d+ edges \(s = 1\); evaluate it anew"):
        job.result()


# Suppressed tokens.


def test_a_suppressed_token_has_the_probability_zero_and_harms_nothing(suppressed: sw.STrace) -> None:
    sweep = suppressed.sweep()
    p = np.exp(metrics.log_probabilities(suppressed.full_logits))
    assert (p[10:20] == 0).all()
    assert p.sum() == pytest.approx(1)
    assert suppressed.entropy == pytest.approx(-(p[p > 0] * np.log(p[p > 0])).sum())
    q = sweep.probabilities[5].astype(np.float64)
    kl = (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()
    assert sweep.kl[5] == pytest.approx(kl, rel=1e-3)
    assert sweep.nucleus[-1] == 0.99
    assert sweep.top1[-1]
    for column in (sweep.total_variation, sweep.kl, sweep.jensen_shannon, sweep.entropy):
        assert np.isfinite(column).all()
    assert suppressed.evaluate([0.5], next_token=12).loss[0] == math.inf


@pytest.mark.parametrize("importance", MEASURES)
def test_every_measure_works_with_suppressed_tokens(suppressed: sw.STrace, importance: str) -> None:
    trace = sw.trace(suppressed.model, PROMPT, importance)
    assert all(np.isfinite(kind).all() for kind in trace.weights)
    assert trace.smallest(top1=True) > 0


def test_suppressed_tokens_are_saved_and_shown(suppressed: sw.STrace, tmp_path: Path) -> None:
    again = sw.load_trace(suppressed.save(tmp_path / "x.strace"))
    np.testing.assert_array_equal(again.full_logits, suppressed.full_logits)
    np.testing.assert_array_equal(again.sweep().kl, suppressed.sweep().kl)
    again.with_model(suppressed.model)
    page = suppressed.to_html(tmp_path / "x.html").read_text()
    data = page.split('class="strace-widgets-state">')[1].split("</script>")[0]
    json.loads(data, parse_constant=pytest.fail)


def test_half_precision_of_an_answer_keeps_suppressed_tokens() -> None:
    logits = torch.tensor([1.5, -math.inf, 3.0, -2.0])
    np.testing.assert_allclose(unpacked(packed(logits, half=True)), logits, rtol=1e-3)
    assert np.isnan(unpacked(packed(torch.tensor([1.0, math.nan]), half=True))[1])
    assert unpacked(packed(torch.tensor([1.0, math.inf]), half=True))[1] == math.inf
